"""Files of torch.export: the golden one is in test_torchviews.py; here are damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.inspect import torchexport
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import NotThisFormat

DATA = (Path(__file__).parent / "data" / "exported.pt2").read_bytes()


def read(data: bytes) -> list[str]:
    return list(torchexport.tensors(lambda at, size: data[at : at + size], len(data)))


def test_the_cut_is_along_the_tensors() -> None:
    found = layout(lambda at, size: DATA[at : at + size], len(DATA))
    assert found is not None and found.format == "torch-export"
    names = [span.tensor.name for span in found.spans if span.tensor]
    assert sorted(names) == ["constant", "emb.weight", "steps", "turned"]


@pytest.mark.parametrize(
    ("old", "new", "gone"),
    [
        (b'"use_pickle": false', b'"use_pickle":  true', "steps"),
        (b'{"as_int": 4}', b'{"as_int":-4}', "turned"),
        (b'{"as_int": 4}', b'{"as_str": 4}', "turned"),
        (b'{"config": {"turned"', b'["config", {"turned"', "emb.weight"),
        (b"byteorder", b"bytedroer", "steps"),
        (b"little", b"bigend", "steps"),
    ],
)
def test_what_is_not_ours(old: bytes, new: bytes, gone: str) -> None:
    data = DATA.replace(old, new)
    assert data != DATA and len(data) == len(DATA)
    try:
        names = read(data)
    except NotThisFormat:
        return
    assert gone not in names


def test_a_dtype_nobody_knows_is_bytes() -> None:
    data = DATA.replace(b'"dtype": 5', b'"dtype": 0')
    found = torchexport.tensors(lambda at, size: data[at : at + size], len(data))["steps"]
    assert (found.dtype, found.shape, found.size) == ("BYTES", (24,), 24)


def test_a_list_too_complex_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchexport, "_MAX_SEPARATORS", 10)
    with pytest.raises(NotThisFormat):
        read(DATA)
