"""`mvc commit`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import click

from mvc.api.errors import Failure
from mvc.api.results import Component
from mvc.cli import documents, text
from mvc.cli.asking import choose, component_items, require_terminal, shower
from mvc.cli.errors import EXIT_HELP, OK, PARTIAL
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb
from mvc.cli.screens.commit import lines, warnings
from mvc.cli.screens.notes import DESCRIPTION

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
@click.option(
    "--amend",
    is_flag=True,
    help="Give the last version another message: its description; see mvc describe.",
)
@click.option("-i", "--interactive", is_flag=True,
              help="Ask which parts and files are saved; the others stay unsaved.")  # fmt: skip
@click.option("--author", metavar="'NAME <MAIL>'", help="Record this author. [env: MVC_AUTHOR]")
@click.option("--allow-empty", is_flag=True, help="Save a version even if nothing changed.")
@click.option("-S", "--sign/--no-sign", default=None,
              help="Sign the version with your SSH key, or not. [config: commit.sign]")  # fmt: skip
@click.pass_obj
def command(
    face: Face,
    messages: tuple[str, ...],
    file: TextIO | None,
    amend: bool,
    interactive: bool,
    author: str | None,
    allow_empty: bool,
    sign: bool | None,
) -> int:
    """Save everything tracked as a new version.

    When the command returns, the version is on disk and survives a power loss. Only content that the repository
    does not have yet is stored. If an old version is checked out, a branch is made for the new one.

    Without -m or -F, on a terminal, an editor opens for the message.

    A version never changes, so --amend writes the message beside it. To save other content in place of the last
    version: mvc undo, which leaves the files as they are, then mvc commit. Where mvcd has saved this very state
    by itself, the message is written beside that version.

    With -i, each of the five parts that changed is asked about; s asks about its files one by one.
    """
    only = _asked(face, amend=amend) if interactive else None
    if amend:
        return _amend(face, _message(messages, file))
    message = _message(messages, file)
    try:
        result = face.repo.commit(
            message, author=author, allow_empty=allow_empty, sign=sign, only=only
        )
    except Failure as error:
        if error.kind == "nothing-to-commit" and _saved_by_itself(face):
            return _described(face, message, "This state is saved already: your message is on")
        raise
    if face.json:
        face.answer(documents.commit(result))
    else:
        face.say(*lines(result, verbose=face.verbose > 0))
        if result.number == 1 and author is None:
            _introduce(face)
    return warn(face, result)


def _asked(face: Face, *, amend: bool) -> list[str] | None:
    """The paths that are chosen at the terminal, None for all. Raises Failure(kind="nothing-to-commit") where
    nothing is."""
    if amend:
        raise click.UsageError("-i and --amend exclude each other", click.get_current_context())
    require_terminal("-i", "mvc commit -m TEXT  (which saves all that changed)")
    repo = face.repo
    status = repo.status()
    kinds = (("modified", status.modified), ("added", status.added), ("deleted", status.deleted))
    changes: list[tuple[str, str, tuple[str, ...]]] = []
    changes += [(kind, c.component.value, (c.path,)) for kind, some in kinds for c in some]
    changes += [("renamed", one.component.value, (one.old, one.new)) for one in status.renamed]
    order = [component.value for component in Component]
    changes.sort(key=lambda change: order.index(change[1]))
    show = shower(repo, "HEAD", color=face.colored(sys.stderr))
    chosen = choose(component_items(changes), "Save", show)
    if not chosen:
        raise Failure(
            "nothing was chosen" if changes else "nothing to commit",
            kind="nothing-to-commit", help="mvc status",
        )  # fmt: skip
    every = [path for _, _, some in changes for path in some]
    return None if len(chosen) == len(every) else chosen


def _introduce(face: Face) -> None:
    """Tells once, with the first version, that nobody is named as its author."""
    from mvc.api.context import author_of, named_author  # late: start-up

    repo = face.repo
    if not face.quiet and named_author(repo.root, repo.config) is None:
        who = text.safe(author_of(repo.root, repo.config))
        face.hint(f"Its author is {who}; to be named: mvc config set user.name 'YOUR NAME'")


def _amend(face: Face, message: str) -> int:
    """Describes HEAD. Raises Failure(kind="changes-to-amend") where the files differ from it."""
    status = face.repo.status()
    if not status.head.number:
        raise Failure("there is no version to amend", kind="no-versions", help="mvc commit -m TEXT")
    if not status.clean:
        raise Failure(
            "there are changes, and --amend takes only a message",
            kind="changes-to-amend",
            cause="a version never changes",
            help="mvc commit -m TEXT  (another version); or in its place: mvc undo, then mvc commit",
        )
    return _described(face, message, "Its message stays beside it. Described")


def _saved_by_itself(face: Face) -> bool:
    """Whether HEAD is a version that mvcd made and nobody has described yet."""
    if not face.repo.head.number:
        return False
    head = face.repo.show("HEAD")
    return head.trigger == "auto" and DESCRIPTION not in head.annotations


def _described(face: Face, message: str, said: str) -> int:
    found = face.repo.annotate("HEAD", {DESCRIPTION: message})
    if face.json:
        face.answer({"version": found.version, "number": found.number, "description": message})
    face.say(f"{said} v{found.number} {text.short(found.version)}")
    return OK


def warn(face: Face, result: CommitResult) -> int:
    """Names what is not in the version as one might think; answers the exit code."""
    for warning in warnings(result):
        face.warn(warning)
    return PARTIAL if result.unsaved else OK


def _message(messages: tuple[str, ...], file: TextIO | None) -> str:
    if messages and file is not None:
        raise click.UsageError("-m and -F exclude each other", click.get_current_context())
    if file is not None:
        message = read_text(file)
    elif messages:
        message = "\n\n".join(messages)
    elif sys.stdin.isatty() and sys.stdout.isatty():
        message = _edited()
    else:
        raise click.UsageError("a message is needed: -m TEXT", click.get_current_context())
    if not message.strip():
        raise click.UsageError("the message is empty", click.get_current_context())
    return str(message).strip()


def read_text(file: TextIO) -> str:
    """The text of a file that was named for a message. Raises UsageError unless it is UTF-8."""
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
