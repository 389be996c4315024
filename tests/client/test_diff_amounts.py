"""By how much each tensor changed, on the screen of `mvc diff`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvc import Repo
from mvc.cli.screens.diff import amounts
from mvcd.inspect.spans import DTYPE_BITS
from mvcd.objects.recipe import Recipe
from tests.support.commandline import Mvc
from tests.support.reading import tensors_of

Save = Callable[[Mapping[str, np.ndarray]], None]  # type: ignore[type-arg]
ONES = np.ones(1000, "f4")


@pytest.fixture
def write(mvc: Mvc, work: Path) -> Save:
    mvc("init")
    mvc("add", ".")

    def write(tensors: Mapping[str, np.ndarray]) -> None:  # type: ignore[type-arg]
        (work / "m.safetensors").write_bytes(save(dict(tensors)))
        mvc("commit", "-m", "m")

    return write


def below(screen: str) -> list[str]:
    lines = screen.splitlines()
    first = next(at for at, line in enumerate(lines) if "m.safetensors" in line)
    return [line.strip() for line in lines[first + 1 :] if line.startswith("    ")]


def test_each_changed_tensor_tells_its_share(mvc: Mvc, write: Save) -> None:
    write({"a": ONES, "bb": ONES, "same": ONES})
    write({"a": ONES * 1.5, "bb": ONES * 30, "same": ONES})
    assert below(mvc("diff", "v1", "v2").out) == ["~ a   by 50 %", "~ bb  by 2,900 %"]


def test_layers_that_are_one_row_tell_the_least_and_the_most(mvc: Mvc, write: Save) -> None:
    write({f"h.{n}.w": ONES for n in range(3)})
    write({f"h.{n}.w": ONES * np.float32(1.001 + n / 100) for n in range(3)})
    assert below(mvc("diff", "v1", "v2").out) == ["~ h.[0-2].w  by 0.1 to 2.1 %"]
    assert below(mvc("diff", "-v", "v1", "v2").out)[0] == "~ h.0.w  by 0.1 %"


def test_what_has_no_share_tells_none(mvc: Mvc, write: Save) -> None:
    write({"zero": ONES * 0, "nan": ONES})
    write({"zero": ONES, "nan": ONES * np.float32("nan")})
    assert below(mvc("diff", "v1", "v2").out) == ["~ nan", "~ zero"]


def test_what_is_not_quick_to_read_is_named(
    mvc: Mvc, write: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"a": ONES})
    write({"a": ONES * 2})
    monkeypatch.setattr(amounts, "QUICK_BYTES", 7999)
    shown = below(mvc("diff", "v1", "v2").out)
    assert shown == [
        "~ a",
        "by how much they changed takes reading over 7.8 KiB: mvc diff --tensors",
    ]
    monkeypatch.setattr(amounts, "QUICK_BYTES", 8000)
    assert below(mvc("diff", "v1", "v2").out) == ["~ a  by 100 %"]


def test_the_workspace_is_read_too(mvc: Mvc, work: Path, write: Save) -> None:
    write({"a": ONES})
    (work / "m.safetensors").write_bytes(save({"a": ONES * 2}))
    assert below(mvc("diff").out) == ["~ a  by 100 %"]


def packed_file(work: Path, tensors: Mapping[str, tuple[str, bytes]]) -> None:
    """Writes tensors that numpy has no dtype for: each its dtype and its bytes."""
    rows, at = {}, 0
    for name, (dtype, data) in tensors.items():
        shape = [8 * len(data) // DTYPE_BITS[dtype]]
        rows[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(rows).encode()
    body = b"".join(data for _, data in tensors.values())
    (work / "m.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + body)


def test_what_is_packed_tells_the_share_of_its_bytes(mvc: Mvc, work: Path) -> None:
    """F4 is read: its values 1 become 1.5. How values of six bits share bytes is not known."""
    mvc("init")
    packed_file(work, {"h.0.w": ("F4", b"\x22" * 96), "h.1.w": ("F6_E2M3", bytes(96))})
    mvc("add", ".")
    mvc("commit", "-m", "m")
    changed = {"h.0.w": ("F4", b"\x33" * 96), "h.1.w": ("F6_E2M3", bytes(48) + b"\1" * 48)}
    packed_file(work, changed)
    assert below(mvc("diff").out) == ["~ h.[0-1].w  by 50 %, 1 packed in 50 % of the bytes"]
    assert below(mvc("diff", "-v").out) == ["~ h.0.w  by 50 %", "~ h.1.w  in 50 % of the bytes"]
    packed_file(work, changed | {"h.1.w": ("F6_E2M3", bytes(96))})
    assert below(mvc("diff").out) == ["~ h.0.w  by 50 %"]


def test_nearly_all_is_no_power_of_ten(mvc: Mvc, write: Save) -> None:
    write({"a": ONES, "b": ONES})
    write({"a": ONES * np.float32(1.996), "b": ONES * np.float32(1.99)})
    assert below(mvc("diff", "v1", "v2").out) == ["~ a  by 100 %", "~ b  by 99 %"]


def test_what_lies_in_a_code_holds_up_no_other(mvc: Mvc, work: Path) -> None:
    """A dataset behind a filter that is not read: the others tell by how much they changed."""
    data = (Path(__file__).parents[1] / "inspect/data/filters.h5").read_bytes()
    found = tensors_of(data)
    assert found is not None and found.tensors["code.scaled"].coded
    changed = bytearray(data)
    for name, at in (("code.scaled", 3), ("shuffle.f8", 32 * 3 * 8 - 1)):
        content = found.tensors[name].content
        assert not isinstance(content, bytes)
        changed[content[0].offset + at] ^= 1
    mvc("init")
    mvc("add", ".")
    for content in (data, bytes(changed)):
        (work / "m.h5").write_bytes(content)
        mvc("commit", "-m", "m")
    screen = mvc("diff", "v1", "v2").out
    assert "takes reading" not in screen and "1 not compared" in screen
    assert "~ shuffle.f8  by " in screen, screen


def test_where_no_tensor_changed_no_recipe_of_another_file_is_read(
    mvc: Mvc, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mvc("init")
    mvc("add", ".")
    for n in range(30):
        (work / f"{n}.bin").write_text(f"{n}")
    mvc("commit", "-m", "many")
    (work / "3.bin").write_text("changed")
    mvc("commit", "-m", "one")
    read = []
    decode = Recipe.decode
    monkeypatch.setattr(Recipe, "decode", lambda data: read.append(data) or decode(data))
    with Repo(work) as repo:
        assert list(amounts.Amounts(repo.diff("v1", "v2")).left_out()) == []
    assert len(read) <= 4
