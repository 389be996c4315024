"""The pickle machine by itself: objects, bytes, calls and states. Hostile ones are in test_torchpickle.py."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import pytest

from mvcd.inspect import unpickle
from mvcd.inspect.spans import NotThisFormat
from mvcd.inspect.unpickle import MISSING, Gap, Global, Machine, Raw, Thing


class Pair(NamedTuple):
    a: int
    b: str


class Stateful:
    def __init__(self) -> None:
        self.lr = 0.5


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_are_as_they_were(protocol: int) -> None:
    value = {"a": [1, -1, 70_000, 1 << 40, "x"], 7: (0.1, True, {}), "t": ((), (1,), (1, 2, 3, 4))}
    assert Machine(pickle.dumps(value, protocol)).run() == value


def test_bytes_say_where_they_lie() -> None:
    data = pickle.dumps({"b": b"abc", "a": bytearray(b"de")}, 5)
    found = Machine(data).run()
    assert data[found["b"].at :][: found["b"].size] == b"abc"
    assert found["a"] == Raw(data.index(b"de"), 2)


@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_keep_what_they_were_made_of(protocol: int) -> None:
    pair, thing = Machine(pickle.dumps([Pair(1, "x"), Stateful()], protocol)).run()
    assert type(pair) is Thing and pair.made_by == Global(__name__, "Pair")
    assert pair.args == (1, "x")
    assert thing.state == {"lr": 0.5}


def test_a_call_makes_what_its_reader_says() -> None:
    def call(function: Any, args: Any) -> Any:
        return (function.name, args) if function == Global("builtins", "complex") else MISSING

    assert Machine(pickle.dumps([1j, range(3)]), call).run() == [("complex", (0.0, 1.0)), MISSING]


def test_one_pickle_after_another() -> None:
    data = pickle.dumps([1]) + pickle.dumps("two")
    first = Machine(data)
    assert first.run() == [1]
    assert Machine(data, at=first.position).run() == "two"


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("window", [1, 7, 100, 5000])
def test_windows_do_not_matter(window: int, protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    value = {
        "a": ["x" * 50, 1 << 40, *range(3000), b"raw" * 40],
        "b": [(i, 0.5) for i in range(90)],
    }
    monkeypatch.setattr(unpickle, "_LONGEST_RUN_BYTES", 4096)
    data = b"before" + pickle.dumps(value, protocol) + b"after"
    whole = Machine(data, at=6).run()
    monkeypatch.setattr(unpickle, "_WINDOW_BYTES", window)
    machine = Machine(lambda at, size: data[at : at + size], at=6, end=len(data) - 5)
    assert machine.run() == whole
    assert machine.position == len(data) - 5


def test_bytes_are_passed_over_unread() -> None:
    data = pickle.dumps({"a": bytes(5 << 20), "b": 1}, 4)
    asked = 0

    def read_at(at: int, size: int) -> bytes:
        nonlocal asked
        asked += size
        return data[at : at + size]

    assert Machine(read_at, end=len(data)).run()["b"] == 1
    assert asked < 2 << 20


def test_runs_of_numbers_are_gaps() -> None:
    assert Machine(pickle.dumps(list(range(5000)))).run() == [Gap(5000)]
    assert Machine(pickle.dumps([*range(1500), "x"], 2)).run()[0] == Gap(1000)


def test_more_objects_than_we_keep_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "_MAX_OBJECTS", 10_000)
    with pytest.raises(NotThisFormat, match="more objects"):
        Machine(b"\x80\x02(" + b"]" * 20_000 + b"l.").run()


def test_what_was_forgotten_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "_MAX_OBJECTS", 10_000)
    big = [1 << 70 for _ in range(40_000)]
    assert Machine(pickle.dumps(big)).run() == [Gap(40_000)]
