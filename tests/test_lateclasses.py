"""Late dataclasses and rows are held against those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import threading
import types
from collections.abc import Callable
from dataclasses import field
from functools import cached_property
from typing import Any, NamedTuple, get_type_hints

import pytest

from mvcd import lateclasses

Decorator = Callable[..., Callable[[type], type]]
LATE: Decorator = lateclasses.dataclass
STANDARD: Decorator = dataclasses.dataclass
SHAPES = [
    {"frozen": frozen, "slots": slots, "eq": eq, "repr": repr}
    for frozen in (False, True)
    for slots in (False, True)
    for eq, repr in ((True, True), (False, True), (True, False))
]


def point(decorator: Decorator, **shape: bool) -> Any:
    @decorator(**shape)
    class Point:
        x: int
        name: str = "none"
        more: dict[str, int] = field(default_factory=dict)
        note: str = field(default="", compare=False, repr=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "name", self.name.upper())

        @property
        def double(self) -> int:
            return 2 * self.x

    return Point


def with_own_methods(decorator: Decorator, **shape: bool) -> Any:
    @decorator(**shape)
    class Own:
        x: int

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

    return Own


def told(ask: Callable[[], object]) -> object:
    """What it answers, or what it raises."""
    try:
        return ask()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("make", [point, with_own_methods])
def test_a_late_class_answers_as_a_standard_one(
    make: Callable[..., Any], shape: dict[str, bool]
) -> None:
    late, standard = make(LATE, **shape), make(STANDARD, **shape)
    for ask in (
        lambda kind: repr(kind(1)).replace(hex(id(kind)), ""),
        lambda kind: repr(kind(1, "a", {"b": 2})),
        lambda kind: kind(1) == kind(1),
        lambda kind: kind(1) == kind(2),
        lambda kind: kind(1) == 1,
        lambda kind: kind(1, note="a") == kind(1, note="b"),
        lambda kind: hash(kind(1)) == hash(kind(1)),
        lambda kind: hash(kind(1)),
        lambda kind: kind(),
        lambda kind: kind(1, 2, 3, 4, 5),
        lambda kind: kind(y=1),
        lambda kind: kind(1).double,
        lambda kind: setattr(kind(1), "x", 2),
        lambda kind: isinstance(told(lambda: setattr(kind(1), "other", 2)), type),  # either error
        lambda kind: delattr(kind(1), "x"),
        lambda kind: dataclasses.asdict(kind(3)),
        lambda kind: dataclasses.astuple(dataclasses.replace(kind(3), x=4)),
        lambda kind: copy.deepcopy(kind(5)).x,
        lambda kind: str(inspect.signature(kind)),
        lambda kind: [(one.name, one.type, one.compare) for one in dataclasses.fields(kind)],
        dataclasses.is_dataclass,
        lambda kind: kind.__match_args__,
        lambda kind: kind.__qualname__,
        lambda kind: kind.__init__.__qualname__,
        lambda kind: kind.__init__.__module__,
        lambda kind: get_type_hints(kind.__init__),
        lambda kind: kind(1).more is kind(1).more,
    ):
        answers = [told(lambda: ask(kind)) for kind in (late, standard)]  # noqa: B023
        if isinstance(answers[0], str) and " object at " in answers[0]:
            answers = [str(one).partition(" object at ")[0] for one in answers]
        assert answers[0] == answers[1]


def rows(base: Any) -> Any:
    class Row(base):  # type: ignore[misc]
        """What it is."""

        x: int
        names: tuple[str, ...]
        y: str | None = None

        @property
        def double(self) -> int:
            return 2 * self.x  # type: ignore[no-any-return]

        @classmethod
        def of(cls, text: str) -> Any:
            return cls(int(text), ())

        def __str__(self) -> str:
            return "a row"

    return Row


@pytest.mark.parametrize(
    "ask",
    [
        lambda kind: repr(kind(1, ())),
        lambda kind: str(kind.of("7")),
        lambda kind: kind.of("7").double,
        lambda kind: kind(1),
        lambda kind: kind(1, (), z=3),
        lambda kind: kind(1, ())._replace(y="b"),
        lambda kind: kind(1, ())._asdict(),
        lambda kind: kind(1, ("a",)) == (1, ("a",), None),
        lambda kind: (kind._fields, kind._field_defaults, kind.__match_args__),
        lambda kind: (kind.__doc__, kind.__module__, kind.__qualname__, kind.__bases__),
        get_type_hints,
        lambda kind: [(p.name, p.default) for p in inspect.signature(kind).parameters.values()],
        lambda kind: setattr(kind(1, ()), "x", 2),
        lambda kind: copy.deepcopy(kind(1, ())),
    ],
)
def test_a_late_row_answers_as_a_standard_one(ask: Callable[[Any], object]) -> None:
    late, standard = (rows(base) for base in (lateclasses.NamedTuple, NamedTuple))
    assert told(lambda: ask(late)) == told(lambda: ask(standard))


def test_fields_in_a_wrong_order_are_refused() -> None:
    for base in (lateclasses.NamedTuple, NamedTuple):
        with pytest.raises(TypeError, match="default"):
            types.new_class(
                "Row",
                (base,),
                exec_body=lambda body: body.update(__annotations__={"a": int, "b": int}, a=1),
            )


class KeptRow(lateclasses.NamedTuple):
    x: int


@LATE(frozen=True, slots=True)
class Kept:
    x: int
    y: str = "b"


def test_values_are_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept(1))) == Kept(1)
    assert pickle.loads(pickle.dumps(KeptRow(1))) == KeptRow(1)


def test_a_class_without_slots_caches_properties() -> None:
    @LATE(frozen=True)
    class Sized:
        names: tuple[str, ...]

        @cached_property
        def size(self) -> list[int]:
            return [len(self.names)]

    value = Sized(("a", "b"))  # type: ignore[call-arg]
    assert value.size is value.size  # type: ignore[attr-defined]


def test_methods_are_written_when_they_are_used() -> None:
    kind = point(LATE, frozen=True, slots=True)
    names = ("__init__", "__repr__", "__eq__", "__hash__")
    assert not any(callable(vars(kind)[name]) for name in names)
    kind(1)
    assert [name for name in names if callable(vars(kind)[name])] == ["__init__"]


def test_a_base_with_fields_is_refused() -> None:
    with pytest.raises(TypeError, match="a base with fields"):
        LATE(slots=True)(type("Below", (Kept,), {"__annotations__": {"z": int}}))


def test_it_decorates_without_being_called() -> None:
    @lateclasses.dataclass
    class Plain:
        x: int = 3

    assert Plain() == Plain(3)


def test_threads_may_use_a_class_first_at_once() -> None:
    for _ in range(50):
        kind = point(LATE, frozen=True, slots=True)
        start, made = threading.Barrier(4), []

        def make() -> None:
            start.wait()  # noqa: B023
            made.append(kind(1))  # noqa: B023

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [kind(1)] * 4
