"""Errors: three lines for people, one object for programs, and exit codes that never change."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

import mvc as package
from mvc.cli import errors
from mvc.cli.commands import version
from mvcd.repo.change import rewriting
from tests.support.commandline import Mvc

CLASH = package.Clash("model.bin", package.Component.WEIGHTS, "changed", "deleted")
CODES: dict[type[BaseException], int] = {
    package.MvcError: 1,
    package.UsageError: 2,
    package.ExpressionError: 2,
    package.NoRepository: 10,
    package.Busy: 11,
    package.AuthError: 12,
    package.NotPermitted: 12,
    package.RemoteUnreachable: 13,
    package.IntegrityError: 14,
    package.MissingObject: 14,
    package.CorruptObject: 14,
    package.DaemonError: 15,
    package.Conflict: 1,
    package.StaleReuse: 1,
    package.Failure: 1,
    package.GateFailed: 1,
    package.MergeConflict: 1,
    click.UsageError: 2,
    click.BadParameter: 2,
    click.Abort: 130,
    KeyboardInterrupt: 130,
    errors.HungUp: 129,
    errors.Terminated: 143,
    BrokenPipeError: 141,
    PermissionError: 12,
    OSError: 1,
    ValueError: 1,
}

MADE: dict[type[BaseException], Callable[[], BaseException]] = {
    package.ExpressionError: lambda: package.ExpressionError("x", "a >"),
    package.GateFailed: lambda: package.GateFailed("x", [], cause="y", help="z"),
    package.MergeConflict: lambda: package.MergeConflict("side", [CLASH]),
    click.Abort: click.Abort,
    KeyboardInterrupt: KeyboardInterrupt,
    errors.HungUp: errors.HungUp,
    errors.Terminated: errors.Terminated,
}
"""Those that a message alone does not make."""


@pytest.mark.parametrize("kind", CODES, ids=lambda k: k.__name__)
def test_exit_codes_are_pinned(kind: type[BaseException]) -> None:
    error = MADE[kind]() if kind in MADE else kind("x")
    assert errors.exit_code(error) == CODES[kind]
    assert errors.report(error).code == CODES[kind]


def test_every_exception_of_the_package_has_a_pinned_code() -> None:
    named = {getattr(package, n) for n in package.__all__ if n != "__version__"}
    raised = {c for c in named if isinstance(c, type) and issubclass(c, Exception)}
    assert raised <= CODES.keys()


def test_every_code_is_explained() -> None:
    assert {code for _, code in errors.EXIT_CODES} | {0, errors.PARTIAL} == errors.EXIT_HELP.keys()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, mvc: Mvc) -> Any:
    """Runs `mvc version` with an error in its middle."""

    def run(error: BaseException, *words: str) -> Any:
        def body(*_: Any) -> None:
            raise error

        monkeypatch.setattr(version.command, "callback", body)
        return mvc("version", *words, code=None)

    return run


def test_three_lines_for_people(failing: Any) -> None:
    ran = failing(package.Failure("it broke", cause="the cause", help="mvc fix"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: it broke\ncause: the cause\nhelp: mvc fix\n"


def test_one_object_for_programs(failing: Any) -> None:
    ran = failing(package.Busy("busy", kind="some-kind", help="wait"), "--json")
    assert (ran.code, ran.out) == (11, "")
    assert json.loads(ran.err) == {
        "schema_version": 1, "code": 11, "kind": "some-kind", "message": "busy",
        "cause": None, "help": "wait",
    }  # fmt: skip


def test_a_usage_error_has_the_same_shapes(mvc: Mvc) -> None:
    ran = mvc("log", "--jsno", code=2)
    assert ran.err == "error: no such option '--jsno'\nhelp: did you mean --json?\n"
    ran = mvc("--json", "bisec", code=2)
    assert json.loads(ran.err)["help"] == "did you mean mvc bisect?"
    assert json.loads(ran.err)["kind"] == "usage"
    assert mvc("cat", code=2).err.endswith("help: mvc cat --help\n")


def test_an_unknown_verb_without_a_near_one(mvc: Mvc) -> None:
    assert mvc("xyzzy", code=2).err == "error: there is no verb 'xyzzy'\nhelp: mvc --help\n"


@pytest.mark.parametrize(
    ("number", "kind", "words", "code"),
    [
        (errno.ENOSPC, "disk-full", "no space left", 1),
        (errno.EACCES, "permission", "permission denied", 12),
        (errno.EROFS, "read-only", "read-only", 12),
        (errno.ENOTTY, "os-error", "ioctl", 1),
    ],
)
def test_errors_of_the_system_name_the_file(
    failing: Any, number: int, kind: str, words: str, code: int
) -> None:
    ran = failing(OSError(number, os.strerror(number), "/some/file"))
    assert ran.code == code
    assert ran.err.startswith("error: /some/file: ")
    assert words in ran.err
    assert errors.report(OSError(number, "")).kind == kind


def test_the_unexpected_says_how_to_see_more(failing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = failing(ZeroDivisionError("division by zero"))
    assert ran.code == 1
    assert ran.err.startswith("error: unexpected ZeroDivisionError: division by zero\n")
    assert "help: MVC_DEBUG=1 mvc version  (" in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("MVC_DEBUG", "1")
    assert "Traceback" in failing(ZeroDivisionError("division by zero")).err


def test_a_missing_library_is_a_matter_of_installation(failing: Any) -> None:
    ran = failing(ModuleNotFoundError("No module named 'blake3'"))
    assert ran.err.startswith("error: mvc is not installed whole: No module named 'blake3'\nhelp: ")


def test_an_interrupt_is_130(failing: Any) -> None:
    assert failing(KeyboardInterrupt()).code == 130


def test_a_reader_that_goes_away_is_141_without_a_word(work: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mvc", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141
    process.stderr.close()


@pytest.mark.parametrize("closed", ["<&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_failure(saved: Path, closed: str) -> None:
    words = f"{sys.executable} -m mvc log {closed}; echo $?; {sys.executable} -m mvc log x {closed}"
    done = subprocess.run(["sh", "-c", words], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.returncode == 1
    assert "unexpected" not in done.stderr


def test_no_repository_is_10(mvc: Mvc) -> None:
    ran = mvc("status", code=10)
    assert ran.err.startswith("error: no mvc repository at ")
    assert ran.err.endswith("help: mvc init\n")


def test_busy_is_11(mvc: Mvc, saved: Path) -> None:
    with package.Repo.open(saved):
        done = subprocess.run(
            [sys.executable, "-m", "mvc", "--lock-timeout", "0", "add", "model.py"],
            capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 11
    assert str(os.getpid()) in done.stderr, "the holder is named"


def test_an_interrupted_process_ends_with_130(saved: Path) -> None:
    with package.Repo.open(saved):
        process = subprocess.Popen(
            [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"waiting\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.startswith(b"error: interrupted\n")


WAITING = """
import time
real = time.sleep
def sleep(seconds):
    print("waiting", flush=True)
    time.sleep = real
    real(seconds)
time.sleep = sleep
from mvc.cli.main import cli
cli.main(["add", "model.py"])
"""


@pytest.mark.parametrize("verb", ["checkout", "switch", "rollback", "pull", "merge"])
def test_force_is_offered_where_a_verb_has_it(verb: str) -> None:
    command = import_module(f"mvc.cli.commands.{verb}").command
    has = any("--force" in parameter.opts for parameter in command.params)
    assert has == (verb in rewriting.FORCED)
