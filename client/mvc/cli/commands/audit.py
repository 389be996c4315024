"""`mvc audit`."""

from __future__ import annotations

import click

from mvc.cli import text
from mvc.cli.commands.admin_accounts import server
from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, VerbGroup, limit_option
from mvc.cli.screens import admin as screen

_ROOT = click.option(
    "--root",
    metavar="DIR|URL",
    help="Read a team server's log, in a directory or a bucket: of its accounts, or of --repo.",
)
_REPO = click.option("--repo", metavar="NAME", help="With --root: read the log of this repository.")


_UNSEALED = (
    "no seal was given, so that rows were cut off its end cannot be seen: --seal DIGEST, or a FILE that "
    "mvcd serve --seal-to wrote"
)


@click.group("audit", cls=VerbGroup)
def command() -> None:
    """Show or check the audit log of a team server.

    Each row says who changed what, and is chained to the one before by digest. Without --root it is the log of
    the repository here.
    """


@command.command("log", exits=DAMAGE)
@_ROOT
@_REPO
@limit_option("rows")
@click.pass_obj
def log(face: Face, root: str | None, repo: str | None, limit: int | None) -> None:
    """Show the rows, newest last."""
    _require_root(root, repo)
    if root is None:
        found = face.repo.audit(limit=limit)
    else:
        with server(root) as team:
            found = team.audit(repo=repo, limit=limit)
    if face.json:
        face.answer({"rows": [screen.document(row) for row in found]})
        return
    face.page(text.table(map(screen.entry, found), right=(0,)))
    if not found:
        face.say("Nothing has been recorded.")


@command.command("verify", exits=DAMAGE)
@_ROOT
@_REPO
@click.option(
    "--seal", metavar="DIGEST|FILE",
    help="A digest printed before, which has to be in the chain, or what mvcd serve --seal-to wrote.",
)  # fmt: skip
@click.option(
    "--seal-key", metavar="FILE", help="The public key that seals. [default: the server's own]"
)
@click.pass_obj
def verify(
    face: Face, root: str | None, repo: str | None, seal: str | None, seal_key: str | None
) -> int | None:
    """Follow the chain from its first row; exit with 14 if it is broken.

    Prints the digest of the newest row. Kept elsewhere and given as --seal, that digest shows later that no row
    up to it was changed, removed or inserted. A server can write signed seals by itself (mvcd serve --seal-to);
    a file of them shows that nothing was cut off, up to its last seal.
    """
    _require_root(root, repo)
    if root is None:
        state = face.repo.audit_check(seal=seal, key=seal_key)
    else:
        with server(root) as team:
            state = team.verify_audit(repo=repo, seal=seal, key=seal_key)
    face.answer(
        {
            "ok": state.ok,
            "rows": state.rows,
            "digest": state.digest,
            "problems": list(state.problems),
            "sealed": state.sealed,
        },
        [*map(text.safe, state.problems)]
        or [
            f"{text.plural(state.rows, 'row')}, unbroken",
            f"digest {state.digest}",
            f"sealed up to row {state.sealed}" if state.sealed else _UNSEALED,
        ],
    )
    return None if state.ok else 14


def _require_root(root: str | None, repo: str | None) -> None:
    if repo is not None and root is None:
        raise click.UsageError("--repo goes with --root", click.get_current_context())
