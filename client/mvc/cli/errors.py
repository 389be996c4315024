"""Errors as people and programs see them: one table of exit codes, three lines, one JSON object.

    error: what failed
    cause: why
    help: the exact command that helps

A mistake in an expression is pointed at, below the first line.

With `--json`: {"schema_version", "code", "kind", "message", "cause", "help"} on one line of stderr; a kind of
error may have further fields, as the conflicts of a merge.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import click

from mvc.api.errors import (
    REFUSALS,
    AuthError,
    Busy,
    DaemonError,
    ExpressionError,
    IntegrityError,
    MvcError,
    NoRepository,
    NotPermitted,
    RemoteUnreachable,
    UsageError,
)

OK = 0
FAILURE = 1
USAGE = 2
PARTIAL = 3
INTERRUPTED = 130
BROKEN_PIPE = 141


class HungUp(KeyboardInterrupt):
    """SIGHUP: the terminal went away."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: somebody wants us to end."""


EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (UsageError, USAGE),
    (click.UsageError, USAGE),
    (NoRepository, 10),
    (Busy, 11),
    (AuthError, 12),
    (NotPermitted, 12),
    (PermissionError, 12),
    (RemoteUnreachable, 13),
    (IntegrityError, 14),
    (DaemonError, 15),
    (HungUp, 129),
    (Terminated, 143),
    (click.Abort, INTERRUPTED),
    (KeyboardInterrupt, INTERRUPTED),
    (BrokenPipeError, BROKEN_PIPE),
    (BaseException, FAILURE),
)
"""The first class that fits decides. Codes are only ever added; an unknown one means failure."""

EXIT_HELP: dict[int, str] = {
    0: "success",
    1: "failure, or differences where they were asked for",
    2: "the command line makes no sense",
    3: "saved but for what is named on stderr",
    10: "no repository here",
    11: "another command holds the workspace",
    12: "not allowed",
    13: "the remote does not answer",
    14: "damaged content",
    15: "the daemon is absent or refuses",
    129: "ended by SIGHUP: the terminal went away",
    130: "interrupted",
    141: "the reader of our output went away",
    143: "ended by SIGTERM",
}

_CLOSER_HELP = {
    errno.ENOSPC: "make room (mvc gc frees what nothing reaches), then run it again",
    errno.EDQUOT: "make room in your quota, then run it again",
    errno.EROFS: "mvc init --store DIR  (on a disk that can be written)",
}
"""What a command can advise where the table of refusals, which the store has too, has nothing as close."""


class Report(NamedTuple):
    code: int
    kind: str
    message: str
    cause: str | None = None
    help: str | None = None
    place: tuple[str, int, int] | None = None  # an expression, and start and length of the mistake
    more: Mapping[str, object] = MappingProxyType({})  # fields of that kind of error

    def lines(self) -> list[tuple[str, str]]:
        found = [("error", self.message), ("cause", self.cause), ("help", self.help)]
        return [(label, text) for label, text in found if text]

    def pointed(self) -> list[str]:
        """The expression, around the mistake if it is long, and a line that points at it."""
        if self.place is None:
            return []
        expression, start, length = self.place
        left = max(0, min(start - 30, len(expression) - 70)) if len(expression) > 76 else 0
        from mvc.cli.text import width  # late: start-up

        shown = expression[left : left + 76]
        before, wrong = shown[: start - left], shown[start - left :][:length]
        return [shown, " " * width(before) + "^" * max(1, width(wrong))]

    def document(self) -> str:
        return json.dumps(
            {
                "schema_version": 1,
                "code": self.code,
                "kind": self.kind,
                "message": self.message,
                "cause": self.cause,
                "help": self.help,
                **self._place(),
                **self.more,
            },
            allow_nan=False,
        )

    def _place(self) -> dict[str, object]:
        if self.place is None:
            return {}
        expression, start, length = self.place
        return {"expression": expression, "start": start, "length": length}


