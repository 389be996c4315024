"""Single files: whole ones are proven, every shorter prefix of them is not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.daemon.formats import SaveState, check_file

SAMPLES = Path(__file__).parents[1] / "inspect" / "data"


def state(path: Path) -> SaveState:
    return check_file(str(path), path.stat().st_size).state


def write(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.fixture
def weights() -> bytes:
    return save({"a": np.arange(12, dtype=np.float32), "b": np.ones((3, 5), dtype=np.float16)})


def test_safetensors_is_complete_at_exactly_its_length(tmp_path: Path, weights: bytes) -> None:
    assert state(write(tmp_path, "m.safetensors", weights)) is SaveState.PROVEN
    for length in range(len(weights)):
        assert state(write(tmp_path, "m.safetensors", weights[:length])) is SaveState.INCOMPLETE


def test_a_safetensors_file_set_to_its_length_first_is_incomplete(
    tmp_path: Path, weights: bytes
) -> None:
    assert state(write(tmp_path, "m.safetensors", bytes(len(weights)))) is SaveState.INCOMPLETE


@pytest.mark.parametrize("name", ["checkpoint.pt", "module.pt", "protocol5.pt"])
def test_torch_zip_is_complete_with_its_end_record(tmp_path: Path, name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    assert state(write(tmp_path, "m.ckpt", data)) is SaveState.PROVEN
    for length in {*range(0, len(data), 97), len(data) - 1, len(data) - 22}:
        found = state(write(tmp_path, "m.ckpt", data[:length]))
        assert found is (SaveState.UNKNOWN if 0 < length < 4 else SaveState.INCOMPLETE)


def test_bytes_after_the_end_record_mean_it_is_written_again(tmp_path: Path) -> None:
    data = (SAMPLES / "checkpoint.pt").read_bytes()
    assert state(write(tmp_path, "m.pt", data + b"PK\x03\x04more")) is SaveState.INCOMPLETE


def test_zip64_is_complete_with_its_locator(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w") as archive,
        archive.open("a", "w", force_zip64=True) as member,
    ):
        member.write(b"x" * 1000)
    assert state(write(tmp_path, "m.npz", buffer.getvalue())) is SaveState.PROVEN


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("legacy.pt", (SAMPLES / "legacy.pt").read_bytes()),
        ("pointer.safetensors", b"version https://git-lfs.github.com/spec/v1\n"),
        ("notes.txt", b""),
        ("model.bin", b"raw bytes"),
    ],
)
def test_what_has_no_mark_is_unknown(tmp_path: Path, name: str, data: bytes) -> None:
    assert state(write(tmp_path, name, data)) is SaveState.UNKNOWN
