"""Formats by their headers: whole samples of real writers are proven, prefixes are not, noise does no harm."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mvcd.daemon.formats import FILES, SaveState, check_file
from mvcd.daemon.walks import onnx_data

DATA = Path(__file__).parent / "data"
INSPECT = Path(__file__).parents[1] / "inspect" / "data"


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version)
    return out.getvalue()


def table(name: str) -> bytes:
    import pyarrow
    import pyarrow.feather
    import pyarrow.parquet

    out, rows = io.BytesIO(), pyarrow.table({"a": list(range(50))})
    if name == "parquet":
        pyarrow.parquet.write_table(rows, out)
    else:
        pyarrow.feather.write_feather(rows, out)
    return out.getvalue()


SAMPLES: dict[str, tuple[str, bytes]] = {
    "HDF5, superblock 0": (".h5", (DATA / "superblock0.h5").read_bytes()),
    "HDF5, superblock 3": (".h5", (DATA / "superblock3.h5").read_bytes()),
    "HDF5 after a user block": (".hdf5", (DATA / "userblock.h5").read_bytes()),
    "Flax": (".msgpack", (DATA / "flax.msgpack").read_bytes()),
    "GGUF": (".gguf", (INSPECT / "model.gguf").read_bytes()),
    "npy": (".npy", npy(np.arange(30, dtype="<f4").reshape(5, 6))),
    "npy 3.0": (".npy", npy(np.array(["ab", "cde"]), (3, 0))),
    "npy of no dimension": (".npy", npy(np.array(7, dtype="<i8"))),
    "Parquet": (".parquet", table("parquet")),
    "Feather": (".feather", table("arrow")),
}
PADDING = {"GGUF": 31}
"""Bytes at the end of a file that its format does not need."""


def state(tmp_path: Path, suffix: str, data: bytes) -> SaveState:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(data)
    return check_file(str(path), len(data)).state


@pytest.mark.parametrize("name", SAMPLES)
def test_proven_at_its_length_and_incomplete_before(tmp_path: Path, name: str) -> None:
    suffix, data = SAMPLES[name]
    assert state(tmp_path, suffix, data) is SaveState.PROVEN
    end = len(data) - PADDING.get(name, 0)
    for length in {*range(0, end, 1 + end // 300), *range(max(0, end - 30), end)}:
        assert state(tmp_path, suffix, data[:length]) is SaveState.INCOMPLETE, length


@pytest.mark.parametrize("name", SAMPLES)
def test_set_to_its_length_first_is_incomplete(tmp_path: Path, name: str) -> None:
    suffix, data = SAMPLES[name]
    assert state(tmp_path, suffix, bytes(len(data))) is SaveState.INCOMPLETE


@pytest.mark.parametrize("suffix", sorted({s for _, suffixes in FILES.values() for s in suffixes}))
def test_something_else_under_the_suffix_is_not_held(tmp_path: Path, suffix: str) -> None:
    for data in (b"version https://git-lfs.github.com/spec/v1\n", b"notes, " * 200):
        assert state(tmp_path, suffix, data) is SaveState.UNKNOWN


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("objects", npy(np.array([{}], dtype=object))),
        ("a structure", npy(np.zeros(3, dtype=[("a", "<i4"), ("b", "<f8")]))),
        ("more than numpy reads", b"\x93NUMPY\x02\x00" + (1 << 30).to_bytes(4, "little")),
    ],
)
def test_npy_of_which_no_length_follows(tmp_path: Path, name: str, data: bytes) -> None:
    assert state(tmp_path, ".npy", data) is SaveState.UNKNOWN


def test_hdf5_that_its_writer_has_open_is_incomplete(tmp_path: Path) -> None:
    data = bytearray((DATA / "superblock3.h5").read_bytes())
    data[11] |= 1  # file consistency flags: open for writing
    assert state(tmp_path, ".h5", bytes(data)) is SaveState.INCOMPLETE


@pytest.mark.parametrize("name", ["model.onnx", "external.onnx"])
def test_onnx_ends_with_its_fields(tmp_path: Path, name: str) -> None:
    """Whole is never proven, for more fields may follow; what ends in a field or before the opsets is cut."""
    data = (INSPECT / name).read_bytes()
    assert state(tmp_path, ".onnx", data) is SaveState.UNKNOWN
    found = [state(tmp_path, ".onnx", data[:length]) for length in range(len(data))]
    assert found.count(SaveState.UNKNOWN) <= 3, "the boundaries of the fields after the graph"
    assert set(found) <= {SaveState.UNKNOWN, SaveState.INCOMPLETE}


def test_onnx_says_how_long_its_external_data_is() -> None:
    needed = onnx_data(str(INSPECT / "external.onnx"), (INSPECT / "external.onnx").stat().st_size)
    assert needed
    for name, length in needed.items():
        assert 0 < length <= (INSPECT / name).stat().st_size


WHOLE = [
    *SAMPLES.values(),
    (".onnx", (INSPECT / "external.onnx").read_bytes()),
    (".safetensors", save({"a": np.arange(12, dtype=np.float32)})),
    (".pt", (INSPECT / "checkpoint.pt").read_bytes()),
]


@given(
    sample=st.sampled_from(WHOLE),
    edits=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=9)), max_size=6),
    length=st.integers(0, 12_000),
    claimed=st.integers(0, 1 << 40),
)
@settings(
    deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_file_does_harm(
    tmp_path: Path,
    sample: tuple[str, bytes],
    edits: list[tuple[int, bytes]],
    length: int,
    claimed: int,
) -> None:
    """Cut, overwritten, or of another size than its stat told: a verdict, and soon."""
    suffix, whole = sample
    data = bytearray(whole[:length])
    for at, piece in edits:
        data[at : at + len(piece)] = piece
    path = tmp_path / f"file{suffix}"
    path.write_bytes(data)
    for size in (len(data), claimed):
        assert isinstance(check_file(str(path), size).state, SaveState)
    onnx_data(str(path), len(data))


@given(data=st.binary(max_size=300), suffix=st.sampled_from(sorted({s for s, _ in WHOLE})))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_noise_does_harm(tmp_path: Path, data: bytes, suffix: str) -> None:
    magic = next(whole[:8] for s, whole in WHOLE if s == suffix)
    for noise in (data, magic + data):
        assert isinstance(state(tmp_path, suffix, noise), SaveState)


def test_a_map_that_promises_billions_is_walked_no_further_than_the_file(tmp_path: Path) -> None:
    assert (
        state(tmp_path, ".msgpack", b"\xdf\xff\xff\xff\xff" + b"\xc0" * 100) is SaveState.INCOMPLETE
    )
    assert (
        state(tmp_path, ".msgpack", b"\xdf\xff\xff\xff\xff" + b"\xc0" * 300_000)
        is SaveState.UNKNOWN
    )
