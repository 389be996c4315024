"""The project's own modules: which there are, what each imports and when, and what a package's map names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREES = ((ROOT, "mvcd"), (ROOT / "client", "mvc"))
GENERATED = ("_pb2.py", "_pb2_grpc.py")

Block = list[ast.Import | ast.ImportFrom]

_ENTRY = re.compile(r"(?:    )?([a-z_]\w*/?(?:, [a-z_]\w*/?)*) {2,}\S.*")
"""A line of a map: modules or packages (`name/`), joined by commas, at least two spaces, what they are for."""


@dataclass(frozen=True)
class Import:
    """One module imported by a statement. `late`: inside a function; `typing`: for type checkers only."""

    target: str
    line: int
    late: bool
    typing: bool


@lru_cache
def sources() -> Mapping[str, Path]:
    """Every module by its full name, generated ones left out."""
    found = {}
    for tree, package in TREES:
        for path in sorted((tree / package).rglob("*.py")):
            if not path.name.endswith(GENERATED):
                name = ".".join(path.relative_to(tree).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = path
    return found


def imports(name: str, text: str, *, is_package: bool, known: Mapping[str, Path]) -> list[Import]:
    """What a module imports of those that are known. That a package is imported before its modules, by Python
    itself, is left out: packages hold no imports that lead back."""
    package = name if is_package else name.rpartition(".")[0]
    return [
        Import(target, node.lineno, late, typing)
        for block, late, typing in _blocks(ast.parse(text).body)
        for node in block
        for target in _targets(node, package, known)
        if target in known and target != name
    ]


@lru_cache
def graph() -> Mapping[str, list[Import]]:
    """What each module imports."""
    known = sources()
    return {
        name: imports(name, path.read_text(), is_package=path.name == "__init__.py", known=known)
        for name, path in known.items()
    }


def knots(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Sets of modules each of which reaches all others: the strongly connected components of more than one.

    Tarjan, "Depth-first search and linear graph algorithms" (1972).
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in edges:
        if node not in index:
            visit(node)
    return found


def late_blocks(text: str) -> list[Block]:
    """Import statements inside functions, those that follow each other together."""
    return [block for block, late, _ in _blocks(ast.parse(text).body) if late]


def mapped(text: str) -> list[str]:
    """What the map in the docstring of a package names, packages with a final `/`."""
    docstring = ast.get_docstring(ast.parse(text)) or ""
    entries = (_ENTRY.fullmatch(line) for line in docstring.splitlines())
    return [name for entry in entries if entry for name in entry[1].split(", ")]


def contained(package: Path) -> set[str]:
    """What lies in the folder of a package: modules, kernels in C by their stubs, packages with a final `/`."""
    modules = {p.stem for p in package.glob("*.py") if not p.name.startswith("__")}
    kernels = {p.stem for p in package.glob("_*.pyi")}
    return modules | kernels | {f"{p.parent.name}/" for p in package.glob("*/__init__.py")}


def _blocks(
    statements: Sequence[ast.stmt], *, late: bool = False, typing: bool = False
) -> Iterator[tuple[Block, bool, bool]]:
    """Runs of import statements, with whether they are inside a function, and for type checkers only."""
    block: Block = []
    for each in statements:
        if isinstance(each, (ast.Import, ast.ImportFrom)):
            block.append(each)
            continue
        if block:
            yield block, late, typing
            block = []
        inside = late or isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
        guarded = isinstance(each, ast.If) and isinstance(each.test, ast.Name)
        types = guarded and each.test.id == "TYPE_CHECKING"  # type: ignore[attr-defined]
        yield from _blocks(getattr(each, "body", ()), late=inside, typing=typing or types)
        for handler in (*getattr(each, "handlers", ()), *getattr(each, "cases", ())):
            yield from _blocks(handler.body, late=inside, typing=typing)
        for name in ("orelse", "finalbody"):
            yield from _blocks(getattr(each, name, ()), late=inside, typing=typing)
    if block:
        yield block, late, typing


def _targets(node: ast.AST, package: str, known: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")
        above = above[: len(above) - node.level + 1] if node.level else []
        place = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            inner = f"{place}.{alias.name}"
            yield inner if inner in known else place
