"""Rules about modules: no circle of imports, late imports that say why, maps that are true, a test for each."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import VERBS, function_of
from tests.support.modules import (
    ROOT,
    Block,
    contained,
    graph,
    imports,
    knots,
    late_blocks,
    mapped,
    sources,
)
from tests.support.tested import BY_VERB, TABLE

SOURCES = sources()
PACKAGES = {name: path for name, path in SOURCES.items() if path.name == "__init__.py"}
WITHOUT_MAP = {
    "mvc": "its docstring is for people who import it",
    "mvc.cli.commands": "one module a verb: mvc.cli.verbs is the table",
    "mvcd.objects.v1": "generated",
    "mvcd.wire.v1": "generated",
    "mvcd.repo.history.query": "its docstring is the grammar; the last line names all three modules",
}
MAX_MODULES = 14
"""Of a room of mvcd/repo: more than fit on a screen with a line each is more than one theme."""
LATE = re.compile(r"# late: (start-up|an extra|where the system has it)\b")
TESTS = ROOT / "tests"
PROGRAMS = {
    "client": {name for name in SOURCES if name.startswith("mvc.")},
    "daemon": {"mvcd.daemon.main", "mvcd.daemon.serve.command"},
    "web": {"mvcd.daemon.serve.command", "mvc.cli.team_page", "mvc.web.server"},
}
"""What tests of these folders run as programs: `mvc`, whose verbs are imported by their names, and `mvcd`,
which finds its page by a name."""


# -------------------------------------------------------------------- circles


def test_no_imports_are_knotted() -> None:
    """Late imports count, for they run all the same; so do those for type checkers, since whoever reads a
    module has to know the types it names. import-linter looks at layers only, not inside one package."""
    edges = {name: {each.target for each in found} for name, found in graph().items()}
    told = [
        [f"{a} -> {b}" for a in knot for b in sorted(edges[a] & set(knot))] for knot in knots(edges)
    ]
    assert told == []


def test_a_knot_is_found_however_it_is_tied() -> None:
    texts = {
        "p.a": "from p import b",
        "p.b": "def f():\n    from p.c import x",
        "p.c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.a",
        "p.d": "from .a import y\nfrom . import e",
        "p.e": "",
    }
    known = {name: Path() for name in texts}
    found = {n: imports(n, text, is_package=False, known=known) for n, text in texts.items()}
    assert knots({n: {i.target for i in each} for n, each in found.items()}) == [
        ["p.a", "p.b", "p.c"]
    ]
    assert [(i.target, i.late, i.typing) for i in found["p.b"] + found["p.c"] + found["p.d"]] == [
        ("p.c", True, False), ("p.a", False, True), ("p.a", False, False), ("p.e", False, False),
    ]  # fmt: skip


# -------------------------------------------------------------------- late imports


def test_imports_inside_functions_say_why() -> None:
    """`# late: start-up` for what few commands need, `# late: an extra` for what may be absent."""
    silent = [
        f"{path.relative_to(ROOT)}:{block[0].lineno}"
        for path in SOURCES.values()
        for text in [path.read_text()]
        for block in late_blocks(text)
        if not any(LATE.search(line) for line in _lines(text, block))
    ]
    assert silent == []


def test_late_imports_save_something() -> None:
    """What is loaded with the module anyway is imported at its top, where it can be seen."""
    now = {n: {i.target for i in f if not i.late and not i.typing} for n, f in graph().items()}
    void = [
        f"{name}:{each.line} {each.target}"
        for name, found in graph().items()
        for loaded in [_reached(now, name)]
        for each in found
        if each.late and each.target in loaded
    ]
    assert void == []


def _lines(text: str, block: Block) -> list[str]:
    return text.splitlines()[block[0].lineno - 1 : block[-1].end_lineno]


def _reached(edges: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        new = edges.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


# -------------------------------------------------------------------- maps


@pytest.mark.parametrize("package", sorted(PACKAGES.keys() - WITHOUT_MAP.keys()))
def test_the_map_of_a_package_names_what_is_there(package: str) -> None:
    named = mapped(PACKAGES[package].read_text())
    there = contained(PACKAGES[package].parent)
    assert [name for name, times in Counter(named).items() if times > 1] == []
    assert {name.rstrip("/") for name in named} == {name.rstrip("/") for name in there}


def test_a_package_without_a_map_is_there_and_has_none() -> None:
    assert WITHOUT_MAP.keys() <= PACKAGES.keys()


def test_rooms_are_small_and_cost_nothing_to_enter() -> None:
    """A package's own code runs before that of each of its modules, whoever wants only one of them."""
    rooms = [path for name, path in PACKAGES.items() if name.startswith("mvcd.repo.")]
    assert {str(p) for p in rooms if len(contained(p.parent)) > MAX_MODULES} == set()
    repo = [*rooms, PACKAGES["mvcd.repo"]]
    assert [str(p) for p in repo if len(ast.parse(p.read_text()).body) > 1] == []


