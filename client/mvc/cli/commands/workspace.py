"""`mvc workspace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mvc.cli import documents, text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, VerbGroup
from mvc.cli.screens.moved import lines

if TYPE_CHECKING:
    from mvc.api.workspaces import Workspace


@click.group("workspace", cls=VerbGroup)
def command() -> None:
    """Manage several workspaces on one store.

    Each has files and a HEAD of its own; everything else is shared. A branch can be checked out in only one of
    them.
    """


@command.command("add", exits=BUSY)
@click.argument("directory", metavar="DIR")
@click.argument("rev", required=False)
@click.option("-b", "--branch", metavar="NAME", help="Make branch NAME at REV for the workspace.")
@click.pass_obj
def add(face: Face, directory: str, rev: str | None, branch: str | None) -> None:
    """Make a workspace in DIR, a new or empty directory, and check out REV there.

    If REV is a branch, the workspace is on it, else at that version. Without REV and NAME it is on a branch
    named like DIR, which is made at HEAD if it does not exist.
    """
    root, done = face.repo.add_workspace(directory, rev, branch=branch)
    if face.json:
        face.answer({"root": root, **documents.checkout(done)})
        return
    face.say(f"New workspace in {text.safe(root)}")
    face.say(*lines(done, moved=True))


@command.command("list")
@click.pass_obj
def listed(face: Face) -> None:
    """List the workspaces on this store; * marks this one."""
    found = face.repo.workspaces()
    document = {
        "workspaces": [
            {
                "id": w.id,
                "root": w.root,
                "head": documents.head(w.head),
                "current": w.current,
                "there": w.there,
            }
            for w in found
        ]
    }
    face.answer(document, text.table([_row(w) for w in found]))


def _row(found: Workspace) -> tuple[str, ...]:
    head = found.head
    version = f"v{head.number} {text.short(head.version)}" if head.number else "no versions yet"
    return (
        "*" if found.current else " ",
        text.safe(found.root or f"(place unknown) {found.id}"),
        head.branch or "(no branch)",
        version,
        "" if found.there else "gone; mvc workspace remove DIR  forgets it",
    )


@command.command("remove", exits=BUSY | {1: "failure, or a file there is in no version"})
@click.argument("directory", metavar="DIR")
@click.option("--keep-files", is_flag=True, help="Keep its files; remove only those of mvc.")
@click.pass_obj
def remove(face: Face, directory: str, keep_files: bool) -> None:
    """Remove the workspace in DIR and its files. What it saved stays, on its branches.

    A file that is in no version, as it is there, stops the removal. A workspace whose directory is gone is
    forgotten.
    """
    root = face.repo.remove_workspace(directory, keep_files=keep_files)
    if face.json:
        face.answer({"root": root})
    face.say(f"{text.safe(root)} is no workspace any more")
