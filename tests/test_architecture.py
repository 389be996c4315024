"""Rules about the whole: who may import whom, how large files and functions grow, what the documents say."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mvcd
from mvc.cli import errors
from mvc.cli.verbs import SUMMARIES

ROOT = Path(__file__).parent.parent
MAX_LINES = 450
MAX_FUNCTION = 70
GENERATED = "_pb2.py"
NO_NAMES = {"utils", "util", "misc", "helpers", "helper", "common", "base", "shared"}


def sources() -> Iterator[Path]:
    for package in ("mvcd", "client"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if not path.name.endswith(GENERATED):
                yield path


def test_imports_keep_to_the_layers() -> None:
    """In a process of its own: it switches off all loggers that there are."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_one_client_package_imports_the_engine() -> None:
    """Said once more without the tool, which would be silent if its configuration were wrong."""
    for path in sorted((ROOT / "client" / "mvc").rglob("*.py")):
        inside = path.relative_to(ROOT / "client" / "mvc")
        if re.search(r"^\s*(import|from) mvcd\b", path.read_text(), re.MULTILINE):
            assert inside.parts[0] == "api", f"{inside} imports mvcd"


GROUND = {
    "os": {"replace", "rename", "renames", "fsync", "fdatasync", "sync"},
    "fcntl": {"flock", "lockf"},
    "shutil": {"move"},
}
NOT_ON_THE_GROUND = {
    "client/mvc/demo/tensorfile.py": "a training program of a user's, which knows nothing of mvc",
    "client/mvc/training/values.py": "imported into training processes: the standard library only",
}


def ground_calls(path: Path) -> Iterator[str]:
    """Uses of the calls that only mvcd/disk makes, whatever name their module has here."""
    modules: dict[str, str] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update({a.asname or a.name: a.name for a in node.names if a.name in GROUND})
        elif isinstance(node, ast.ImportFrom) and node.module in GROUND:
            yield from (
                f"{node.module}.{a.name}" for a in node.names if a.name in GROUND[node.module]
            )
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id, "")
            if node.attr in GROUND.get(module, ()):
                yield f"{module}.{node.attr}"


def test_only_the_ground_level_moves_syncs_and_locks_files() -> None:
    found = {
        str(path.relative_to(ROOT)): calls
        for path in sources()
        if path.parent != ROOT / "mvcd" / "disk" and (calls := sorted(set(ground_calls(path))))
    }
    assert found.keys() == NOT_ON_THE_GROUND.keys(), found
    ground = {c for p in (ROOT / "mvcd" / "disk").glob("*.py") for c in ground_calls(p)}
    assert {"os.replace", "os.fsync", "os.sync", "fcntl.flock"} <= ground


def test_only_the_store_names_its_implementations() -> None:
    """Others open a store by its address. Said once more without the tool, for names too."""
    inside = ROOT / "mvcd" / "store"
    named = [p for p in sources() if re.search(r"lmdb_?store|memory_?store", p.read_text(), re.I)]
    assert [str(p.relative_to(ROOT)) for p in named if inside not in p.parents] == []
    assert {inside / "stores.py", inside / "lmdb_store.py"} <= set(named)


def test_modules_are_named_for_what_they_do() -> None:
    assert [str(p) for p in sources() if p.stem in NO_NAMES] == []


def test_files_and_functions_stay_small() -> None:
    large = {str(p): n for p in sources() if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert large == {}
    long = {
        f"{path}:{node.name}": node.end_lineno - node.lineno + 1
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
        if node.end_lineno - node.lineno >= MAX_FUNCTION
    }
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [
        p
        for p in sources()
        if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert [str(p.relative_to(ROOT)) for p in silent] == []


def test_only_what_is_named_a_module_in_c_knows_python() -> None:
    """So sanitizers, fuzzers and other programs can use what is not."""
    for path in sorted((ROOT / "mvcd").rglob("*.[ch]")):
        knows = "Python.h" in path.read_text()
        assert knows == bool(re.fullmatch(r"_\w+module\.c", path.name)), path


def test_every_file_in_c_is_built() -> None:
    """And stands in the list from which sanitizers build, and a header in what makes it built anew."""
    modules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"][
        "ext-modules"
    ]
    listed = {path for m in modules for path in [*m["sources"], *m.get("depends", ())]}
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "mvcd").rglob("*.[ch]")}
    assert listed == there


