"""Tensors that were read earlier in the same run: read again from their files, if they are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.chunking.params import TENSOR_PIECE_BYTES
from mvcd.errors import MissingObject
from mvcd.ids import ChunkId
from mvcd.inspect.layout import layout
from mvcd.repo.bases import thisrun
from mvcd.repo.bases.thisrun import ThisRun

VALUES = np.arange(100_000, dtype="f4")


def begun(run: ThisRun, place: Path, count: int = 1) -> bytes:
    data = save({f"w{n}": VALUES + n for n in range(count)})
    place.write_bytes(data)
    shape = layout(lambda offset, size: data[offset : offset + size], len(data))
    assert shape is not None
    run.begin(place.name, str(place), shape)
    return data


def test_pieces_are_read_from_the_file(tmp_path: Path) -> None:
    run = ThisRun()
    begun(run, tmp_path / "a", 2)
    (file,) = run.files()
    span = file.tensors.exact("w1", ("F32", VALUES.shape))
    assert span is not None
    whole = (VALUES + 1).tobytes()
    assert [file.piece(span, n) for n in range(3)] == [
        whole[:TENSOR_PIECE_BYTES], whole[TENSOR_PIECE_BYTES:], None,
    ]  # fmt: skip
    (tmp_path / "a").unlink()
    assert file.piece(span, 0) is None


def test_a_chunk_is_given_only_as_it_was_put(tmp_path: Path) -> None:
    run, place = ThisRun(), tmp_path / "a"
    data = begun(run, place)
    id, base = ChunkId.of(data[-100:]), ChunkId.of(b"base")
    run.put(id, base, str(place), len(data) - 100, 100)
    assert run.has(id) and not run.has(base)
    assert (run.base(id), run.get(id)) == (base, data[-100:])
    place.write_bytes(data[:-1] + b"x")
    with pytest.raises(MissingObject):
        run.get(id)
    place.unlink()
    with pytest.raises(MissingObject):
        run.get(id)


def test_the_latest_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thisrun, "MAX_FILES", 3)
    monkeypatch.setattr(thisrun, "MAX_TENSORS", 5)
    monkeypatch.setattr(thisrun, "MAX_CHUNKS", 1)
    run = ThisRun()
    for number in range(4):
        begun(run, tmp_path / str(number))
    assert [file.path for file in run.files()] == ["1", "2", "3"]
    begun(run, tmp_path / "large", 4)
    assert [file.path for file in run.files()] == ["3", "large"]
    begun(run, tmp_path / "too large", 6)
    assert [file.path for file in run.files()] == ["3", "large"]
    first, second = ChunkId.of(b"1"), ChunkId.of(b"2")
    for id in (first, second):
        run.put(id, None, "", 0, 1)
    assert run.has(first) and not run.has(second)
