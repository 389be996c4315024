"""`mvc diff --tensors`: what people see, and the document."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvc import Repo
from mvc.cli.screens.tensors import module_of
from tests.support.commandline import Mvc, write


@pytest.fixture
def trained(mvc: Mvc, work: Path) -> Path:
    """A model of seven layers in which the third and fourth were trained on, and one tensor fell ill."""
    before = {f"layers.{i}.{part}": np.full((4, 4), i + 1, "f4") for i in range(7) for part in "qk"}
    before["head.weight"], before["old"] = np.ones(8, "f4"), np.ones(2, "f4")
    after = {name: value.copy() for name, value in before.items() if name != "old"}
    after["layers.2.q"] *= 1.5
    after["layers.3.k"][0, 0] += 1
    after["head.weight"][3] = np.nan
    after["extra"] = np.ones((2, 3), "f2")
    write(work, {"m.safetensors": save(before)})
    mvc("init")
    mvc("add", ".")
    mvc("commit", "-m", "before")
    write(work, {"m.safetensors": save(after)})
    mvc("commit", "-m", "after")
    return work


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("model.layers.12.mlp.up.weight", "model.layers.12"), ("lm_head.weight", "lm_head"), ("w", ""),
        ("0.weight", "0"), ("net/3/kernel", "net/3"), ("dense/kernel", "dense"), ("conv1.weight", "conv1"),
    ],
)  # fmt: skip
def test_modules(name: str, module: str) -> None:
    assert module_of(name) == module


SCREEN = """\
tensors  3 changed, 1 added, 1 removed, 12 unchanged
  relative  changed  max abs    cosine  mean       std
         0   12.5 %        0  1.000000  1 -> 1     0 -> 0      head.weight  NaN 0 -> 1
       0.5                                                     layers.2  1 of 2 changed
       0.5    100 %      1.5  1.000000  3 -> 4.5   0 -> 0        q
    0.0625                                                     layers.3  1 of 2 changed
    0.0625    6.2 %        1  0.998230  4 -> 4.06  0 -> 0.242    k
  + extra  F16 [2, 3]
  - old  F32 [2]
  unchanged  layers.0 ... layers.1  4 tensors
  unchanged  layers.4 ... layers.6  6 tensors
"""


def test_the_screen(mvc: Mvc, trained: Path) -> None:
    shown = mvc("diff", "HEAD~1", "HEAD", "--tensors").out
    assert shown.partition("\n\ntensors")[2] == SCREEN.partition("tensors")[2]


def test_the_screen_is_cut_to_the_top(mvc: Mvc, trained: Path) -> None:
    shown = mvc("diff", "HEAD~1", "HEAD", "--tensors", "--top", "2").out
    assert "... 1 more tensor, each changed by 0.0625 or less (--top, -v)" in shown
    assert "layers.3  1 of" not in shown


def test_the_document(mvc: Mvc, trained: Path) -> None:
    weights = mvc("diff", "HEAD~1", "HEAD", "--tensors", "--json").json["weights"]
    assert weights["layers.0.q"]["kind"] == "unchanged"
    assert weights["layers.0.q"]["statistics"] is None
    assert weights["layers.2.q"]["statistics"]["relative_l2"] == 0.5
    assert weights["layers.2.q"]["old"] == {
        "path": "m.safetensors",
        "dtype": "F32",
        "shape": [4, 4],
        "bytes": 64,
    }
    assert weights["extra"]["old"] is None
    assert weights["head.weight"]["statistics"]["nan_new"] == 1
    assert "weights" not in mvc("diff", "HEAD~1", "HEAD", "--json").json


def test_from_python(mvc: Mvc, trained: Path) -> None:
    repo = Repo(trained)
    diff = repo.diff("HEAD~1", "HEAD")
    assert diff.weights["layers.2.q"].relative_l2 == 0.5
    assert [t.name for t in diff.weights.of_kind("added", "removed")] == ["extra", "old"]
    assert len(repo.diff("HEAD~1", "HEAD", components=["data"]).weights) == 0
    repo.close()


def test_the_picture(mvc: Mvc, trained: Path) -> None:
    document = mvc("diff", "HEAD~1", "HEAD", "--plot", "change.png", "--json").json
    assert document["plot"] == "change.png"
    assert (trained / "change.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    mvc("diff", "HEAD~1", "HEAD", "--plot", "change.html")
    assert "layers.2.q: 0.5" in (trained / "change.html").read_text()


def test_a_picture_of_unknown_kind_is_refused_before_any_work(mvc: Mvc, trained: Path) -> None:
    assert ".png, .svg or .html" in mvc("diff", "--plot", "change.gif", code=2).err


def test_a_picture_that_cannot_be_written(mvc: Mvc, trained: Path) -> None:
    assert "no/where.png" in mvc("diff", "--plot", "no/where.png", code=1).err


def test_markdown(mvc: Mvc, trained: Path) -> None:
    shown = mvc("diff", "HEAD~1", "HEAD", "--tensors", "--md").out
    assert (
        shown.partition("#### Tensors")[2]
        == """

