"""Files of torch before 1.6: golden ones are in test_torchviews.py; here are damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.inspect import torchlegacy, unpickle
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import NotThisFormat

DATA = (Path(__file__).parent / "data" / "legacy.pt").read_bytes()


def read(data: bytes) -> list[str]:
    return list(torchlegacy.tensors(lambda at, size: data[at : at + size], len(data)))


def test_it_is_known_by_its_first_bytes() -> None:
    assert torchlegacy.looks_like(DATA[:9], len(DATA))
    assert not torchlegacy.looks_like(DATA[:8], len(DATA))
    assert not torchlegacy.looks_like(b"\x80\x02}q\0X\x05\0\0", len(DATA))


def test_the_cut_is_along_the_tensors() -> None:
    found = layout(lambda at, size: DATA[at : at + size], len(DATA))
    assert found is not None and found.format == "torch-legacy"
    names = [span.tensor.name for span in found.spans if span.tensor]
    assert "model.0.weight" in names and "optimizer.state.0.exp_avg" in names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"M\xe9\x03", b"M\xe8\x03"),  # another protocol
        (b"little_endianq\x02\x88", b"little_endianq\x02\x89"),  # of a big-endian machine
        (b"FloatStorage\n", b"OddlyStorage\n"),  # of unknown width, so what follows lies anywhere
    ],
)
def test_what_is_not_ours_is_plain(old: bytes, new: bytes) -> None:
    data = bytes.replace(DATA, old, new)
    assert data != DATA
    with pytest.raises(NotThisFormat):
        read(data)


def test_a_large_pickle_is_read_by_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(DATA)
    monkeypatch.setattr(unpickle, "_WINDOW_BYTES", 64)
    assert read(DATA) == whole and "model.0.weight" in whole


def test_a_storage_that_is_cut_short_is_plain() -> None:
    with pytest.raises(NotThisFormat):
        read(DATA[:-1])
