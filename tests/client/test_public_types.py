"""No value of the engine is public by accident: the annotations of all that is public are walked.

Public are the names of `mvc.__all__` and what the command line imports of `mvc.api`, and from there on: what
their methods take and answer, and their fields. A class of `mvcd` among them has to be in SHARED. Of those that
are, fields and answers are walked too: methods that take the engine's own values are for the engine.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import typing
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from types import GenericAlias
from typing import Any

import pytest

import mvc
from mvc.api import card, repo
from mvc.api.waiting import Waiting
from mvcd.ids import VersionId
from mvcd.repo.core.config import Config
from mvcd.repo.records.results import Branch
from mvcd.repo.release.card import ModuleSummary
from mvcd.repo.trust.signatures import SignatureState
from mvcd.store.reports import OptimizeReport

CLIENT = Path(mvc.__file__).parent

RECORDED = "as it is in the version's record: it holds no id and no time"
WORKSPACE = "paths and words about the workspace; it holds no id and no time"
COMPARED = "a difference between two contents: it holds no id and no time"
CONTENT = "what lies in files, with digests in hex; it holds no time"
COUNTS = "counts and sizes: it holds no id and no time"
JUDGED = "what was judged, in words: it holds no id and no time"
LAZY = "reads when it is asked, and holds what it reads from; what it answers is numbers and names"
SPOKEN = "what is said to the person who waits: the caller may hand in their own"
SETTINGS = "text by key, read and written: it holds no id and no time"

SHARED: dict[type, str] = {
    mvc.Component: RECORDED,
    mvc.SubPart: RECORDED,
    mvc.Provenance: RECORDED,
    mvc.Requirement: RECORDED,
    mvc.PathChange: WORKSPACE,
    mvc.PathRename: WORKSPACE,
    mvc.Check: WORKSPACE,
    mvc.IgnoreMatch: WORKSPACE,
    Config: SETTINGS,
    mvc.Remote: SETTINGS,
    mvc.Apart: COUNTS,
    mvc.ComponentCommit: COUNTS,
    mvc.CollectReport: COUNTS,
    mvc.OptimizeReport: COUNTS,
    mvc.StoreStats: COUNTS,
    OptimizeReport: COUNTS,
    mvc.DiskShares: COUNTS,
    mvc.Growth: COUNTS,
    mvc.ComponentUse: COUNTS,
    mvc.KeeperUse: COUNTS,
    mvc.PathUse: COUNTS,
    mvc.FormUse: COUNTS,
    mvc.Listed: CONTENT,
    mvc.PathEntry: CONTENT,
    mvc.Explained: CONTENT,
    card.CardFile: CONTENT,
    card.DataKind: CONTENT,
    card.DataTable: CONTENT,
    card.ModelNotes: CONTENT,
    ModuleSummary: CONTENT,
    card.NetworkSummary: CONTENT,
    card.WeightFile: CONTENT,
    mvc.FileChanges: COMPARED,
    mvc.ValueChange: COMPARED,
    mvc.ArchitectureChange: COMPARED,
    mvc.SourceChange: COMPARED,
    mvc.PackageChange: COMPARED,
    mvc.Layer: COMPARED,
    mvc.ModelChange: COMPARED,
    mvc.ModuleParameters: COMPARED,
    mvc.TensorChanges: COMPARED,
    mvc.Column: COMPARED,
    mvc.ColumnSummary: COMPARED,
    mvc.Table: COMPARED,
    mvc.DataChange: COMPARED,
    mvc.Overlap: COMPARED,
    mvc.NearOverlap: COMPARED,
    card.SplitOverlaps: COMPARED,
    mvc.TableChange: COMPARED,
    mvc.TensorStatistics: COMPARED,
    mvc.TensorForm: COMPARED,
    mvc.TensorDistribution: COMPARED,
    mvc.TensorDiff: LAZY,
    mvc.Weights: LAZY,
    mvc.Clash: JUDGED,
    mvc.CheckedRequirement: JUDGED,
    mvc.SignatureStatus: JUDGED,
    SignatureState: JUDGED,
    mvc.ChainReport: JUDGED,
    mvc.DeployProblem: JUDGED,
    mvc.RemoteReport: JUDGED,
    mvc.Monitor: SPOKEN,
    Waiting: SPOKEN,
}
"""Classes of the engine that are public on purpose, and why."""

SPECIAL = {"__call__", "__enter__", "__getitem__", "__init__", "__iter__"}


@cache
def names_of(module: str) -> dict[str, Any]:
    """What annotations there may speak of, with what is imported for them alone."""
    loaded = importlib.import_module(module)
    found = dict(vars(loaded))
    for node in ast.walk(ast.parse(inspect.getsource(loaded))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            imports = [one for one in node.body if isinstance(one, ast.ImportFrom)]
            exec(compile(ast.Module(list(imports), []), module, "exec"), found)
    return found


def types_in(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and not isinstance(hint, GenericAlias):
        yield hint
    for part in typing.get_args(hint):
        for one in part if isinstance(part, list) else [part]:
            yield from types_in(one)


def is_ours(thing: Any) -> bool:
    return getattr(thing, "__module__", "").partition(".")[0] in ("mvc", "mvcd")


def is_engines(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "mvcd"


def function_in(member: Any) -> Callable[..., Any] | None:
    if isinstance(member, (staticmethod, classmethod)):
        member = member.__func__
    elif isinstance(member, property):
        member = member.fget
    elif isinstance(member, cached_property):
        member = member.func
    return member if inspect.isfunction(member) and is_ours(member) else None


class Walk:
    """The classes that are reached, each with the way to it."""

    def __init__(self) -> None:
        self.found: dict[type, str] = {}

    def visit(self, thing: Any, way: str) -> None:
        if inspect.isfunction(thing) and is_ours(thing):
            self._function(thing, way, answers_only=False)
        elif isinstance(thing, type) and is_ours(thing) and thing not in self.found:
            self.found[thing] = way
            for kind in filter(is_ours, thing.__mro__):
                self._members(kind)

    def _members(self, kind: type) -> None:
        own = inspect.get_annotations(kind)
        known: dict[str, Any] = {}
        for base in filter(is_ours, reversed(kind.__mro__)):
            known |= names_of(base.__module__)
        hints = typing.get_type_hints(kind, globalns=known) if own else {}
        for name in own:
            if not name.startswith("_"):
                self._hint(hints[name], f"{kind.__name__}.{name}")
        shared = is_engines(kind) and not issubclass(kind, Exception)
        for name, member in vars(kind).items():
            function = function_in(member)
            if function is not None and (name in SPECIAL or not name.startswith("_")):
                self._function(function, f"{kind.__name__}.{name}", answers_only=shared)

    def _function(self, function: Callable[..., Any], way: str, *, answers_only: bool) -> None:
        hints = typing.get_type_hints(function, globalns=names_of(function.__module__))
        for name, hint in hints.items():
            if name == "return" or not (answers_only or name.startswith("_")):
                self._hint(hint, f"{way}({name})")

    def _hint(self, hint: Any, way: str) -> None:
        for kind in types_in(hint):
            self.visit(kind, way)


def imported_by_the_face() -> Iterator[tuple[str, str]]:
    for path in CLIENT.rglob("*.py"):
        if CLIENT / "api" in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mvc.api."):
                yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.fixture(scope="module")
def walked() -> Walk:
    walk = Walk()
    for name in mvc.__all__:
        walk.visit(getattr(mvc, name), name)
    for opened in (repo._OpenRepo, repo._OpenFile):  # what `Repo.open` and `repo.open` are
        walk.visit(opened, "open")
    for module, name in imported_by_the_face():
        walk.visit(names_of(module)[name], name)
    return walk


def test_the_engines_values_are_public_only_on_purpose(walked: Walk) -> None:
    leaked = {
        kind: way
        for kind, way in walked.found.items()
        if is_engines(kind)
        and not issubclass(kind, Exception)  # one tree, from the lowest layer to the face
        and kind not in SHARED
    }
    assert leaked == {}


def test_what_is_shared_is_still_public(walked: Walk) -> None:
    assert SHARED.keys() - walked.found.keys() == set()


def test_what_is_shared_holds_no_id_and_no_time(walked: Walk) -> None:
    """Ids would be bytes or classes that the walk finds; times end in `_us`."""
    raw = [
        f"{kind.__name__}.{name}: {text}"
        for kind in walked.found
        for name, text in inspect.get_annotations(kind).items()
        if not name.startswith("_") and ("bytes" in str(text) or name.endswith("_us"))
    ]
    assert raw == []


def test_the_walk_sees_what_is_hidden_in_types() -> None:
    walk = Walk()
    walk._hint(list[Callable[[mvc.Head], dict[str, Branch | None]]], "leak")
    assert {mvc.Head, Branch, VersionId} <= walk.found.keys()
    assert walk.found[VersionId] == "Branch.version"
