"""The checkpoint that went before one that came, and the two compared."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.objects.version import Component
from mvcd.repo.compare import earlier as earlier_module
from mvcd.repo.compare.diff import diff_sides
from mvcd.repo.compare.earlier import MAX_MODELS, earlier, since
from tests.support.workspace import Bench

ONES = np.ones(10, "f4")


def pairs(bench: Bench, old: str, new: str | None) -> dict[str, str]:
    sides = bench.repo.sides(old, new)
    files = diff_sides(sides).components[Component.WEIGHTS]
    return earlier(sides, files.added, files.modified)


def test_the_newest_before_goes_before_the_newest(bench: Bench) -> None:
    old = {f"out/checkpoint-{n}/model.safetensors": save({"w": ONES * n}) for n in (9, 10)}
    bench.save({**old, "out/checkpoint-10/optimizer.pt": b"o"})
    new = {f"out/checkpoint-{n}/model.safetensors": save({"w": ONES * n}) for n in (11, 20)}
    for path in old:
        (bench.root / path).unlink()
    bench.save({**new, "out/checkpoint-20/optimizer.pt": b"p"})
    found = pairs(bench, "v1", "v2")
    assert found == {"out/checkpoint-20/model.safetensors": "out/checkpoint-10/model.safetensors"}
    ((new_path, old_path),) = found.items()
    sides = since(bench.repo._core, bench.repo.sides("v1", "v2"), old_path, new_path)
    assert diff_sides(sides).tensors["model.safetensors"].changed == ("w",)
    assert sides.below == (old_path, new_path)


def test_a_model_that_stayed_and_changed_needs_no_other(bench: Bench) -> None:
    bench.save({"model.safetensors": save({"w": ONES})})
    bench.save(
        {
            "model.safetensors": save({"w": ONES * 2}),
            "checkpoint-1/model.safetensors": save({"w": ONES}),
        }
    )
    assert pairs(bench, "v1", "v2") == {}


def test_runs_that_count_up_go_before_one_another_also_in_the_workspace(bench: Bench) -> None:
    bench.save({"logs/version_9/checkpoints/last.ckpt": save({"w": ONES})})
    bench.write({"logs/version_10/checkpoints/last.ckpt": save({"w": ONES * 2})})
    bench.add()
    assert pairs(bench, "v1", None) == {
        "logs/version_10/checkpoints/last.ckpt": "logs/version_9/checkpoints/last.ckpt"
    }


def test_models_without_one_before_and_too_many_have_none(bench: Bench) -> None:
    bench.save({f"{n}/step_1.pt": b"a" for n in range(MAX_MODELS + 3)})
    bench.save({f"{n}/step_2.pt": b"b" for n in range(MAX_MODELS + 3)} | {"new/step_1.pt": b"c"})
    found = pairs(bench, "v1", "v2")
    assert len(found) == MAX_MODELS and "new/step_1.pt" not in found


def test_files_in_great_number_are_no_checkpoints(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({"a/step_1.pt": b"a", "b.pt": b"b"})
    bench.save({"a/step_2.pt": b"c"})
    assert pairs(bench, "v1", "v2") == {"a/step_2.pt": "a/step_1.pt"}
    for limit in (1, 0):
        monkeypatch.setattr(earlier_module, "MAX_FILES", limit)
        assert pairs(bench, "v1", "v2") == {}
