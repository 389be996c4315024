"""Help and docstrings begin with a sentence that stands alone, without the name or the page around it.

OPENERS are words that refer back to something, or make a riddle of a definition: "Of a link this asks nothing",
"Those that a token is kept for", "What a commit saved". A sentence that begins with its subject, or with a verb
("Saves ...", "Save ..." in help), needs none of them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Set
from pathlib import Path

import click
import pytest

import mvc
from mvc.cli.main import cli
from mvc.cli.verbs import SUMMARIES
from mvcd.daemon import main as daemon

ROOT = Path(__file__).parent.parent
OPENERS = set(
    """also and as at because but by else for from how if in it its nor not of on or since so such that their
    them then there these they this those what when where which who whom whose with without""".split()
)
REFERRING = {"also", "and", "as", "its", "of", "that", "there", "these", "those", "whose"}
"""The words among them that no docstring of the engine or the screens begins with either."""
QUESTIONS = {"how", "when", "where", "which", "what"}
"""Words that may open the help of an option, whose name is read before it: `--lock-timeout  How long ...`."""
CLAUSES = {"with"}
"""Opens the help of an option that goes with another: `--top N  With --tensors: ...`."""


def first(text: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


def opener(text: str) -> str:
    """The first word, in small letters; "" where code comes first."""
    word = re.match(r"[\"'(*]*([A-Za-z]+)", first(text))
    return word[1].lower() if word else ""


def faults(text: str, but: Set[str] = frozenset()) -> list[str]:
    """What is wrong with how a text begins and ends."""
    said, word = first(text), opener(text)
    found = [f"begins with {word}"] if word in OPENERS - but else []
    return found + ([] if re.search(r"[.:?!\])`]$", said) else ["does not end as a sentence"])


def every_command() -> Iterator[tuple[str, click.Command]]:
    def below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for word in command.list_commands(context):
                child = command.get_command(context, word)
                assert child is not None
                yield from below(f"{name} {word}", child)

    return below("mvc", cli)


def test_help_of_commands_and_options_stands_alone() -> None:
    wrong = {}
    for name, command in every_command():
        wrong[name] = faults(command.help or "")
        if name != "mvc":
            article = opener(command.help or "") in {"a", "an", "the"}
            wrong[name] += ["begins with no verb"] if article else []
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                wrong[f"{name} {parameter.opts}"] = faults(
                    parameter.help or "", QUESTIONS | CLAUSES
                )
    assert {name: fault for name, fault in wrong.items() if fault} == {}


def test_summaries_of_verbs_begin_with_a_verb() -> None:
    openers = {verb: text.split()[0] for verb, text in SUMMARIES.items()}
    assert {v: w for v, w in openers.items() if w in OPENERS | {"a", "an", "the"}} == {}


def test_help_of_the_daemon_stands_alone() -> None:
    help = daemon.parser().format_help().split("VERB\n")[1]
    lines = re.findall(r"^    (\w+) +(\w+)", help, re.MULTILINE)
    assert len(lines) >= 8
    assert {verb: word for verb, word in lines if word.lower() in OPENERS} == {}


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Public docstrings of a module, with their names; those of constants too."""

    def inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
        before: ast.AST | None = None
        for child in getattr(node, "body", []):
            if isinstance(child, (ast.ClassDef, ast.FunctionDef)) and not child.name.startswith(
                "_"
            ):
                name = f"{prefix}.{child.name}"
                if text := ast.get_docstring(child):
                    yield name, text
                yield from inside(child, name)
            target = getattr(before, "target", None) or next(
                iter(getattr(before, "targets", [])), None
            )
            if isinstance(target, ast.Name) and not target.id.startswith("_"):
                value = child.value if isinstance(child, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield f"{prefix}.{target.id}", value.value
            before = child

    tree = ast.parse(path.read_text())
    yield path.name, ast.get_docstring(tree) or "Empty."
    yield from inside(tree, path.stem)


PUBLIC = [
    path
    for folder in ("client/mvc", "client/mvc/api", "client/mvc/training")
    for path in sorted((ROOT / folder).glob("*.py"))
]


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: str(path.relative_to(ROOT / "client")))
def test_public_docstrings_stand_alone(path: Path) -> None:
    wrong = {name: faults(text) for name, text in docstrings(path)}
    assert {name: fault for name, fault in wrong.items() if fault} == {}


ENGINE = [
    path
    for folder in ("mvcd", "client")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.name.endswith("_pb2.py")
]


def test_docstrings_of_the_engine_and_the_screens_do_not_begin_in_the_middle() -> None:
    assert len(ENGINE) > 100
    wrong = {
        f"{path.relative_to(ROOT)} {name}": first(text)
        for path in ENGINE
        for name, text in docstrings(path)
        if opener(text) in REFERRING
    }
    assert wrong == {}


def test_everything_that_mvc_exports_says_what_it_is() -> None:
    silent = []
    for name in mvc.__all__:
        thing = getattr(mvc, name)
        if inspect.isclass(thing) and thing.__module__.startswith("mvc."):
            for attribute, value in vars(thing).items():
                described = isinstance(value, property) or inspect.isfunction(value)
                if described and attribute[0] != "_" and not inspect.getdoc(value):
                    silent.append(f"{name}.{attribute}")
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and not inspect.getdoc(thing):
            silent.append(name)
    assert silent == []


def test_the_rule_catches_what_it_is_for() -> None:
    assert faults("Of a link this asks nothing.") == ["begins with of"]
    assert faults("Those that a token is kept for") == [
        "begins with those", "does not end as a sentence"
    ]  # fmt: skip
    assert faults('"What" was done.') == ["begins with what"]
    assert faults("`with mvc.checkpoint(...)`: a block.") == []
    assert faults("With --tensors: show the N that changed most.", CLAUSES) == []
    assert faults("Saves everything\nthat is tracked.\n\nAs it is") == []
    assert importlib.import_module("mvc.api.repo").Repo.commit.__doc__
