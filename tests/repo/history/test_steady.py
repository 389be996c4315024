"""What is kept while somebody asks about many versions: the same answers in any order, as of one moment."""

from __future__ import annotations

import random

import pytest

from mvcd.repo.history.lineage import Lineage, lineage
from mvcd.repo.history.walk import once, steady
from tests.support.workspace import Bench


@pytest.fixture
def lines(bench: Bench) -> Bench:
    """Two branches of one history; parts change in some versions, and one comes back to what it was."""
    for n in range(1, 9):
        bench.save(
            {"model.pt": str(n // 3), "params.yaml": f"lr: {n % 2}\n", "data/a.csv": "x\n1\n"}
        )
    bench.checkout("v4")
    for n in range(3):
        bench.save({"model.pt": "1", "notes.py": f"{n}"})
    bench.repo.create_tag("old", "v2", context=bench.context())
    return bench


def every(bench: Bench) -> list[str]:
    return [entry.id.hex() for entry in bench.repo.history(all_refs=True)]


@pytest.mark.parametrize("order", ["newest first", "oldest first", "mixed", "twice"])
def test_answers_are_those_that_each_question_gets_alone(lines: Bench, order: str) -> None:
    core, ids = lines.repo._core, every(lines)
    alone: dict[str, tuple[Lineage, object]] = {
        id: (lineage(core, id), lines.repo.show(id)) for id in ids
    }
    asked = {"newest first": ids, "oldest first": ids[::-1], "twice": [*ids, *ids]}.get(order)
    if asked is None:
        asked = random.Random(1).sample(ids, len(ids))
    with steady(core):
        for id in asked:
            assert (lineage(core, id), lines.repo.show(id)) == alone[id]
    parents = {len(found.children) for found, _ in alone.values()}
    assert parents == {0, 1, 2}  # where the lines part there are two


def test_it_is_as_of_one_moment_and_ends_with_the_outermost_block(lines: Bench) -> None:
    core = lines.repo._core

    def names() -> tuple[str, ...]:
        return tuple(lines.repo.show("v1").refs)

    assert names() == ()
    with steady(core):
        assert names() == ()
        with steady(core):
            lines.repo.create_tag("first", "v1", context=lines.context())
        assert names() == ()
    assert names() == ("tag: first",)


def test_what_is_found_once_is_looked_for_once(bench: Bench) -> None:
    looked: list[object] = []

    def find(core: object) -> int:
        looked.append(core)
        return len(looked)

    core = bench.repo._core
    assert [once(core, find), once(core, find)] == [1, 2]
    with pytest.raises(ZeroDivisionError), steady(core):
        assert [once(core, find), once(core, find)] == [3, 3]
        _ = 1 // 0
    assert once(core, find) == 4
