"""`mvc init`."""

from __future__ import annotations

import os

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import verb


@verb("init", exits={10: ""})
@click.argument("directory", default=".", metavar="[DIR]")
@click.option(
    "--store",
    metavar="STORE",
    help="Keep the content in STORE instead, a directory on a local disk.",
)
@click.pass_obj
def command(face: Face, directory: str, store: str | None) -> None:
    """Make a repository in DIR, by default here. DIR is made if need be.

    Everything mvc keeps is in DIR/.mvc, or, with --store, all but a few small files is in STORE.
    """
    from mvc.api.repo import Repo

    os.makedirs(directory, exist_ok=True)
    repo = Repo.init(directory, store=store)
    root, place, branch = repo.root, repo.store_path, repo.head.branch
    repo.close()
    if face.json:
        face.answer({"root": root, "store": place, "branch": branch})
        return
    face.say(f"New repository in {text.safe(root)}, on branch {branch}")
    face.hint(
        "Next:  mvc add .                    (or just the paths you want under care)",
        "       mvc commit -m 'First version'",
    )
