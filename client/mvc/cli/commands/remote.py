"""`mvc remote`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.commands.gc import parse_age
from mvc.cli.face import Face
from mvc.cli.options import BUSY, REMOTE_EXITS, VerbGroup, remote_option

if TYPE_CHECKING:
    from mvc.api.remotes import Remote


@click.group("remote", cls=VerbGroup, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Manage remotes, which are names for other repositories.

    mvc push and mvc pull use the remote origin unless told otherwise. Without a verb, the remotes are listed.
    """
    if context.invoked_subcommand is None:
        with list_.make_context("list", [], parent=context) as below:
            list_.invoke(below)


@command.command("list")
@click.pass_obj
def list_(face: Face) -> None:
    """List the remotes and their addresses."""
    found = face.repo.remotes()
    rows = [(click.style(r.name, bold=True), text.safe(r.url)) for r in found]
    face.answer({"remotes": [{"name": r.name, "url": r.url} for r in found]}, text.table(rows))
    if not found:
        face.hint("There are none yet.  mvc remote add origin URL")


@command.command("add", exits=BUSY)
@click.argument("name")
@click.argument("url")
@remote_option
@click.pass_obj
def add(face: Face, name: str, url: str, options: dict[str, str]) -> None:
    """Add remote NAME for the repository at URL.

    URL is grpcs://host/repo (over TLS), grpc://localhost:port/repo, ssh://host/path, s3://bucket/path,
    gs://bucket/path, az://container/path, bucket+file:///path, links:///file, file:///path, or a path. A
    relative path is stored as an absolute one.

    In a bucket nothing has to run: mvc push makes the repository there. Adding it tries out whether it keeps
    what several that push count on. Where it is, and by which keys it is reached, is taken from the
    environment and from AWS profiles, or from --option. bucket+file:// is the same in a
    directory of a network file system, links:/// a bucket that is only read, by links that mvc remote
    presign signed.
    """
    _told(face, face.repo.add_remote(name, url, options=options), "Added")


@command.command("set-url", exits=BUSY)
@click.argument("name")
@click.argument("url")
@click.pass_obj
def set_url(face: Face, name: str, url: str) -> None:
    """Change the address of remote NAME to URL."""
    _told(face, face.repo.set_remote_url(name, url), "Changed")


@command.command("rename", exits=BUSY)
@click.argument("old")
@click.argument("new")
@click.pass_obj
def rename(face: Face, old: str, new: str) -> None:
    """Rename remote OLD to NEW, and its branches here too."""
    _told(face, face.repo.rename_remote(old, new), "Renamed")


@command.command("remove", exits=BUSY)
@click.argument("name")
@click.pass_obj
def remove(face: Face, name: str) -> None:
    """Remove a remote and its branches here. What other refs reach stays."""
    _told(face, face.repo.remove_remote(name), "Removed")


@command.command("encrypt", exits=BUSY)
@click.argument("name")
@click.argument("recipients", metavar="RECIPIENT...", nargs=-1, required=True)
@click.pass_obj
def encrypt(face: Face, name: str, recipients: tuple[str, ...]) -> None:
    """Encrypt what goes to the bucket of remote NAME, before it leaves this machine.

    RECIPIENT is a public key, of age (age1...) or SSH (ssh-ed25519 ...), or a file of such. Whoever has the
    private key of one reads and writes the bucket as before: mvc takes the file that remote.NAME.identity or
    MVC_AGE_IDENTITY names, or ~/.ssh/id_ed25519. The bucket must be empty; one that is encrypted already gets
    these recipients instead of those it had.
    """
    fresh = face.repo.encrypt_remote(name, *recipients)
    if face.json:
        face.answer({"name": name, "recipients": len(recipients), "fresh": fresh})
        return
    what = "is encrypted from now on" if fresh else "has other recipients now"
    face.say(f"{name} {what}  ({text.plural(len(recipients), 'recipient')})")


@command.command("presign", exits=REMOTE_EXITS)
@click.argument("remote")
@click.argument("refs", metavar="[REF]...", nargs=-1)
@click.option("--to", metavar="FILE", help="Write the links into FILE, for your eyes only.")
@click.option("--expires", "age", metavar="AGE", default="1d", show_default=True,
              help="How long they are good: 90m, 12h, 7d at most.")  # fmt: skip
@click.option(
    "--publish", is_flag=True, help="Keep the links in the bucket; FILE has a link to them."
)
@click.pass_obj
def presign(
    face: Face, remote: str, refs: tuple[str, ...], to: str | None, age: str, publish: bool
) -> None:
    """Sign links that read a bucket without its keys.

    Until they expire, whoever has FILE clones, fetches and follows links:///FILE, and reads the packs of the
    bucket REMOTE that hold what the branches, tags and stages REF reach (without REF, all of them). FILE is a
    secret: only you may read it, and its links are never shown. With --publish, links that are signed anew
    later are seen by whoever follows FILE, and FILE itself need not be replaced before it expires.
    """
    expires = parse_age(age)
    assert expires is not None
    made = face.repo.presign_remote(remote, *refs, expires=expires, to=to, publish=publish)
    if face.json:
        face.answer(
            {
                "name": made.remote,
                "url": made.url,
                "refs": list(made.refs),
                "objects": made.objects,
                "packs": made.packs,
                "bytes": made.bytes,
                "expires": made.expires.isoformat(),
                "published": made.published,
                "file": made.file or None,
            }
        )
        return
    face.say(
        f"Signed {text.plural(len(made.refs), 'ref')} of {text.safe(made.remote or made.url)}, good until "
        f"{made.expires:%Y-%m-%d %H:%M} UTC  ({text.plural(made.packs, 'pack')}, {text.size(made.bytes)})"
    )
    if made.file:
        ref = refs[0] if refs else "REF"
        address = shlex.quote(f"links://{made.file}")
        face.hint(f"On the other machine:  mvc follow {address} {shlex.quote(ref)} --to DIR")


def _told(face: Face, remote: Remote, done: str) -> None:
    if face.json:
        face.answer({"name": remote.name, "url": remote.url})
    else:
        face.say(f"{done} {remote.name}  {text.safe(remote.url)}")
