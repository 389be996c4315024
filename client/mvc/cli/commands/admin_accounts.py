"""`mvc admin user|token|grant`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import EXIT_STATUS, Verb, VerbGroup
from mvc.cli.screens import admin as screen

if TYPE_CHECKING:
    from mvc.api.team import TeamServer

ROLES = ("read", "append", "write", "maintain", "admin")

root_option = click.option(
    "--root",
    metavar="DIR|URL",
    envvar="MVC_ROOT",
    help="The server's directory, or its address in a bucket. [env: MVC_ROOT]",
)
repos_option = click.option(
    "--repos", default="**", metavar="GLOB", help="Which repositories. [default: all]"
)


class ServerVerb(Verb):
    """A verb that works on a server's directory, and asks for no repository of its own."""

    common: ClassVar[Mapping[int, str]] = {c: t for c, t in EXIT_STATUS.items() if c != 10}


class ServerGroup(VerbGroup):
    """A verb of `mvc admin` with verbs of its own."""

    command_class = ServerVerb


NO_REPOSITORY = {10: "no such repository on the server"}


def server(root: str | None) -> TeamServer:
    from mvc.api.team import TeamServer  # late: start-up

    return TeamServer(root)


def listing(
    face: Face, name: str, found: list[Any], show: Callable[[Any], tuple[str, ...]]
) -> None:
    """A list as JSON or as a table; `name` is its field."""
    face.answer({name: [screen.document(one) for one in found]}, text.table(map(show, found)))


@click.group("user", cls=ServerGroup)
def user() -> None:
    """Manage the users who may call: people, and services such as training boxes."""


@user.command("list")
@root_option
@click.pass_obj
def user_list(face: Face, root: str | None) -> None:
    """List the users."""
    with server(root) as team:
        listing(face, "users", team.users(), screen.user)


@user.command("add")
@click.argument("name")
@click.option("--service", is_flag=True, help="Mark it as a service: a training box, a deployment.")
@click.option(
    "--certificate", "certificates", multiple=True, metavar="NAME",
    help="A name in client certificates (mTLS) that also identifies the user.",
)  # fmt: skip
@root_option
@click.pass_obj
def user_add(
    face: Face, name: str, service: bool, certificates: tuple[str, ...], root: str | None
) -> None:
    """Add the user NAME, who has no rights yet."""
    with server(root) as team:
        made = team.add_user(name, service=service, certificates=certificates)
    if face.json:
        face.answer(screen.document(made))
    face.say(f"{name} is a user now")
    face.hint(f"mvc admin grant add {name} write --repos GLOB", f"mvc admin token add {name}")


@user.command("certificate")
@click.argument("name")
@click.argument("certificate")
@click.option("--remove", is_flag=True, help="Stop identifying the user by it.")
@root_option
@click.pass_obj
def user_certificate(
    face: Face, name: str, certificate: str, remove: bool, root: str | None
) -> None:
    """Identify the user NAME by client certificates (mTLS) that bear the name CERTIFICATE."""
    with server(root) as team:
        if remove:
            team.remove_certificate(certificate)
        else:
            team.add_certificate(name, certificate)
    if face.json:
        face.answer({"user": name, "certificate": certificate, "removed": remove})
    shown = text.safe(certificate)
    face.say(f"{shown} is no certificate of {name} any more" if remove else f"{shown} is {name}")


@user.command("remove")
@click.argument("name")
@root_option
@click.pass_obj
def user_remove(face: Face, name: str, root: str | None) -> None:
    """Remove the user NAME at once, with tokens, grants, quotas and certificates."""
    with server(root) as team:
        team.remove_user(name)
    if face.json:
        face.answer({"removed": name})
    face.say(f"{name} is no user any more; every token of theirs is refused")


@click.group("token", cls=ServerGroup)
def token() -> None:
    """Manage the tokens that users log in with.

    The server keeps only hashes: a lost token is replaced, not looked up.
    """