# -------------------------------------------------------------------- a test for each


def test_each_module_has_its_test() -> None:
    tabled = {
        f"{p}.{m}" for p, tests in TABLE.items() for names in tests.values() for m in names.split()
    }
    without, twice = [], []
    for name in _tested_modules():
        has = (TESTS / _mirror(name)).exists()
        if has and name in tabled:
            twice.append(name)
        elif not has and name not in tabled and not name.startswith(f"{BY_VERB}."):
            without.append(name)
    assert (without, twice) == ([], [])
    assert tabled - set(_tested_modules()) == set()


def test_the_tests_of_the_table_are_there_and_reach_the_module() -> None:
    """By imports, their own and those of what they import, late ones too; and by the programs that they run."""
    edges = {n: {i.target for i in found} for n, found in graph().items()}
    tests = dict(_test_modules())
    for name, path in tests.items():
        found = imports(name, path.read_text(), is_package=False, known={**SOURCES, **tests})
        edges[name] = {each.target for each in found}
    edges["tests.support.engine"] |= {function_of(verb).__module__ for verb in VERBS}
    bad = []
    for package, through in TABLE.items():
        for test, names in through.items():
            assert (TESTS / f"{test}.py").exists(), test
            start = "tests." + test.replace("/", ".")
            edges[start] |= PROGRAMS.get(test.partition("/")[0], set())
            reached = _reached(edges, start)
            bad += [
                f"{test} does not reach {package}.{name}"
                for name in names.split()
                if not name.startswith("_") and f"{package}.{name}" not in reached
            ]
    assert bad == []


@pytest.mark.parametrize("verb", VERBS)
def test_what_tests_call_a_verb_is_a_function_of_the_engines(verb: str) -> None:
    module, _, name = VERBS[verb].partition(":")
    found = function_of(verb)
    assert (found.__module__, found.__name__) == (f"mvcd.repo.{module}", name)
    assert next(iter(inspect.signature(found).parameters)) == "core"


def test_each_verb_of_the_table_is_called_by_a_test() -> None:
    said = "\n".join(path.read_text() for path in TESTS.rglob("*.py"))
    assert [verb for verb in VERBS if not re.search(rf"(?<!mvcd\.)repo\.{verb}\b", said)] == []


def test_each_verb_is_called_by_a_test_of_the_command_line() -> None:
    said = "\n".join(path.read_text() for path in sorted((TESTS / "client").glob("test_*.py")))
    commands = {name.rpartition(".")[2] for name in SOURCES if name.startswith(f"{BY_VERB}.")}
    verbs = {
        "admin" if name.startswith("admin_") else name.rstrip("_").replace("_", "-")
        for name in commands
    }
    assert [verb for verb in sorted(verbs) if f'"{verb}"' not in said] == []


def _tested_modules() -> Iterator[str]:
    for name, path in SOURCES.items():
        if not path.name.startswith("__"):
            yield name
    for name, path in PACKAGES.items():
        yield from (f"{name}.{stub.stem}" for stub in path.parent.glob("_*.pyi"))


def _test_modules() -> Iterator[tuple[str, Path]]:
    for path in TESTS.rglob("*.py"):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def _mirror(name: str) -> str:
    """Where the test of a module's own name lies: the client's in tests/client, but for training."""
    tree, *inside, module = name.split(".")
    if tree == "mvc":
        inside = ["training"] if inside[:1] == ["training"] else ["client"]
    return "/".join([*inside, f"test_{module}.py"])
