"""`mvc audit`."""

from __future__ import annotations

import click

from mvc.cli import text
from mvc.cli.commands.admin_accounts import server
from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, VerbGroup, limit_option
from mvc.cli.screens import admin as screen

_ROOT = click.option(
    "--root", metavar="DIR", help="Of a team server: its accounts, or with --repo a repository."
)
_REPO = click.option("--repo", metavar="NAME", help="With --root: of this repository there.")


_UNSEALED = (
    "no seal was given, so that rows were cut off its end cannot be seen: --seal DIGEST, or a FILE that "
    "mvcd serve --seal-to wrote"
)


@click.group("audit", cls=VerbGroup)
def command() -> None:
    """The log of who changed what on a team server, each row chained by digest to the one before.

    Without --root: of the repository here.
    """


@command.command("log", exits=DAMAGE)
@_ROOT
@_REPO
@limit_option("rows")
@click.pass_obj
def log(face: Face, root: str | None, repo: str | None, limit: int | None) -> None:
    """Show the rows, the newest last."""
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

    Prints the digest of the newest row: kept elsewhere and given as --seal, it shows later that no row up to
    now was changed, removed or put in. A server writes such seals by itself (mvcd serve --seal-to), signed; a
    file of them shows up to the last one that nothing was cut off.
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
