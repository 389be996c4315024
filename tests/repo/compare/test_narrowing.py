"""Parts of versions compared: some paths, or one directory or file with another one."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.errors import Failure, UsageError
from mvcd.objects.version import Component
from mvcd.repo.compare.diff import diff, patch
from mvcd.repo.compare.narrowing import ComparedPart, parts_of
from mvcd.repo.compare.weights import weights
from mvcd.repo.records.results import Diff, FileChanges
from tests.support.workspace import Bench

OLD = np.arange(40_000, dtype="f4")


def checkpoint(step: int) -> dict[str, bytes | str]:
    tensors = {"a": OLD, "b": OLD + step}
    return {
        f"runs/checkpoint-{step}/model.safetensors": save(tensors),
        f"runs/checkpoint-{step}/config.json": f'{{"step": {step}, "kind": "net"}}',
        f"runs/checkpoint-{step}/eval_results.json": f'{{"eval_loss": {1 / step}}}',
        f"runs/checkpoint-{step}/net.py": f"layers = {step}\n",
    }


@pytest.fixture
def trained(bench: Bench) -> Bench:
    bench.save({"params.yaml": "lr: 0.1\n", **checkpoint(10), **checkpoint(20)})
    bench.save({"params.yaml": "lr: 0.2\n", "runs/checkpoint-20/net.py": "layers = 21\n"})
    return bench


def compared(bench: Bench, *revs: str | None, paths: tuple[str, ...] = ()) -> Diff:
    return diff(bench.repo._core, *revs, paths=paths)


def test_two_directories_of_a_version(trained: Bench) -> None:
    found = compared(trained, "v1:runs/checkpoint-10", "v1:runs/checkpoint-20")
    assert found.components[Component.WEIGHTS] == FileChanges(modified=("model.safetensors",))
    assert found.components[Component.RESULTS] == FileChanges(modified=("eval_results.json",))
    assert found.components[Component.HYPERPARAMETERS] == FileChanges()
    changes = found.tensors["model.safetensors"]
    assert (changes.changed, changes.unchanged) == (("b",), ("a",))
    assert {key: (c.old, c.new) for key, c in found.metrics.items()} == {"eval_loss": (0.1, 0.05)}


def test_what_changed_is_read_from_where_it_lies(trained: Bench) -> None:
    core = trained.repo._core
    trained.write({"runs/checkpoint-20/model.safetensors": save({"a": OLD, "b": OLD + 27})})
    for old, new, step in (
        ("v1:runs/checkpoint-10", "v2:runs/checkpoint-20", 10),
        ("v1:runs/checkpoint-20", None, 7),
    ):
        sides = parts_of(core, old, new)
        assert weights(core, sides)["b"].max_abs == step
        lines = [line for line in patch(sides, [Component.ARCHITECTURE]) if line[:1] in "+-"]
        assert "+layers = 21" in lines
        assert sides.below is not None and sides.below[1] == "runs/checkpoint-20"


def test_two_files_of_different_names(trained: Bench) -> None:
    trained.save({"other.safetensors": save({"a": OLD, "b": OLD})})
    old = "HEAD:runs/checkpoint-10/model.safetensors"
    found = compared(trained, old, "HEAD:other.safetensors")
    assert found.tensors["other.safetensors"].changed == ("b",)
    assert found.totals[Component.WEIGHTS][0].files == 1


def test_a_side_without_a_path_has_the_others(trained: Bench) -> None:
    for revs in (("v1:params.yaml", "v2"), ("v1", "v2:params.yaml"), ("v1:params.yaml", None)):
        found = compared(trained, *revs)
        assert {key: (c.old, c.new) for key, c in found.hyperparameters.items()} == {
            "lr": (0.1, 0.2)
        }
        assert not found.components[Component.ARCHITECTURE].changed


def test_only_some_paths(trained: Bench) -> None:
    found = compared(trained, "v1", "v2", paths=("runs",))
    assert found.components[Component.ARCHITECTURE] == FileChanges(
        modified=("runs/checkpoint-20/net.py",)
    )
    assert not found.components[Component.HYPERPARAMETERS].changed and not found.hyperparameters
    everything = compared(trained, "v1", "v2", paths=("runs", "params.yaml"))
    assert everything.components == compared(trained, "v1", "v2").components
    assert compared(trained, "v1", "v2", paths=(".",)).components == everything.components


def test_a_directory_against_the_workspace(trained: Bench) -> None:
    trained.write({"runs/checkpoint-10/net.py": "layers = 11\n"})
    found = compared(trained, "HEAD:runs/checkpoint-10")
    assert found.components[Component.ARCHITECTURE] == FileChanges(modified=("net.py",))
    assert found.new is None


def test_what_is_not_there_is_told(trained: Bench) -> None:
    with pytest.raises(Failure, match="v1 has no nope"):
        compared(trained, "v1:nope", "v2:runs")
    with pytest.raises(Failure, match="the workspace has no runs/gone"):
        trained.save({"runs/gone/x.py": "1"})
        trained.remove("runs/gone/x.py")
        compared(trained, "HEAD:runs/gone")
    with pytest.raises(Failure, match="neither side has nope"):
        compared(trained, "v1", "v2", paths=("nope",))
    with pytest.raises(UsageError, match="one is a file and one a directory"):
        compared(trained, "v1:runs", "v2:params.yaml")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("v3", ComparedPart("v3")),
        ("v3:a/b", ComparedPart("v3", "a/b")),
        ("v3:a/", ComparedPart("v3", "a")),
        (":a", ComparedPart("HEAD", "a")),
        ("v3:", ComparedPart("v3", ".")),
        ("main@{2026-11-01T10:30}", ComparedPart("main@{2026-11-01T10:30}")),
        ("main@{2026-11-01T10:30}:a:b", ComparedPart("main@{2026-11-01T10:30}", "a:b")),
        (None, ComparedPart(None)),
    ],
)
def test_a_path_follows_the_first_colon(text: str | None, part: ComparedPart) -> None:
    assert ComparedPart.of(text) == part
