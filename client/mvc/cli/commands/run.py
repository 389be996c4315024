"""`mvc run`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import click

from mvc.api import errors
from mvc.cli import documents
from mvc.cli.commands.commit import warn
from mvc.cli.errors import EXIT_HELP
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb
from mvc.cli.screens.commit import lines


@verb(
    "run",
    exits=BUSY | {1: "failure; else the exit status of the command", 3: EXIT_HELP[3]},
    raw="command_line",
)
@click.argument("command_line", nargs=-1, required=True, metavar="-- COMMAND [ARG]...")
@click.option(
    "-m", "--message", metavar="TEXT", help="Describe the version. [default: the command]"
)
@click.option(
    "--seed", type=int, metavar="N", help="Pass N to the command as MVC_SEED and PYTHONHASHSEED."
)
@click.option(
    "--env",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Record a variable too, and set it if VALUE is given.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="PATH",
    help="Record PATH as an input. [default: everything tracked]",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="PATH",
    help="Record PATH as an output. [default: what changed]",
)
@click.option(
    "--python",
    metavar="PATH",
    help="Run on another Python: an interpreter, or a virtual environment.",
)
@click.option("--keep-failed", is_flag=True, help="Save a version even if the command fails.")
@click.pass_obj
def command(
    face: Face,
    command_line: tuple[str, ...],
    message: str | None,
    seed: int | None,
    env: tuple[str, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    python: str | None,
    keep_failed: bool,
) -> int:
    """Run a command and save what it did as one version.

    The version records the command, its directory and seed, the variables that decide on threads, devices and
    hashing, the Python that it ran on and its packages, the git commit, and what the command read and wrote, so
    that mvc reproduce can run it again. If the command fails, nothing is saved, and mvc exits with its status.

    While it runs, mvcd saves nothing in this workspace: the run becomes one version, not many.
    """
    repo = face.repo
    here = os.path.relpath(os.path.realpath(os.getcwd()), repo.root)
    with _held(repo.root):
        result = repo.run(
            command_line, message=message, seed=seed, env=_variables(env),
            inputs=[_relative(repo.root, p) for p in inputs],
            outputs=[_relative(repo.root, p) for p in outputs],
            directory=here, keep_failed=keep_failed, python=python,
        )  # fmt: skip
    if face.json:
        saved = None if result.commit is None else documents.commit(result.commit)
        face.answer({"status": result.status, "seconds": result.seconds, "commit": saved})
    elif result.commit is not None:
        face.say(*lines(result.commit, verbose=face.verbose > 0))
    if result.commit is not None:
        return result.status or warn(face, result.commit)
    if not face.json:
        face.warn(
            f"the command ended with {result.status}; nothing was saved (--keep-failed saves it)"
        )
    return result.status


def _variables(given: tuple[str, ...]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name:
            raise click.UsageError("--env takes NAME or NAME=VALUE", click.get_current_context())
        found[name] = value if equals else None
    return found


def _relative(root: str, path: str) -> str:
    inside = os.path.relpath(os.path.realpath(path), root)
    if inside.startswith(".."):
        raise click.UsageError(f"{path} is outside the workspace", click.get_current_context())
    return inside


@contextlib.contextmanager
def _held(root: str) -> Iterator[None]:
    """Keeps mvcd from saving this workspace, if it runs at all: an open block, as training programs have."""
    from mvc.daemon_client import Connection  # late: start-up

    connection = None
    try:
        connection = Connection(timeout=10.0)
        connection.ask("begin", directory=root, command=["mvc", "run"], python="")
    except errors.MvcError:
        pass  # no daemon, or not its workspace: nobody else saves here
    try:
        yield
    finally:
        if connection is not None:
            connection.close()
