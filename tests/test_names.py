"""One word, one meaning: of classes, of modules, and of numbers, whose names end with what they count.

A class of `mvc.api` may have the name of the engine's class that it shows to people; no other two share a name.
Modules of different rooms may share one where the room says the rest; TWICE says which, and how they differ.
A module-level number ends with its unit, `MAX_LINE_BYTES`: nobody has to look up whether 64 is bytes,
seconds or files.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.support.modules import sources

SOURCES = sources()
ENGINE = {name for name in SOURCES if name.partition(".")[0] == "mvcd"}
API = {name for name in SOURCES if name.startswith("mvc.api")}

SAME_CLASS: Mapping[str, str] = {}
"""Classes of the engine that share a name, and why."""

# -------------------------------------------------------------------- classes


def classes(names: set[str]) -> dict[str, list[str]]:
    """The modules of each public class."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        for class_ in _public_classes(name):
            found[class_].append(name)
    return found


@cache
def _public_classes(module: str) -> tuple[str, ...]:
    """Those of one module. Its tree is let go of: all trees together are a million objects, 150 MB, in the way
    of every fork and collection of a worker."""
    body = ast.parse(SOURCES[module].read_text()).body
    return tuple(n.name for n in body if isinstance(n, ast.ClassDef) and n.name[0] != "_")


def test_no_two_classes_of_the_engine_share_a_name() -> None:
    twice = {name: where for name, where in classes(ENGINE).items() if len(where) > 1}
    assert twice.keys() == SAME_CLASS.keys(), twice


def test_no_two_classes_of_the_client_share_a_name_and_only_its_api_repeats_the_engines() -> None:
    client = classes(SOURCES.keys() - ENGINE)
    assert {name: where for name, where in client.items() if len(where) > 1} == {}
    beside_api = classes(SOURCES.keys() - ENGINE - API)
    assert beside_api.keys() & classes(ENGINE).keys() == set()


# -------------------------------------------------------------------- modules

TWICE = {
    "addresses": "of remotes, by their names; of buckets",
    "backup": "of a store; of a whole server, which is its stores and its accounts",
    "config": "the daemon's places and settings; the settings of a repository",
    "host": "what serves repositories to callers: the interface, and a team's",
    "ids": "digests; how a message packs them",
    "limits": "of saving by itself; of the protocol",
    "lock": "one server a directory; one verb a workspace",
    "peer": "the other side of a transfer, as an interface; the program that is one",
    "probe": "whether a server is well; whether a bucket can hold a repository",
    "promotion": "the record of one; the verb that makes it",
    "pushing": "`push`; pushes after automatic saves, which run it",
    "reader": "of objects; of captures, which is a program",
    "reading": "of files that must hold still; of captures, by that program",
    "refs": "their names; their rows",
    "repair": "of a store; of a repository",
    "status": "of a workspace; of a call, which gRPC calls so",
    "tensors": "of a file's content; read from what is stored",
    "tree": "of hash-cut nodes; of a query",
    "walk": "through history; through what a version reaches",
}
"""Modules of the engine that share a name, and what each is."""


def test_modules_of_one_name_are_tabled() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for name in sorted(ENGINE):
        if SOURCES[name].name not in ("__init__.py", "__main__.py"):
            where[name.rpartition(".")[2]].append(name)
    assert {name for name, found in where.items() if len(found) > 1} == TWICE.keys()


# -------------------------------------------------------------------- numbers