def test_the_readme_names_every_verb_and_the_guide_every_exit_code() -> None:
    readme = (ROOT / "README.md").read_text()
    listed = set(re.findall(r"`([a-z-]+)(?: log)?`", readme[readme.index("## The verbs") :]))
    assert set(SUMMARIES) <= listed
    guide = (ROOT / "docs" / "guide" / "scripts.md").read_text()
    codes = {int(c): text for c, text in re.findall(r"^\| (\d+) \| (.+?) \|$", guide, re.MULTILINE)}
    assert {c: t.replace(" (`--exit-code`)", "") for c, t in codes.items()} == errors.EXIT_HELP


def pages() -> list[Path]:
    """Every page in Markdown that is for people."""
    folders = ("docs", "deploy", "proto", "mvcd", "tests/bench")
    found = [page for folder in folders for page in (ROOT / folder).rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), *found])


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_of_the_guide_is_on_the_front_page_and_on_the_map() -> None:
    for front, base in ((ROOT / "README.md", "docs/"), (ROOT / "docs" / "README.md", "")):
        for page in (ROOT / "docs").rglob("*.md"):
            path = page.relative_to(ROOT / "docs").as_posix()
            if not path.startswith("reference/mvc-") and path not in (
                "README.md",
                "reference/mvcd.md",
            ):
                assert f"({base}{path})" in front.read_text(), f"{front} does not name {path}"


def test_the_floors_of_the_architecture_are_those_of_the_contracts() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text().split("## Floors")[1].split("\n## ")[0]
    rows = [row.split("|")[2] for row in page.split("\n") if row.startswith("|")]
    told = [name for row in rows for name in re.findall(r"`(mvcd?\.\w+)`", row)]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    small = {
        "amounts",
        "extras",
        "daemon_client",
        "pictures",
        "process",
        "heap",
        "waiting",
        "lateclasses",
    }
    for contract in contracts:
        if contract["type"] == "layers" and contract["containers"] in (["mvcd"], ["mvc"]):
            top = contract["containers"][0]
            layers = [set(layer.split(" | ")) - small for layer in contract["layers"]]
            floors = [[f"{top}.{name}" for name in layer] for layer in layers]
            shown = [name for name in told if name.startswith(f"{top}.")]
            for above, below in itertools.pairwise(filter(None, floors)):
                assert set(above) | set(below) <= set(shown)
                assert max(map(shown.index, above)) < min(map(shown.index, below)), (above, below)


def test_a_small_verb_is_written_in_the_five_files_of_its_table() -> None:
    """Read off the sources: whatever else a verb's name or method stood in would be a sixth."""
    page = (ROOT / "ARCHITECTURE.md").read_text().split("## A new read-only verb")[1]
    table = page.split("|---|---|\n")[1].split("\n\n")[0]
    told = {row.split("](")[1].partition(")")[0] for row in table.split("\n")}
    written = {"README.md"} if "`cat`" in (ROOT / "README.md").read_text() else set()
    for path in sources():
        if path.name == "habits.py":
            continue  # what other tools' words mean here may name any verb, and has to name none
        text = path.read_text()
        if '"cat"' in text or re.search(r"\b(def |listing\.)open_file\b|\bmvc cat\b", text):
            written.add(str(path.relative_to(ROOT)))
    assert written == told and len(told) == 5


def test_the_continuous_check_runs_the_command_of_the_readme() -> None:
    tests = (ROOT / "README.md").read_text().split("## Tests")[1]
    command = tests.split("```sh\n")[1].split("\n```")[0]
    assert f"\n{command} || exit 1\n" in (ROOT / ".ci" / "run").read_text()


def test_the_version_is_said_once_and_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == mvcd.__version__
