"""`mvc admin protect|repo|quota`."""

from __future__ import annotations

from typing import TextIO

import click

from mvc.cli import text
from mvc.cli.commands import gc, optimize, verify
from mvc.cli.commands.admin_accounts import (
    NO_REPOSITORY,
    ServerGroup,
    listing,
    repos_option,
    root_option,
    server,
)
from mvc.cli.face import Face
from mvc.cli.options import DAMAGE
from mvc.cli.screens import admin as screen


@click.group("protect", cls=ServerGroup)
def protect() -> None:
    """Manage rules for refs that bind every role, admins too.

    If several rules match a ref, all of them apply.
    """


@protect.command("list")
@root_option
@click.pass_obj
def protect_list(face: Face, root: str | None) -> None:
    """List the rules."""
    with server(root) as team:
        listing(face, "rules", team.rules(), screen.rule)


@protect.command("add")
@click.argument("refs")
@repos_option
@click.option("--may-delete", is_flag=True, help="Allow deletion.")
@click.option("--may-force", is_flag=True, help="Allow moves that lose versions.")
@click.option(
    "--allow",
    multiple=True,
    metavar="USER",
    help="Only these users may move it. May be given several times.",
)
@click.option(
    "--signed-by", type=click.File(), metavar="FILE",
    help="Accept only versions signed by a key in this allowed-signers file, which is copied.",
)  # fmt: skip
@root_option
@click.pass_obj
def protect_add(
    face: Face,
    refs: str,
    repos: str,
    may_delete: bool,
    may_force: bool,
    allow: tuple[str, ...],
    signed_by: TextIO | None,
    root: str | None,
) -> None:
    """Protect REFS, a glob like heads/main or 'tags/*', from deletion and from losing versions.

    Replaces the rule for the same REFS and --repos.
    """
    with server(root) as team:
        made = team.protect(
            refs,
            repos=repos,
            no_delete=not may_delete,
            fast_forward=not may_force,
            allow=allow or None,
            signers=None if signed_by is None else signed_by.read(),
        )
    if face.json:
        face.answer(screen.document(made))
    face.say("  ".join(screen.rule(made)))


@protect.command("remove")
@click.argument("refs")
@repos_option
@root_option
@click.pass_obj
def protect_remove(face: Face, refs: str, repos: str, root: str | None) -> None:
    """Remove the rule for REFS in --repos."""
    with server(root) as team:
        team.unprotect(refs, repos=repos)
    if face.json:
        face.answer({"refs": refs, "repos": repos})
    face.say(f"{refs} in {repos} is not protected any more")


@click.group("repo", cls=ServerGroup)
def repo() -> None:
    """Manage the repositories of the server."""


@repo.command("list")
@root_option
@click.pass_obj
def repo_list(face: Face, root: str | None) -> None:
    """List the repositories."""
    with server(root) as team:
        listing(face, "repositories", team.repositories(), screen.repository)


@repo.command("add")
@click.argument("name")
@root_option
@click.pass_obj
def repo_add(face: Face, name: str, root: str | None) -> None:
    """Make the empty repository NAME, like iris or team/iris."""
    with server(root) as team:
        made = team.add_repository(name)
    if face.json:
        face.answer(screen.document(made))
    face.say(f"{name} is ready to be pushed to")
    face.hint(f"mvc remote add origin grpcs://HOST:PORT/{name}")


@repo.command("remove", exits=NO_REPOSITORY)
@click.argument("name")
@root_option
@click.pass_obj
def repo_remove(face: Face, name: str, root: str | None) -> None:
    """Unlist the repository NAME at once; its files are put aside, not deleted."""
    with server(root) as team:
        aside = team.remove_repository(name)
    if face.json:
        face.answer({"removed": name, "aside": aside})
    face.say(f"{name} is gone; its files are in {text.safe(aside)} until you delete them")


@repo.command("gc", exits=NO_REPOSITORY)
@click.argument("name")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be freed.")
@click.option("--expire-operations", "age", metavar="AGE",
              help="Forget operations older than AGE (90m, 12h, 30d, 0s). [default: 30d]")  # fmt: skip
@root_option
@click.pass_obj
def repo_gc(face: Face, name: str, dry_run: bool, age: str | None, root: str | None) -> None:
    """Free content that nothing in NAME reaches, left by pushes that were given up; the server may run."""
    with server(root) as team:
        report = team.gc(
            name, dry_run=dry_run, expire_operations=gc.parse_age(age), monitor=face.monitor()
        )
    gc.answer(face, report, dry_run=dry_run)


@repo.command("optimize", exits=NO_REPOSITORY)
@click.argument("name")
@click.option("-n", "--dry-run", is_flag=True, help="Only estimate what would be freed.")
@root_option
@click.pass_obj
def repo_optimize(face: Face, name: str, dry_run: bool, root: str | None) -> None:
    """Store what NAME has in fewer bytes, with the codecs of this release; the server may run."""
    with server(root) as team:
        report = team.optimize(name, dry_run=dry_run, monitor=face.monitor())
    optimize.answer(face, report, dry_run=dry_run)


@repo.command("verify", exits=DAMAGE | NO_REPOSITORY)
@click.argument("name")
@click.option("--quick", is_flag=True, help="Check the index and all links, but decode no content.")
@verify.sample_option
@root_option
@click.pass_obj
def repo_verify(face: Face, name: str, quick: bool, sample: float, root: str | None) -> int:
    """Re-hash the content of NAME and follow every link, also the audit log's; the server may run."""
    with server(root) as team:
        report = team.verify(name, read_data=not quick, sample=sample, monitor=face.monitor())
    return verify.answer(face, report, quick=quick, sample=sample)


@click.group("quota", cls=ServerGroup)
def quota() -> None:
    """Manage how many bytes a repository may hold, or a user may push into one."""


@quota.command("list")
@root_option
@click.pass_obj
def quota_list(face: Face, root: str | None) -> None:
    """List the quotas."""
    with server(root) as team:
        listing(face, "quotas", team.quotas(), screen.quota)


@quota.command("set")
@click.argument("size")
@repos_option
@click.option(
    "--user", metavar="USER", help="Limit what this user may push, instead of the whole repository."
)
@root_option
@click.pass_obj
def quota_set(face: Face, size: str, repos: str, user: str | None, root: str | None) -> None:
    """Allow SIZE (500G, 1.5TiB) in each of --repos."""
    with server(root) as team:
        made = team.set_quota(size, repos=repos, user=user)
    if face.json:
        face.answer(screen.document(made))
    face.say("  ".join(screen.quota(made)))


@quota.command("remove")
@repos_option
@click.option("--user", metavar="USER", help="Remove the quota of this user.")
@root_option
@click.pass_obj
def quota_remove(face: Face, repos: str, user: str | None, root: str | None) -> None:
    """Remove the quota for --repos."""
    with server(root) as team:
        team.remove_quota(repos=repos, user=user)
    if face.json:
        face.answer({"repos": repos, "user": user})
    face.say(f"{repos}: no quota{'' if user is None else f' for {user}'} any more")
