"""`mvc commit`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import click

from mvc.cli import documents
from mvc.cli.errors import EXIT_HELP, OK, PARTIAL
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb
from mvc.cli.screens.commit import lines, warnings

if TYPE_CHECKING:
    from mvc.api.results import CommitResult


@verb(
    "commit",
    exits=BUSY
    | {
        1: "failure, or nothing to commit",
        3: EXIT_HELP[3],
        12: "not allowed, or the key to sign with does not open",
    },
)
@click.option("-m", "--message", "messages", multiple=True, metavar="TEXT",
              help="Describe the version; several -m become paragraphs.")  # fmt: skip
@click.option(
    "-F",
    "--file",
    type=click.File("r", encoding="utf-8"),
    help="Read the message from FILE; - is stdin.",
)
@click.option("--author", metavar="'NAME <MAIL>'", help="Record this author. [env: MVC_AUTHOR]")
@click.option("--allow-empty", is_flag=True, help="Save a version even if nothing changed.")
@click.option("-S", "--sign/--no-sign", default=None,
              help="Sign the version with your SSH key, or not. [config: commit.sign]")  # fmt: skip
@click.pass_obj
def command(
    face: Face,
    messages: tuple[str, ...],
    file: TextIO | None,
    author: str | None,
    allow_empty: bool,
    sign: bool | None,
) -> int:
    """Save everything tracked as a new version.

    When the command returns, the version is on disk and survives a power loss. Only content that the repository
    does not have yet is stored. If an old version is checked out, a branch is made for the new one.

    Without -m or -F, on a terminal, an editor opens for the message.
    """
    result = face.repo.commit(
        _message(messages, file), author=author, allow_empty=allow_empty, sign=sign
    )
    if face.json:
        face.answer(documents.commit(result))
    else:
        face.say(*lines(result, verbose=face.verbose > 0))
    return warn(face, result)


def warn(face: Face, result: CommitResult) -> int:
    """Names what is not in the version as one might think; answers the exit code."""
    for warning in warnings(result):
        face.warn(warning)
    return PARTIAL if result.unsaved else OK


def _message(messages: tuple[str, ...], file: TextIO | None) -> str:
    if messages and file is not None:
        raise click.UsageError("-m and -F exclude each other", click.get_current_context())
    if file is not None:
        message = _read(file)
    elif messages:
        message = "\n\n".join(messages)
    elif sys.stdin.isatty() and sys.stdout.isatty():
        message = _edited()
    else:
        raise click.UsageError("a message is needed: -m TEXT", click.get_current_context())
    if not message.strip():
        raise click.UsageError("the message is empty", click.get_current_context())
    return str(message).strip()


def _read(file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        context = click.get_current_context()
        raise click.UsageError(f"the message in {file.name} is not UTF-8", context) from None


def _edited() -> str:
    comment = (
        "\n# What is this version? Lines that begin with # are left out; an empty text stops.\n"
    )
    answer = click.edit(comment, extension=".txt") or ""
    return "\n".join(line for line in answer.splitlines() if not line.startswith("#"))