FAULT = Report(
    14,
    "fault",
    "this command was ended by a fault, as a damaged index of the store causes it",
    cause="a page that was read is not what was written; nothing was acknowledged that is not durable",
    help="mvc doctor  (names what is damaged; mvc repair rebuilds it)",
)
"""What is said when SIGABRT, SIGSEGV or SIGBUS ends a command."""


def exit_code(error: BaseException) -> int:
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def report(error: BaseException, words: Sequence[str] = ()) -> Report:
    """What to say about any exception that ends the command `mvc WORDS`."""
    code = exit_code(error)
    if isinstance(error, MvcError):
        place = None
        if isinstance(error, ExpressionError):
            place = error.expression, error.start, error.length
        return Report(code, error.kind, str(error), error.cause, error.help, place, error.more)
    if isinstance(error, click.ClickException):
        return _usage(code, error)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        said = EXIT_HELP[code].partition(":")[0]
        return Report(code, "interrupted", said, help="run it again: nothing was lost")
    if isinstance(error, OSError):
        return _os_error(code, error)
    if isinstance(error, UnicodeError):
        return _not_utf8(error)
    return _unforeseen(code, error, words)


def _not_utf8(error: UnicodeError) -> Report:
    """Of text from outside: a setting, a variable, a file, the path of the workspace."""
    shown = str(error)
    if isinstance(error, UnicodeEncodeError):
        shown = error.object.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    elif isinstance(error, UnicodeDecodeError):
        shown = bytes(error.object[:80]).decode("utf-8", "backslashreplace")
    return Report(USAGE, "not-utf8", f"'{shown}' is not UTF-8")


def _unforeseen(code: int, error: BaseException, words: Sequence[str]) -> Report:
    if isinstance(error, MemoryError):
        return Report(code, "out-of-memory", "out of memory")
    if isinstance(error, ImportError):
        return Report(
            code,
            "installation",
            f"mvc is not installed whole: {error}",
            help="pip install --force-reinstall mvcd  (or, in a clone: pip install .)",
        )
    return Report(
        code,
        "internal",
        f"unexpected {type(error).__name__}: {error}",
        cause="this is a defect of mvc; what was saved is safe",
        help=f"MVC_DEBUG=1 {shlex.join(['mvc', *words])}  (shows the traceback for a bug report)",
    )


def _usage(code: int, error: click.ClickException) -> Report:
    near = getattr(error, "possibilities", None) or ()
    text = error.message if near else error.format_message()
    help: str | None = None
    if isinstance(error, click.UsageError) and error.ctx is not None:
        help = f"{error.ctx.command_path} --help"
    habit = getattr(error, "habit", None) or _habit(error)
    if habit is not None:
        return Report(code, "usage", _sentence(text), help=habit)
    if near:
        help = "did you mean " + " or ".join(sorted(near)) + "?"
    return Report(code, "usage", _sentence(text), help=help)


def _habit(error: click.ClickException) -> str | None:
    """What does here what an option of another tool does there."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return None
    from mvc.cli import habits  # late: start-up

    return habits.of_option(error.ctx.command_path.removeprefix("mvc "), error.option_name)


def _sentence(text: str) -> str:
    """As our own messages are written: no capital in front, no full stop behind."""
    text = " ".join(text.split()).removesuffix(".")
    return text[:1].lower() + text[1:]


def _os_error(code: int, error: OSError) -> Report:
    if error.errno == errno.EROFS:
        code = exit_code(PermissionError())
    found = REFUSALS.get(error.errno or 0)
    kind, help = ("os-error", None) if found is None else (found.kind, found.help)
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    where = error.filename if isinstance(error.filename, str) else None
    if kind == "permission" and help is not None:
        help = help.format(path=shlex.quote(where)) if where else "mvc doctor"
    help = _CLOSER_HELP.get(error.errno or 0, help)
    return Report(code, kind, f"{where}: {reason}" if where else reason, help=help)
