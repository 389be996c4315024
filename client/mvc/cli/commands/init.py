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
    help="Keep the content in STORE, a directory on a local disk.",
)
@click.option(
    "--bare", is_flag=True, help="Make it without a workspace, to push to and to clone from."
)
@click.option("--shared", is_flag=True, help="Let everybody in the directory's group write to it.")
@click.pass_obj
def command(face: Face, directory: str, store: str | None, bare: bool, shared: bool) -> None:
    """Make a repository in DIR, by default in the current directory. DIR is created if it does not exist.

    mvc keeps everything in DIR/.mvc; with --store, everything but a few small files is in STORE.

    New files get the permissions of your umask: with 002, in a setgid directory, a group shares them. With
    --shared the group that owns DIR may write what mvc keeps, whatever the umask of each user.
    """
    from mvc.api.durable import make_directories  # late: start-up
    from mvc.api.repo import Repo

    if bare and store is not None:
        raise click.UsageError("--bare and --store exclude each other", click.get_current_context())
    make_directories(directory)
    if bare:
        _bare(face, directory, shared=shared)
        return
    repo = Repo.init(directory, store=store, shared=shared)
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


def _bare(face: Face, directory: str, *, shared: bool) -> None:
    from mvc.api.repo import Repo  # late: start-up

    Repo.init_bare(directory, shared=shared)
    path = os.path.abspath(directory)
    if face.json:
        face.answer({"root": None, "store": path, "branch": None})
    else:
        face.say(f"New repository without a workspace in {text.safe(path)}")
        face.hint(f"Next:  mvc remote add origin {text.safe(path)}    (in a workspace)")
