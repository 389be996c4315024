"""Long runs of automatic versions are one line of the log, unless they are asked for or have names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from mvc.api.results import Provenance, Version
from mvc.cli.screens.log import Folded, fold, oneline


def version(number: int, trigger: str, *refs: str) -> Version:
    return Version(
        id=f"{number:064x}", number=number, parents=(), time=datetime(2026, 1, 1, tzinfo=UTC),
        author="Ada", message=f"message {number}", trigger=trigger, hyperparameters={}, metrics={},
        components={}, provenance=Provenance(), tracked=(), refs=refs,
    )  # fmt: skip


def shape(shown: Sequence[Version | Folded]) -> list[int | tuple[int, int, int]]:
    return [(v.versions, v.newest, v.oldest) if isinstance(v, Folded) else v.number for v in shown]


def history(triggers: str) -> list[Version]:
    """Newest first: one letter a version, `a` automatic, `m` manual."""
    return [
        version(len(triggers) - i, "auto" if t == "a" else "manual") for i, t in enumerate(triggers)
    ]


@pytest.mark.parametrize(
    ("triggers", "shown"),
    [
        ("", []),
        ("m", [1]),
        ("aaaaa", [5, 4, 3, 2, 1]),
        ("aaaaaa", [(6, 6, 1)]),
        ("maaaaaaam", [9, (7, 8, 2), 1]),
        ("aamaaaaaa", [9, 8, 7, (6, 6, 1)]),
    ],
)
def test_runs_of_more_than_five_are_folded(
    triggers: str, shown: list[int | tuple[int, int, int]]
) -> None:
    assert shape(list(fold(history(triggers)))) == shown


def test_a_named_version_is_always_shown() -> None:
    versions = history("a" * 20)
    versions[10] = version(10, "auto", "tag: best")
    assert shape(list(fold(versions))) == [(10, 20, 11), 10, (9, 9, 1)]


def test_every_one_can_be_asked_for() -> None:
    assert len(list(fold(history("a" * 20), every=True))) == 20


def test_the_line_tells_how_to_unfold() -> None:
    (line,) = oneline(fold(history("a" * 12)))
    assert "12 automatic versions, v12 to v1" in line
    assert "mvc log --every" in line
