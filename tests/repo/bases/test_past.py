"""Bases that the version before has no more."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.objects.version import Component
from mvcd.repo.bases import finding, past
from mvcd.repo.joining.threeway import Choices
from tests.repo.capturing import save as save_capture
from tests.repo.capturing import take
from tests.support.pruning import prune
from tests.support.workspace import Bench

PATH = "run/checkpoint-100/model.safetensors"
ALONE = 0.86
"""Share of the bytes that such a network takes without a base, at most; 0.37 with a near one."""


def tuned(seed: int, step: int = 0, size: int = 200_000) -> bytes:
    """A network after training: each weight moves by up to a thousandth."""
    rng = np.random.default_rng(seed)
    factor = np.float32(1 + step / 10_000)
    return save({f"h.{n}.w": rng.standard_normal(size).astype("f4") * factor for n in range(3)})


def share(bench: Bench, path: str, data: bytes) -> float:
    found = bench.save({path: data}).bytes_stored / len(data)
    assert bench.repo.read(path) == data
    return found


@pytest.mark.parametrize("past_is_read", [True, False])
def test_a_run_that_was_removed_and_begun_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, past_is_read: bool
) -> None:
    if not past_is_read:
        monkeypatch.setattr(past, "MAX_VERSIONS", 0)
    bench.save({PATH: tuned(1), "notes.md": "x"})
    bench.remove(PATH)
    for text in ("y", "z"):
        bench.save({"notes.md": text})
    again = share(bench, "run2/checkpoint-200/model.safetensors", tuned(1, 1))
    assert again < 0.5 if past_is_read else 0.8 < again < ALONE
    assert bench.repo.verify().ok


def test_what_mvcd_saves_by_itself(bench: Bench) -> None:
    bench.save({PATH: tuned(1), "notes.md": "x"})
    bench.remove(PATH)
    bench.commit()
    bench.write({PATH: tuned(1, 1)})
    done = save_capture(bench, take(bench, PATH)).result
    assert done is not None
    assert done.bytes_stored < 0.5 * len(tuned(1))


def test_an_architecture_that_was_tried_and_given_up(bench: Bench) -> None:
    bench.save({PATH: tuned(1)})
    share(bench, PATH, tuned(2, size=150_000))
    assert share(bench, PATH, tuned(1, 1)) < 0.5


def test_the_other_side_of_a_merge(bench: Bench) -> None:
    bench.save({"notes.md": "x"})
    bench.repo.switch("side", create=True, context=bench.context())
    bench.save({PATH: tuned(1)})
    bench.remove(PATH)
    bench.save({"notes.md": "y"})
    bench.repo.switch("main", context=bench.context())
    bench.save({"more.md": "z"})
    bench.repo.merge("side", Choices(), context=bench.context())
    assert len(bench.repo.show().version.parents) == 2
    assert share(bench, PATH, tuned(1, 1)) < 0.5


def test_the_past_is_not_read_for_what_the_parent_has(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({PATH: tuned(1)})
    bench.save({PATH: tuned(1, 1)})
    monkeypatch.setattr(finding, "past_weights", partial(pytest.fail, "the past was read"))
    assert share(bench, PATH, tuned(1, 2)) < 0.5
    assert share(bench, "run/checkpoint-200/model.safetensors", tuned(1, 3)) < 0.5
    assert share(bench, "notes.md", b"no tensors") > 0


def test_a_few_lists_of_weights_are_read(bench: Bench) -> None:
    """Three: what is beyond may be anything."""
    bench.save({PATH: tuned(1)})
    for seed in range(2, past.MAX_CHANGED_VERSIONS + 3):
        bench.save({PATH: tuned(seed, size=1000 * seed)})
    assert past.MAX_CHANGED_VERSIONS == 3
    assert 0.8 < share(bench, PATH, tuned(1, 1)) < ALONE, "a fourth is not"
    bench.save({PATH: tuned(9, size=9000)})
    assert share(bench, PATH, tuned(1, 2)) < 0.5


def test_a_past_whose_content_was_pruned(bench: Bench) -> None:
    bench.save({PATH: tuned(1)})
    bench.save({PATH: tuned(2, size=1000)})
    prune(bench.repo, "v1", [Component.WEIGHTS])
    assert 0.8 < share(bench, PATH, tuned(1, 1)) < ALONE
