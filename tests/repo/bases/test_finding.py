"""A tensor's pieces are stored as differences from the same tensor before, wherever it lay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.ids import ChunkId
from mvcd.repo.bases import finding, others
from mvcd.repo.bases.chains import MOST_LEVELS, Base, TensorPiece, chain_of
from tests.support.torchfile import View, torch_zip
from tests.support.workspace import Bench

Arrays = dict[str, np.ndarray]  # type: ignore[type-arg]
SIZE = 300_000


def network(seed: int = 1, size: int = SIZE) -> Arrays:
    rng = np.random.default_rng(seed)
    return {f"h.{n}.w": rng.standard_normal(size).astype("f4") for n in range(3)}


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
    size = 1_000_000  # 48 chunks: those of some batches are at work before the first answers
    stored_share(bench, {"a/model.safetensors": network(1, size)})
    asked: list[int] = []
    real = finding.FileTensors.bases
    monkeypatch.setattr(others, "GIVE_UP_CHUNKS", 2)

    def bases(self: finding.FileTensors, pieces: Sequence[TensorPiece]) -> list[Base | None]:
        found = real(self, pieces)
        asked.extend(base is not None for base in found)
        return found

    monkeypatch.setattr(finding.FileTensors, "bases", bases)
    stored_share(bench, {"b/model.safetensors": network(2, size)})
    assert 2 <= sum(asked) < len(asked) == 48


def test_differences_are_read_back(bench: Bench, tmp_path: Path) -> None:
    net = network()
    for step in (10, 20, 30):
        tensors = save(stepped(net, step))
        path = f"checkpoint-{step}/model.safetensors"
        bench.save({path: tensors})
        bench.remove(path)
        bench.repo.restore("HEAD", [bench.path(path)], context=bench.context())
        assert (bench.root / path).read_bytes() == tensors


# ---------------------------------------------------------------- in one commit


def test_checkpoints_that_are_tracked_for_the_first_time(bench: Bench) -> None:
    """All in one commit: each is a difference to the one before, from its file, and chains stay short."""
    net = network()
    alone = stored_share(bench, {"elsewhere.safetensors": network(2)})
    files = {
        f"run/checkpoint-{step}/model.safetensors": stepped(net, step)
        for step in range(100, 1000, 100)
    }
    assert stored_share(bench, files) < 0.75 * alone
    store = bench.repo.store
    levels = {
        len(chain_of(lambda id: store.info(id).base, id)) - 1
        for id, _ in store.ids()
        if isinstance(id, ChunkId)
    }
    assert levels == set(range(MOST_LEVELS + 1))
    for path, tensors in files.items():
        assert bench.repo.read(path) == save(tensors)
    assert bench.repo.verify().ok


def test_an_average_beside_its_model(bench: Bench) -> None:
    net = network()
    alone = stored_share(bench, {"model.safetensors": network(2)})
    both = {"a/ema.safetensors": stepped(net, 3), "a/weights.safetensors": net}
    assert stored_share(bench, both) < 0.75 * alone
    for path, tensors in both.items():
        assert bench.repo.read(path) == save(tensors)


def test_tensors_that_were_renamed(bench: Bench) -> None:
    net = network()
    alone = stored_share(bench, {"model.safetensors": net})
    wrapped = {f"module.model.{name}": array for name, array in stepped(net, 1).items()}
    assert stored_share(bench, {"model.safetensors": wrapped}) < 0.7 * alone
    numbered = {f"layer{n}": array for n, array in enumerate(stepped(net, 2).values())}
    bench.remove("model.safetensors")
    assert stored_share(bench, {"renamed.safetensors": numbered}) < 0.7 * alone
    assert bench.repo.read("renamed.safetensors") == save(numbered)


def test_another_format(bench: Bench) -> None:
    net = network()
    alone = stored_share(bench, {"model.safetensors": net})
    trained = stepped(net, 1)
    data = torch_zip(
        {
            f"module.{name}": View(str(n), array.shape)
            for n, (name, array) in enumerate(trained.items())
        },
        {str(n): array.tobytes() for n, array in enumerate(trained.values())},
    )
    assert bench.save({"model.pt": data}).bytes_stored < 0.7 * alone * len(data)
    assert bench.repo.read("model.pt") == data


def test_a_base_that_is_not_there_after_all(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file was written over between its reading and its use."""
    wrong = np.random.default_rng(9).standard_normal(SIZE // 4).astype("f4").tobytes()

    def elsewhere(_: object, pieces: Sequence[TensorPiece]) -> list[Base]:
        return [Base(ChunkId.of(wrong), wrong[: 256 << 10], 9.0) for _ in pieces]

    monkeypatch.setattr(finding.FileTensors, "bases", elsewhere)
    net = save(network())
    bench.save({"model.safetensors": net})
    assert bench.repo.read("model.safetensors") == net
    assert bench.repo.verify().ok


def test_a_damaged_row_of_the_index_is_no_base_and_stops_no_commit(bench: Bench) -> None:
    net = network()
    bench.save({"model.safetensors": save(net)})
    store = bench.repo._core.store
    id = ChunkId.of(net["h.1.w"].tobytes()[: 256 << 10])
    assert store.has([id]) == [True]
    index = store.index  # type: ignore[attr-defined]
    index.write(lambda txn: txn.put(id, b"no row", db=index.objects))
    after = save(stepped(net, 1))
    bench.save({"model.safetensors": after})
    assert bench.repo.read("model.safetensors") == after


def test_a_file_that_does_not_pay_gives_way_to_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models of other runs have likelier paths. The third that is tried is right; a fourth is not tried."""
    monkeypatch.setattr(others, "GIVE_UP_CHUNKS", 2)
    size = 2_000_000  # 90 chunks: some are at work before the first answers
    net = network(1, size)
    alone = stored_share(bench, {"mine.safetensors": net})
    for number in (50, 60):
        bench.save({f"tune-{number}/a.safetensors": save(network(number, size))})
    assert stored_share(bench, {"tune-55/a.safetensors": stepped(net, 1)}) < 0.9 * alone
    bench.save({f"tune-{number}/b.safetensors": save(network(number, 40_000)) for number in (7, 8)})
    bench.remove("tune-55/a.safetensors")
    bench.save({"tune-52/a.safetensors": save(network(70, size))})
    assert stored_share(bench, {"tune-53/a.safetensors": stepped(net, 2)}) > 0.98 * alone


def test_moments_that_have_no_base_do_not_stop_those_that_have(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Adam's: the first ones are new at each checkpoint, the second ones hardly change."""
    monkeypatch.setattr(others, "GIVE_UP_CHUNKS", 2)
    second = network(1, 1_000_000)

    def moments(step: int) -> Arrays:
        first = network(10 + step, 1_000_000)
        return {f"{name}.exp_avg": array for name, array in first.items()} | {
            f"{name}.exp_avg_sq": array for name, array in stepped(second, step).items()
        }

    alone = stored_share(bench, {"checkpoint-1/optimizer.safetensors": moments(1)})
    assert stored_share(bench, {"checkpoint-2/optimizer.safetensors": moments(2)}) < 0.85 * alone


@pytest.mark.parametrize("named", [True, False])
def test_the_model_that_a_fine_tune_names(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Where no path is like its own, and others than the one it was made from are as like."""
    monkeypatch.setattr(finding, "MAX_LIKE_FILES", 1)
    net = network(1)
    alone = stored_share(bench, {"a/x.safetensors": network(3)})
    bench.save({"z/llama-base/model.safetensors": save(net)})
    if named:
        bench.save({"mine/config.json": '{"_name_or_path": "/data/llama-base"}'})
    share = stored_share(bench, {"mine/tuned.safetensors": stepped(net, 1)})
    assert (share < 0.7 * alone) is named
