"""The versioned settings of a workspace, `mvc.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.errors import Failure
from mvcd.objects.version import Component
from mvcd.repo.workspace.settings import component_rules, load
from tests.support.workspace import Bench


def test_none_is_as_good_as_empty(tmp_path: Path) -> None:
    assert load(str(tmp_path)) == {}
    plain = component_rules(load(str(tmp_path)))
    (tmp_path / "mvc.toml").write_text("[other]\nkey = 1\n")
    assert component_rules(load(str(tmp_path))).digest == plain.digest


def test_rules_come_before_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "mvc.toml").write_text(
        '[components]\nresults = ["*.pt"]\ndata = ["runs/**/*.py"]\n'
    )
    rules = component_rules(load(str(tmp_path)))
    assert rules.component_of("a.pt") is Component.RESULTS
    assert rules.component_of("runs/x/y.py") is Component.DATA
    assert rules.component_of("y.py") is Component.ARCHITECTURE


@pytest.mark.parametrize(
    "text",
    [
        "[components", "\xff", "components = 1", "components = [1]", "[components]\nwheights = ['*']",
        "[components]\nweights = '*'", "[components]\nweights = [1]", "[components]\nweights = ['[']",
        "[components]\nweights = {a = 1}",
    ],
)  # fmt: skip
def test_what_cannot_be_understood_stops_the_commit_with_one_clear_failure(
    bench: Bench, text: str
) -> None:
    bench.save({"a": "1"})
    bench.write({"mvc.toml": text.encode("latin-1")})
    if text.endswith("['[']"):
        return  # a bracket alone is a character, as in gitignore
    for verb in (bench.commit, bench.repo.status, bench.repo.diff):
        with pytest.raises(Failure) as caught:
            verb()
        assert caught.value.kind == "bad-config"
        assert "mvc.toml" in str(caught.value)
    bench.remove("mvc.toml")
    assert bench.repo.status().clean


def test_going_back_to_a_version_brings_its_rules(bench: Bench) -> None:
    bench.save({"x.dat": "x" * 200})
    bench.save({"mvc.toml": '[components]\nweights = ["*.dat"]\n'})
    bench.checkout("v1")
    assert bench.repo.status().clean
    assert bench.save({"y.dat": "y"}).components[Component.DATA].files == 2
    bench.checkout("main")
    assert bench.repo.status().clean
    assert bench.save({"y.dat": "y"}).components[Component.WEIGHTS].files == 2
