"""An F32 master beside its BF16 copy: the copy costs nothing, and every bit comes back."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.ids import ChunkId
from mvcd.repo.bases.casts import lost_bits
from mvcd.repo.bases.chains import MOST_LEVELS, chain_of
from tests.codec.test_widened import rounded
from tests.support.memory import in_memory
from tests.support.workspace import Bench

Array = np.ndarray  # type: ignore[type-arg]
Arrays = dict[str, Array]


def network(seed: int = 1, size: int = 500_000) -> Arrays:
    rng = np.random.default_rng(seed)
    return {f"h.{n}": rng.normal(0, 0.02, size + n).astype("<f4") for n in range(2)}


def file_of(dtype: str, bodies: Mapping[str, bytes]) -> bytes:
    """As safetensors; its library for numpy knows no BF16."""
    header, offset = {}, 0
    for name, body in bodies.items():
        shape = [len(body) // {"BF16": 2, "F32": 4}[dtype]]
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [offset, offset + len(body)],
        }
        offset += len(body)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(bodies.values())


def master(net: Arrays) -> bytes:
    return file_of("F32", {name: values.tobytes() for name, values in net.items()})


def copy(net: Arrays, prefix: str = "") -> bytes:
    return file_of("BF16", {prefix + name: rounded(values) for name, values in net.items()})


KINDS = {"master": master, "model": copy}


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_a_copy_beside_its_master_costs_nothing(
    bench: Bench, names: tuple[str, str], prefix: str
) -> None:
    """In whichever order their paths are."""
    net = network()
    alone = bench.save({"elsewhere.safetensors": master(network(2))}).bytes_stored
    files = {f"{names[0]}.safetensors": master(net), f"{names[1]}.safetensors": copy(net, prefix)}
    both = bench.save(files).bytes_stored  # type: ignore[arg-type]
    assert both - alone < 0.02 * len(copy(net))
    for path, data in files.items():
        assert bench.repo.read(path) == data
    assert bench.repo.verify().ok


def test_many_pairs_in_one_commit(bench: Bench) -> None:
    """Each master has a copy in its own directory, and six like it in others."""
    nets = [network(seed) for seed in range(7)]
    alone = bench.save({"elsewhere.safetensors": master(network(20))}).bytes_stored
    files = {
        f"{n}00/{k}.safetensors": f(net) for n, net in enumerate(nets) for k, f in KINDS.items()
    }
    both = bench.save(files).bytes_stored  # type: ignore[arg-type]
    assert both < 1.01 * len(nets) * alone
    assert bench.repo.verify().ok


def test_copies_of_other_weights_are_no_bases(bench: Bench) -> None:
    net = network()
    done = bench.save({"a.safetensors": copy(network(3)), "b.safetensors": master(net)})
    assert {bench.repo.store.info(id).base for id, _ in bench.repo.store.ids()} == {None}
    assert done.bytes_stored > 0.8 * len(master(net))


def test_a_run_that_saves_both(bench: Bench) -> None:
    """The copies are differences to each other, the masters to the copies; in directories of their own."""
    rng = np.random.default_rng(1)
    net, stored, raw = network(), [], 0
    for step in range(7):
        files = {
            f"step-{step}/model.safetensors": copy(net),
            f"step-{step}/master.safetensors": master(net),
        }
        stored.append(bench.save(files).bytes_stored)  # type: ignore[arg-type]
        raw = sum(map(len, files.values()))
        net = {n: v + rng.normal(0, 1e-4, len(v)).astype("f4") for n, v in net.items()}
    assert max(stored[1:]) < 0.5 * raw
    store = bench.repo.store
    levels = [
        len(chain_of(lambda id: store.info(id).base, id)) - 1
        for id, _ in store.ids()
        if isinstance(id, ChunkId)
    ]
    assert max(levels) <= MOST_LEVELS + 1
    assert bench.repo.verify().ok


def test_a_master_that_hardly_moved_is_a_difference_to_itself(bench: Bench) -> None:
    net = network()
    bench.save({"a.safetensors": copy(net), "b.safetensors": master(net)})
    net["h.0"] = net["h.0"].copy()
    net["h.0"][::5000] += 1
    done = bench.save({"a.safetensors": copy(net), "b.safetensors": master(net)})
    assert done.bytes_stored < 0.05 * len(master(net))
    assert bench.repo.read("b.safetensors") == master(net)


ODD_BITS = [0, 1, 0x8000_0000, 0x7F80_0001, 0xFFC0_1234, 0x007F_FFFF, 0x3F80_8000, 0xFFFF_FFFF]
"""+0, the least denormal, -0, NaNs with payloads, the greatest denormal, a tie, all ones."""


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32), st.integers(1, 300_000), st.sampled_from([1, 100, 600_000]))
def test_every_bit_of_both_comes_back(seed: int, odd: int, wrong: int) -> None:
    """Values of all kinds, and copies that are wrong here and there."""
    source = np.random.default_rng(seed)
    bits = source.normal(0, 0.02, 600_001).astype("<f4").view("<u4")
    bits[source.integers(0, len(bits), odd)] = source.choice(np.array(ODD_BITS, "<u4"), odd)
    narrow = np.frombuffer(rounded(bits.view("<f4")), "<u2").copy()
    narrow[source.integers(0, len(bits), wrong)] ^= source.integers(0, 1 << 16, wrong, "<u2")
    files = {
        "a.safetensors": file_of("F32", {"w": bits.tobytes()}),
        "b.safetensors": file_of("BF16", {"w": narrow.tobytes()}),
    }
    with in_memory() as directory, Bench(directory / "experiment") as bench:
        bench.save(files)  # type: ignore[arg-type]
        for path, data in files.items():
            assert bench.repo.read(path) == data
        assert bench.repo.verify().ok


def test_bits_that_rounding_took_away() -> None:
    values = network()["h.0"]
    data, narrow = values[1000:].tobytes(), rounded(values)
    assert 15 < lost_bits(data, narrow, 1000) < 16.5
    assert lost_bits(data, narrow, 999) > 20
    assert lost_bits(b"", narrow, 0) == 0
