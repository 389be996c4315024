"""Work in a child: its answer, its errors and its death reach the caller as what they are."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from mvcd.errors import Failure, IntegrityError, MissingObject
from mvcd.store.apart import Died, Teller, apart


class Heard:
    """A monitor that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def begin(
        self, task: str, *, total_bytes: int | None = None, total_items: int | None = None
    ) -> None:
        self.calls.append(("begin", (task, total_bytes, total_items)))

    def expect(self, *, more_bytes: int = 0, more_items: int = 0) -> None:
        self.calls.append(("expect", (more_bytes, more_items)))

    def advance(self, *, bytes_done: int = 0, items_done: int = 0, bytes_new: int = 0) -> None:
        self.calls.append(("advance", (bytes_done, items_done, bytes_new)))

    def finish(self) -> None:
        self.calls.append(("finish", None))

    def warn(self, message: str) -> None:
        self.calls.append(("warn", message))


def busy(teller: Teller, items: int) -> int:
    teller.begin("verify", total_items=items)
    for _ in range(items):
        teller.advance(items_done=1, bytes_done=3)
    teller.warn("look")
    teller.finish()
    print("what is printed goes nowhere")
    return items


def fail(_: Teller, error: BaseException) -> None:
    raise error


def die(teller: Teller, number: int) -> None:
    teller.row("found before")
    os.write(2, b"Assertion failed\n")
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def found_by_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]))


def test_answer_and_progress() -> None:
    heard = Heard()
    assert apart(__name__, "busy", 5000, monitor=heard) == 5000
    advances = [value for what, value in heard.calls if what == "advance"]
    assert [sum(column) for column in zip(*advances, strict=True)] == [15000, 5000, 0]
    assert len(advances) < 500
    assert [what for what, _ in heard.calls if what != "advance"] == ["begin", "warn", "finish"]


def test_errors_come_as_they_are() -> None:
    with pytest.raises(MissingObject) as caught:
        apart(__name__, "fail", MissingObject("gone", kind="k", cause="c", help="h"))
    assert (str(caught.value), caught.value.kind, caught.value.cause, caught.value.help) == (
        "gone", "k", "c", "h",
    )  # fmt: skip
    with pytest.raises(PermissionError) as refused:
        apart(__name__, "fail", PermissionError(13, "Permission denied", "/x"))
    assert refused.value.filename == "/x"
    with pytest.raises(MemoryError):
        apart(__name__, "fail", MemoryError())


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS])
def test_a_fault_is_damage(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    rows: list[Any] = []
    with pytest.raises(Died) as caught:
        apart(__name__, "die", int(number), row=rows.append)
    assert isinstance(caught.value, IntegrityError)
    assert number.name in str(caught.value.cause)
    assert rows == ["found before"]
    assert capfd.readouterr() == ("", "")


def test_another_death_is_none() -> None:
    with pytest.raises(Failure) as caught:
        apart(__name__, "die", int(signal.SIGKILL))
    assert caught.value.kind == "out-of-memory"
