"""Manifests that no honest program writes: any path, any mode, any order, at any depth of the tree of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from mvcd.ids import Digest, NodeId, RecipeId, VersionId
from mvcd.objects.canonical import encode
from mvcd.objects.entry import check_path
from mvcd.objects.manifest import ComponentRoot
from mvcd.objects.recipe import Recipe, literal_segment
from mvcd.objects.v1 import objects_pb2 as pb
from mvcd.objects.version import EMPTY, Component
from mvcd.store.api import Session, Store
from tests.store.objects import plain


@dataclass(frozen=True)
class Row:
    path: str
    mode: int = 0
    content: bytes = b"hostile"
    lie: int = 0
    """Bytes that the manifest says more than there are."""


SYMLINK = 2
NAMES = (
    "..", ".", "", "...", ".. ", "..\\..\\x", "a", "A", "a.", "a ", "con", "CON.txt", "NUL", "a:b", "a\\b",
    "C:", ".mvc", ".MVC", ".mvc ", ".mvc.", ".mv\u200cc", "MVC~1",
    ".mvc::$INDEX_ALLOCATION",
    ".mvc\\config.toml", ".git", "git~1", ".mvcignore", "\0", "a\0b", "\n", "\x1b[2J", "-rf", "*", "\u202etxt",
    "é", "e\u0301", "\ufeff", "ﬁ", "fi", "n" * 255, "n" * 256, "é" * 127, "é" * 128,
    "link", "file", "config.toml", "store", "lock",
)  # fmt: skip
PREFIXES = ("", "d/", "d/e/f/", "d/../", "link/", "file/", ".mvc/", "D/.MVC/", "/", "//", "d//", "x/" * 60,
            "y/" * 1500, "/etc/", "../outside/", "d/./", "{outside}/")  # fmt: skip
TARGETS = (
    "..", "/", "../..", "../outside", "{outside}", ".mvc", "d/../../outside", "x", "", "\0", "a/" * 3000,
    "link",
    ".mvc/config.toml", "./.mvc", "d/../.mvc",
)  # fmt: skip

_PATHS = st.builds(
    lambda prefix, name, suffix: prefix + name + suffix,
    st.sampled_from(PREFIXES),
    st.sampled_from(NAMES),
    st.sampled_from(("", "", "", "/", "/file", "/../../../outside/evil")),
)
_FILES = st.builds(
    Row, _PATHS, st.sampled_from((0, 0, 0, 1, 3, 77)), lie=st.sampled_from((0, 0, 0, 0, 1, 1 << 40))
)
_LINKS = st.builds(
    lambda path, target: Row(path, SYMLINK, target.encode()),
    st.one_of(st.sampled_from(("link", "d", "file", "d/link", "a")), _PATHS),
    st.sampled_from(TARGETS),
)
_PAIRS = st.sampled_from((
    (Row("a"), Row("A")),
    (Row("é"), Row("e\u0301")),
    (Row("d"), Row("d/file")),
    (Row("link", SYMLINK, b"../outside"), Row("link/evil")),
    (Row("link", SYMLINK, b"."), Row("link/.mvc/config.toml")),
    (Row("link", SYMLINK, b".mvc"), Row("link/config.toml")),
    (Row("d", SYMLINK, b"link"), Row("d/evil"), Row("link", SYMLINK, b"{outside}")),
    (Row("same"), Row("same", content=b"another")),
))  # fmt: skip


@dataclass(frozen=True)
class Tree:
    rows: tuple[Row, ...]
    ordered: bool
    levels: int
    """Branch nodes above the leaf, each with one child."""
    counts: int = 0
    """Files that the version says more than there are."""


_BLUNT = st.builds(
    lambda pair, rows, ordered, levels, counts: Tree((*pair, *rows), ordered, levels, counts),
    st.one_of(st.just(()), _PAIRS),
    st.lists(st.one_of(_FILES, _FILES, _LINKS), min_size=1, max_size=4),
    st.sampled_from((True, True, True, False)),
    st.sampled_from((0, 0, 0, 1, 2, 70)),
    st.sampled_from((0, 0, 0, 0, 1, -1)),
)


def _legal(path: str) -> bool:
    try:
        check_path(path)
    except ValueError:
        return False
    return True


_LEGAL = st.sampled_from(
    [prefix + name for prefix in ("", "d/", "link/", "d/e/f/") for name in NAMES if _legal(prefix + name)]
)  # fmt: skip
_SLY = st.builds(
    lambda pair, files, links: Tree((*pair, *files, *links), True, 0),
    st.one_of(st.just(()), st.just(()), _PAIRS),
    st.lists(st.builds(Row, _LEGAL, st.sampled_from((0, 1))), max_size=3),
    st.lists(
        st.builds(
            lambda path, target: Row(path, SYMLINK, target.encode()),
            st.one_of(st.sampled_from(("link", "d", "d/link")), _LEGAL),
            st.sampled_from([target for target in TARGETS if len(target) < 128]),
        ),
        min_size=1,
        max_size=2,
    ),
)
TREES = st.one_of(_BLUNT, _SLY)
"""Half of them break rules anywhere; the others keep to those of paths, and do harm if links are followed."""


def store_tree(
    store: Store, tree: Tree, outside: str, *, parent: VersionId | None = None
) -> VersionId:
    """A version of these rows, put where nobody looks what is in an object. `{outside}` stands for a place that
    none of it may reach."""
    rows = [_meaning(row, outside) for row in tree.rows]
    if tree.ordered:
        rows = list(
            {row.path: row for row in sorted(rows, key=lambda row: row.path.encode())}.values()
        )
    with store.session() as session:
        root = _manifest(session, rows, tree.levels)
        size = sum(len(row.content) + row.lie for row in rows)
        component = ComponentRoot(root, max(1, len(rows) + tree.counts), size)
        version = replace(
            EMPTY,
            components={**EMPTY.components, Component.DATA: component},
            parents=() if parent is None else (parent,),
            generation=1 if parent is None else 2,
            author="Mallory",
            tracked=(".",),
        )
        encoded = version.encode()
        id = VersionId.of(encoded)
        _put(session, id, encoded)
        session.commit()
    return id


def _meaning(row: Row, outside: str) -> Row:
    return replace(
        row,
        path=row.path.replace("{outside}", outside),
        content=row.content.replace(b"{outside}", outside.encode()),
    )


def _manifest(session: Session, rows: Sequence[Row], levels: int) -> NodeId:
    leaf = pb.Node()
    for row in rows:
        segments = (literal_segment(row.content[:128]),) if row.content else ()
        recipe = Recipe(len(row.content[:128]), "", segments).encode()
        _put(session, RecipeId.of(recipe), recipe)
        leaf.entry_leaf.entries.add(
            path=row.path,
            mode=row.mode,  # type: ignore[arg-type]
            size=len(row.content) + row.lie,
            recipe=RecipeId.of(recipe),
        )
    data = encode(leaf)
    root = NodeId.of(data)
    _put(session, root, data)
    size = sum(len(row.content) + row.lie for row in rows)
    for level in range(1, levels + 1):
        branch = pb.EntryBranch(
            level=level, ids=root, last_paths=[rows[-1].path], sizes=[size], counts=[len(rows)]
        )
        data = encode(pb.Node(entry_branch=branch))
        root = NodeId.of(data)
        _put(session, root, data)
    return root


def _put(session: Session, id: Digest, data: bytes) -> None:
    session.put(id, plain(data, id.kind)[1])
