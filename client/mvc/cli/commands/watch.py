"""`mvc watch`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from mvc.api.errors import NoRepository
from mvc.cli import text
from mvc.cli.errors import EXIT_HELP
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb

if TYPE_CHECKING:
    from mvc.api.repo import Repo


@verb("watch", exits=BUSY | {10: "", 15: EXIT_HELP[15]})
@click.argument("directory", required=False, metavar="[DIR]")
@click.option("--status", is_flag=True, help="Show the state of each watched workspace.")
@click.pass_obj
def command(face: Face, directory: str | None, status: bool) -> None:
    """Save the workspace automatically, each time a complete checkpoint is there.

    Starts the daemon mvcd if it is not running (never with MVC_NO_DAEMON=1). Watching goes on until mvc
    unwatch, also after a restart of mvcd. If DIR has no repository yet, one is made, and everything in it is
    tracked.

    A checkpoint is saved when it is complete: by the rule of its format, when `with mvc.checkpoint(...)` ends
    in the training program, or when it has been quiet for a while. It is never saved while a program has it
    open for writing. The [watch] table of mvc.toml sets how long to wait and what to leave alone.
    """
    if status:
        _status(face, directory)
        return
    from mvc import daemon_client  # late: start-up
    from mvc.api.context import author_of

    if daemon_client.forbidden():
        daemon_client.ensure_running()  # before a repository is made for nothing
    repo = _workspace(face, directory or ".")
    try:
        root = repo.root
        author = author_of(root, repo.config)
    finally:
        repo.close()
    with face.waiting("mvcd to start"):
        daemon_client.ensure_running()
    answer = daemon_client.ask("watch", root=root, author=author)
    if face.json:
        face.answer({"root": root, "new": answer["new"]})
        return
    face.say(
        f"Watching {text.safe(root)}" if answer["new"] else f"{text.safe(root)} is watched already"
    )
    face.hint("Next:  train; then mvc log, or mvc watch --status")


def _workspace(face: Face, directory: str) -> Repo:
    """The repository there, made if there is none, with something under care."""
    from mvc.api.repo import Repo  # late: start-up

    try:
        repo = Repo.open(directory, lock_timeout=face.lock_timeout)
    except NoRepository:
        if not os.path.isdir(directory):
            raise
        face.say(
            f"New repository in {text.safe(os.path.realpath(directory))}, tracking everything here"
        )
        repo = Repo.init(directory)
        repo.add(repo.root)
        return repo
    repo.require_writable()
    if not repo.status().tracked:
        face.say("Nothing was tracked: tracking everything here")
        repo.add(repo.root)
    return repo


def _status(face: Face, directory: str | None) -> None:
    from mvc import daemon_client  # late: start-up
    from mvc.cli.screens.watch import lines

    root = None if directory is None else os.path.realpath(directory)
    answer = daemon_client.ask("status", root=root)
    face.answer(
        {"mvcd": answer["mvcd"], "pid": answer["pid"], "workspaces": answer["workspaces"]},
        lines(answer["workspaces"]),
    )