@token.command("list")
@click.argument("user", required=False)
@root_option
@click.pass_obj
def token_list(face: Face, user: str | None, root: str | None) -> None:
    """List the tokens of USER, or of all users. "used" is exact to the hour."""
    with server(root) as team:
        listing(face, "tokens", team.tokens(user), screen.token)


@token.command("add")
@click.argument("user")
@click.option(
    "--role", type=click.Choice(ROLES), help="Limit the token to this role, whatever USER has."
)
@click.option("--repos", metavar="GLOB", help="Limit the token to these repositories.")
@click.option("--refs", metavar="GLOB", help="Limit the token to these refs, like 'auto/**'.")
@click.option(
    "--expires",
    metavar="WHEN",
    help="When the token expires: When the token expires: 12h, 90d, 2w, or a date. [default: never]",
)
@click.option("--note", default="", metavar="TEXT", help="Note what the token is for.")
@root_option
@click.pass_obj
def token_add(
    face: Face,
    user: str,
    role: str | None,
    repos: str | None,
    refs: str | None,
    expires: str | None,
    note: str,
    root: str | None,
) -> None:
    """Make a token for USER and print it once."""
    with server(root) as team:
        secret, made = team.add_token(
            user, role=role, repos=repos, refs=refs, expires=expires, note=note
        )
    face.answer({"secret": secret, **screen.document(made)}, [secret])
    face.hint("It is not shown again.  On USER's machine: mvc login URL")


@token.command("revoke")
@click.argument("id")
@root_option
@click.pass_obj
def token_revoke(face: Face, id: str, root: str | None) -> None:
    """Revoke the token ID (as mvc admin token list shows it) at once."""
    with server(root) as team:
        revoked = team.revoke_token(id)
    if face.json:
        face.answer(screen.document(revoked))
    face.say(f"token {revoked.id} of {revoked.user} is revoked")


@click.group("grant", cls=ServerGroup)
def grant() -> None:
    """Manage grants, which say what role a user has where.

    Without a grant, a repository does not exist for a user.

    \b
    read       see it
    append     add content, and refs below auto/: right for training boxes
    write      move branches, add tags, signatures and stage records,
               annotate versions
    maintain   move and delete tags, delete signatures and annotations
    admin      as maintain; accounts are changed here, on the server
    """


@grant.command("list")
@click.argument("user", required=False)
@root_option
@click.pass_obj
def grant_list(face: Face, user: str | None, root: str | None) -> None:
    """List the grants of USER, or of all users."""
    with server(root) as team:
        listing(face, "grants", team.grants(user), screen.grant)


@grant.command("add")
@click.argument("user")
@click.argument("role", type=click.Choice(ROLES))
@repos_option
@click.option(
    "--refs",
    default="**",
    metavar="GLOB",
    help="Which refs they see and move; all content is visible. [default: all]",
)
@root_option
@click.pass_obj
def grant_add(face: Face, user: str, role: str, repos: str, refs: str, root: str | None) -> None:
    """Give USER a role, replacing their grant for the same --repos and --refs.

    If several grants match a ref, the highest role counts: read everything, write heads/ada/*.
    """
    with server(root) as team:
        made = team.grant(user, role, repos=repos, refs=refs)
    if face.json:
        face.answer(screen.document(made))
    face.say(f"{user}: {role} in {repos}" + ("" if refs == "**" else f", refs {refs}"))


@grant.command("remove")
@click.argument("user")
@repos_option
@click.option("--refs", metavar="GLOB", help="Take back only the grant for these refs.")
@root_option
@click.pass_obj
def grant_remove(face: Face, user: str, repos: str, refs: str | None, root: str | None) -> None:
    """Take back USER's grants for --repos."""
    with server(root) as team:
        team.ungrant(user, repos=repos, refs=refs)
    if face.json:
        face.answer({"user": user, "repos": repos, "refs": refs})
    face.say(f"{user}: no grant for {repos}{'' if refs is None else f', refs {refs}'} any more")
