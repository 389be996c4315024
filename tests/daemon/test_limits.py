"""The [watch] table of mvc.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.daemon.limits import DaemonLimits, load
from mvcd.errors import Failure


def limits(tmp_path: Path, text: str) -> DaemonLimits:
    (tmp_path / "mvc.toml").write_text(text)
    return load(str(tmp_path))


def test_without_a_table_the_defaults_hold(tmp_path: Path) -> None:
    assert load(str(tmp_path)) == DaemonLimits()
    assert limits(tmp_path, "[components]\n") == DaemonLimits()


def test_the_table_of_the_documentation_is_understood(tmp_path: Path) -> None:
    from mvcd.daemon import limits as module

    assert module.__doc__ is not None
    table = module.__doc__.partition("\n\n")[2]
    found = limits(tmp_path, "\n".join(line.strip() for line in table.splitlines()))
    assert found == DaemonLimits(
        max_size=20 << 30, include=("runs/**",), exclude=("*.scratch",),
        sets=(("runs/*/ckpt-*", "DONE"),),
    )  # fmt: skip
    assert found.left_alone("runs/1/model.pt") is None
    assert found.left_alone("runs/1/x.scratch") == "excluded in mvc.toml"
    assert found.left_alone("notes.txt") == "not among the included in mvc.toml"


@pytest.mark.parametrize(
    "text",
    ["settle = -1", "settle = true", "max_size = '3 parsecs'", "include = 'a'", "typo = 1",
     "[[watch.sets]]\ndirectory = 'a'", "sets = 3"],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_reason(tmp_path: Path, text: str) -> None:
    with pytest.raises(Failure) as refused:
        limits(tmp_path, f"[watch]\n{text}\n")
    assert refused.value.kind == "bad-config"
    assert refused.value.cause