3 changed, 1 added, 1 removed, 12 unchanged

| tensor | relative change | elements changed | max abs | cosine |  |
|---|--:|--:|--:|--:|---|
| `head.weight` | 0 | 12.5 % | 0 | 1.000000 | `NaN 0 -> 1` |
| `layers.2.q` | 0.5 | 100 % | 1.5 | 1.000000 |  |
| `layers.3.k` | 0.0625 | 6.2 % | 1 | 0.998230 |  |
"""
    )


def test_top_alone_is_a_mistake(mvc: Mvc, trained: Path) -> None:
    assert "--top goes with --tensors" in mvc("diff", "--top", "3", code=2).err


def test_a_narrow_terminal_does_without_mean_and_std(
    mvc: Mvc, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    shown = mvc("diff", "v1", "v2", "--tensors", "--component", "weights").out
    assert "  relative  changed  max abs    cosine\n" in shown
    assert max(map(len, shown.partition("\ntensors")[2].splitlines())) <= 70
    monkeypatch.setenv("COLUMNS", "120")
    assert "cosine  mean" in mvc("diff", "v1", "v2", "--tensors").out


def test_quantised_tensors_stand_among_the_others(mvc: Mvc, work: Path) -> None:
    """Blocks of Q8_0 have figures; those of IQ2_XS, which is not read, come last with a share of bytes."""
    ones, packed = np.float16(1).tobytes() + bytes([1]) * 32, bytes(74)
    twos = np.float16(2).tobytes() + ones[2:]
    write(work, {"m.gguf": gguf({"a": (8, 32, ones), "b": (17, 256, packed)})})
    mvc("init")
    mvc("add", ".")
    mvc("commit", "-m", "before")
    write(work, {"m.gguf": gguf({"a": (8, 32, twos), "b": (17, 256, b"\1" * 37 + packed[:37])})})
    shown = mvc("diff", "--tensors").out.partition("\n\ntensors")[2]
    assert [line.split() for line in shown.splitlines()[2:]] == [
        ["1", "100", "%", "1", "1.000000", "1", "->", "2", "0", "->", "0", "a"],
        ["-", "50.0", "%", "-", "-", "b", "IQ2_XS,", "by", "bytes"],
    ]
    weights = mvc("diff", "--tensors", "--json").json["weights"]
    assert weights["a"]["statistics"]["relative_l2"] == 1
    assert weights["b"]["statistics"]["relative_l2"] is None


def gguf(tensors: dict[str, tuple[int, int, bytes]]) -> bytes:
    """A file of vectors: each the number of its type, its elements and its bytes."""
    rows, data = b"", b""
    for name, (kind, elements, body) in tensors.items():
        rows += struct.pack(
            f"<Q{len(name)}sIQIQ", len(name), name.encode(), 1, elements, kind, len(data)
        )
        data += body + bytes(-len(body) % 32)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), 0) + rows
    return head + bytes(-len(head) % 32) + data
