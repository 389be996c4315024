"""A tensor's pieces are stored as differences from the same tensor before, wherever it lay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.ids import ChunkId
from mvcd.repo.contents import bases
from mvcd.repo.contents.files import VersionFiles, recipe_of
from tests.support.workspace import Bench

Arrays = dict[str, np.ndarray]  # type: ignore[type-arg]
SIZE = 300_000


def network(seed: int = 1) -> Arrays:
    rng = np.random.default_rng(seed)
    return {f"h.{n}.w": rng.standard_normal(SIZE).astype("f4") for n in range(3)}


def stepped(tensors: Arrays, step: int) -> Arrays:
    """After training: each weight moves by up to a thousandth."""
    return {name: array * np.float32(1 + step / 10_000) for name, array in tensors.items()}


def stored_share(bench: Bench, files: dict[str, Arrays]) -> float:
    """Bytes added to the store for new files, as a share of theirs."""
    data = {path: save(tensors) for path, tensors in files.items()}
    done = bench.save(data)  # type: ignore[arg-type]
    return done.bytes_stored / sum(map(len, data.values()))


def test_each_checkpoint_in_a_directory_of_its_own(bench: Bench) -> None:
    net = network()
    first = stored_share(bench, {"checkpoint-10/model.safetensors": net})
    for step in (20, 30):
        path = f"checkpoint-{step}/model.safetensors"
        assert stored_share(bench, {path: stepped(net, step)}) < 0.7 * first


def test_another_name_and_other_shards(bench: Bench) -> None:
    net = network()
    first = stored_share(bench, {"model.safetensors": net})
    assert stored_share(bench, {"final.safetensors": stepped(net, 1)}) < 0.7 * first
    bench.remove("model.safetensors", "final.safetensors")
    names = list(net)
    shards = {
        f"model-0000{n + 1}-of-00003.safetensors": {name: stepped(net, 2)[name]}
        for n, name in enumerate(names)
    }
    assert stored_share(bench, shards) < 0.7 * first


def test_what_a_difference_does_not_pay_for_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run of the same network: no further chunk is read for nothing."""
    stored_share(bench, {"a/model.safetensors": network(1)})
    asked: list[int] = []
    real = bases.FileTensors.base
    monkeypatch.setattr(bases, "GIVE_UP_CHUNKS", 2)
    monkeypatch.setattr(
        bases.FileTensors,
        "base",
        lambda self, tensor, index: (
            asked.append((found := real(self, tensor, index)) is not None) or found
        ),
    )
    stored_share(bench, {"b/model.safetensors": network(2)})
    assert 2 <= sum(asked) < len(asked) == 15, "some are asked for before the first answers"


def test_differences_are_read_back(bench: Bench, tmp_path: Path) -> None:
    net = network()
    for step in (10, 20, 30):
        tensors = save(stepped(net, step))
        path = f"checkpoint-{step}/model.safetensors"
        bench.save({path: tensors})
        bench.remove(path)
        bench.repo.restore("HEAD", [bench.path(path)], context=bench.context())
        assert (bench.root / path).read_bytes() == tensors
    core = bench.repo._core
    files = VersionFiles(core.version(core.resolve("HEAD")), core.fetch)
    for placed in files.all():
        for segment in recipe_of(placed.entry, core.fetch).tensors().values():
            for id in getattr(segment.content, "ids", ()):
                base = core.store.info(ChunkId(id)).base
                assert base is None or core.store.info(base).base is None, "depth 1"


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("checkpoint-30/model.safetensors", "checkpoint-20/model.safetensors"),
        ("checkpoint-11/model.safetensors", "checkpoint-10/model.safetensors"),
        ("checkpoint-30/optimizer.pt", "checkpoint-20/optimizer.pt"),
        ("best/model.safetensors", "checkpoint-20/model.safetensors"),
    ],
)
def test_the_likest_path(path: str, nearest: str) -> None:
    others = [
        f"checkpoint-{n}/{name}" for n in (10, 20) for name in ("model.safetensors", "optimizer.pt")
    ]
    assert min(others, key=lambda other: bases._distance(path, other)) == nearest