UNITS = set(
    """BYTES KIB BITS MILLIBITS CHARACTERS COLUMNS CELLS LINES ROWS PIXELS
    SECONDS DAYS US NS
    FILES PATHS NAMES DIRECTORIES PARTS PLACES ENTRIES TABLES PAGES
    OBJECTS CHUNKS PACKS STATES FRAMES IDS KEYS VALUES ITEMS NODES ELEMENTS BLOCKS RUNS TIERS LANES
    VERSIONS PARENTS CHILDREN COMPONENTS CONDITIONS CONTEXTS REQUIREMENTS SIGNATURES REFS HARMS SHARDS
    XORBS SESSIONS STORES
    TENSORS MODELS MODULES METRICS NETWORKS PACKAGES DIMENSIONS LEVELS FEATURES FLOWERS ITERATIONS
    SETS SAMPLES CAPTURES SAVES REPORTED CONNECTIONS CALLS CLIENTS UPLOADS STREAMS WALKS PUTS REFUSALS
    PROCESSES THREADS HEAPS ROOMS READERS HOLDERS DESCRIPTORS
    ATTEMPTS ROUNDS VISITS OPCODES FIELDS SEPARATORS LOOKUPS TIMES SHARE""".split()
)
"""What numbers count or measure. `_SHARE` is of 1; `_TIMES` is a factor."""
RATIO = re.compile(r"_PER_(CENT|MILLE|SECOND)$")
PATTERN = re.compile(r"-?0[xob]")
"""Numbers written in base 16, 8 or 2 are bit patterns and magic numbers, which measure nothing."""
NUMBERED = re.compile(r"(^|_)(FORMAT|VERSION|PROTOCOL|SCHEMA|EDITION|FLAG|MASK)(_|\d*$)")
"""Formats, protocols and flags are numbered, not measured."""
MEASURES_NOTHING = {
    "mvc.api.runs": "TIMED_OUT",
    "mvc.cli.errors": "OK FAILURE USAGE PARTIAL INTERRUPTED BROKEN_PIPE",
    "mvc.cli.commands.demo": "_CARD_AT",
    "mvc.demo.network": "_FIRST_GAIN",
    "mvc.cli.screens.diff.data": "_WHOLE",
    "mvcd.chunking.cut": "PROPOSAL_LIMIT",
    "mvcd.codec.decode": "PLANE_RAW PLANE_FILL PLANE_ZSTD PLANE_TIERS",
    "mvcd.codec.alone": "SMALL_LEVEL",
    "mvcd.codec.planes": "ONE HALF_OVER_LN2",
    "mvcd.codec.rans": "SCALE LOW",
    "mvcd.daemon.claims": "NOTHING_NEW",
    "mvcd.daemon.lengths": "_OPEN_FOR_WRITING",
    "mvcd.daemon.origins": "_FROM_THE_START",
    "mvcd.daemon.priority": "NICE _BEST_EFFORT _WHO_PROCESS",
    "mvcd.daemon.starting": "BUSY",
    "mvcd.disk.exchange": "_AT_FDCWD _RENAME_EXCHANGE _RENAME_SWAP",
    "mvcd.inspect.statistics": "_SMALLEST",
    "mvcd.inspect.flatten": "_INT64",
    "mvcd.inspect.parquetfooter": "_BYTE_ARRAY",
    "mvcd.inspect.zipmembers": "_STORED _DEFLATED",
    "mvcd.objects.canonical": "U64_MAX",
    "mvcd.repo.history.query.parse": "_INT64",
    "mvcd.wire.address": "PROXY_PORT",
    "mvcd.repo.ondisk.reading": "_CHANGED",
    "mvcd.store.record": "HAS_BASE",
    "mvcd.store.writers": "SEALED",
    "mvcd.wire.carriers": "_LENGTH_DELIMITED",
}
"""Exit codes, tags of formats, numbers of system calls, levels of zstd, marks, ends of integer types."""


def numbers(text: str) -> Iterator[tuple[str, str]]:
    """Names of module-level ints and floats, with the source of their values. One that is made from others
    counts, `10 * MAX_ROWS`, unless a call or a subscript makes it: of these the type is not to be seen."""
    for node in ast.parse(text).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if not isinstance(target, ast.Name) or not isinstance(value, ast.expr):
            continue
        if re.fullmatch(r"_?[A-Z][A-Z0-9_]*", target.id) and _number(value):
            yield target.id, ast.get_source_segment(text, value) or ""


def _number(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return _number(value.left) or _number(value.right)
    if isinstance(value, ast.UnaryOp):
        return _number(value.operand)
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)


def measured(name: str, source: str) -> bool:
    """Whether a number must end with a unit."""
    return not (PATTERN.match(source) or NUMBERED.search(name))


def has_unit(name: str) -> bool:
    return name.rpartition("_")[2] in UNITS or bool(RATIO.search(name))


@pytest.mark.parametrize("tree", ["mvcd", "mvc"])
def test_numbers_end_with_their_unit(tree: str) -> None:
    wrong = []
    for module, path in SOURCES.items():
        if module.partition(".")[0] == tree:
            told = MEASURES_NOTHING.get(module, "").split()
            wrong += [
                f"{module}.{name}"
                for name, source in numbers(path.read_text())
                if measured(name, source) and not has_unit(name) and name not in told
            ]
    assert wrong == []


def test_what_measures_nothing_is_there() -> None:
    for module, names in MEASURES_NOTHING.items():
        there = {name for name, _ in numbers(SOURCES[module].read_text())}
        assert set(names.split()) - there == set(), module


def test_the_rule_catches_what_it_is_for() -> None:
    text = """
LEAST = 64
SETTLE: Final = 2.0
LINE_BYTES = 1 << 20
TENTH = 10 * MAX_ROWS
_FICLONE = 0x40049409
FORMAT_VERSION = 1
FLAG_FLOATS = 1
READY = True
NAMES = frozenset(["a"])
PAIRS = SIZE * len(NAMES)
half = 0.5
DEAD_SHARE = 0.3
PAYS_PER_CENT = 108
"""
    told = [name for name, source in numbers(text) if measured(name, source) and not has_unit(name)]
    assert told == ["LEAST", "SETTLE", "TENTH"]
