"""The public surface: what it names, and that importing it is light."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import mvc

HEAVY = (
    "blake3", "click", "google", "grpc", "lmdb", "mvcd.chunking", "mvcd.codec", "mvcd.objects", "mvcd.repo",
    "mvcd.store", "numpy", "platformdirs", "rich", "ruamel", "tomlkit", "watchdog", "zstandard",
)  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """Modules that a fresh interpreter has after running `code`, less those it starts with."""
    before = "import sys; before = set(sys.modules)"
    after = "import json; print('\\n' + json.dumps(sorted(set(sys.modules) - before)))"
    probe = f"{before}\n{code}\n{after}"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def heavy(modules: set[str]) -> list[str]:
    return [m for m in sorted(modules) if any(m == h or m.startswith(h + ".") for h in HEAVY)]


def test_importing_loads_nothing_heavy() -> None:
    modules = loaded_after("import mvc")
    assert heavy(modules) == []
    assert "mvcd.errors" in modules, "the probe sees what is loaded"


def test_the_probe_sees_heavy_modules() -> None:
    assert "mvcd.repo.core.core" in heavy(loaded_after("import mvc; mvc.Repo"))


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["log", "--help"], ["nonsense"]])
def test_answers_without_a_repository_load_click_and_little_else(words: list[str]) -> None:
    code = f"from mvc.cli.main import cli\ntry: cli.main({words!r})\nexcept SystemExit: pass"
    assert [
        m for m in heavy(loaded_after(code)) if not m.startswith(("click", "platformdirs"))
    ] == []


def test_a_verb_without_a_terminal_draws_nothing() -> None:
    code = (
        "from mvc.cli.main import cli\ntry: cli.main(['demo', '--help'])\nexcept SystemExit: pass"
    )
    assert not {m for m in loaded_after(code) if m.startswith(("rich", "grpc", "numpy"))}


def test_every_exported_name_is_there() -> None:
    for name in mvc.__all__:
        assert getattr(mvc, name) is not None
    assert sorted(mvc.__all__) == mvc.__all__
    assert dir(mvc) == mvc.__all__


def test_lazy_names_and_exported_names_agree() -> None:
    eager = {n for n in mvc.__all__ if n not in mvc._HOME}
    assert set(mvc._HOME) < set(mvc.__all__)
    assert all(isinstance(getattr(mvc, n), type) for n in eager - {"__version__"})


def test_what_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Vault'"):
        mvc.Vault  # noqa: B018


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (mvc.UsageError, mvc.MvcError),
        (mvc.NoRepository, mvc.MvcError),
        (mvc.Busy, mvc.MvcError),
        (mvc.AuthError, mvc.MvcError),
        (mvc.RemoteUnreachable, mvc.MvcError),
        (mvc.DaemonError, mvc.MvcError),
        (mvc.IntegrityError, mvc.MvcError),
        (mvc.MissingObject, mvc.IntegrityError),
        (mvc.MissingObject, KeyError),
        (mvc.CorruptObject, mvc.IntegrityError),
        (mvc.Conflict, mvc.MvcError),
        (mvc.StaleReuse, mvc.Conflict),
        (mvc.Failure, mvc.MvcError),
    ],
)
def test_the_tree_of_exceptions(child: type, parent: type) -> None:
    assert issubclass(child, parent)
