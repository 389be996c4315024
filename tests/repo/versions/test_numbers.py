"""A number is shown where it names the version: as `vN` resolves, asked for every version of some graphs."""

from __future__ import annotations

import random

import pytest

from mvcd.errors import Failure
from mvcd.repo.joining.threeway import Choices
from mvcd.repo.versions.numbers import Numbers
from tests.support.workspace import Bench


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_shown_where_they_resolve(bench: Bench, seed: int) -> None:
    source = random.Random(seed)
    bench.save({"a": "0"})
    branches = ["main"]
    for step in range(25):
        branch = source.choice(branches)
        bench.repo.switch(branch, context=bench.context())
        act = source.random()
        if act < 0.2:
            branches.append(f"b{step}")
            bench.repo.switch(f"b{step}", create=True, context=bench.context())
        elif act < 0.45:
            other = source.choice(branches)
            bench.repo.merge(other, Choices(ours=["."]), context=bench.context())
        else:
            bench.write({source.choice("abc"): str(step)})
            bench.commit(allow_empty=True)
    numbers = Numbers(bench.repo._core)
    asked = list(bench.repo.history(all_refs=True))
    assert len({entry.version.generation for entry in asked}) < len(asked)
    for entry in asked:
        number = entry.version.generation
        try:
            means = bench.repo.resolve(f"v{number}")
        except Failure:
            means = None
        assert numbers.names(entry.id, number) == (means == entry.id) == entry.numbered


def test_a_number_far_down_is_found_in_strides(bench: Bench) -> None:
    bench.save({"a": "0"})
    first = bench.repo.resolve("HEAD")
    for _ in range(305):
        bench.commit(allow_empty=True)
    numbers = Numbers(bench.repo._core)
    assert numbers.names(first, 1)
    assert not numbers.names(first, 2)
