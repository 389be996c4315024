from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import CorruptObject, Failure
from mvcd.ids import NodeId
from mvcd.objects.canonical import encode
from mvcd.objects.closure import require_allowed
from mvcd.objects.entry import MAX_PATH_BYTES, PATH_MAP, check_known_path, check_path
from mvcd.objects.manifest import ManifestBuilder
from mvcd.objects.reserved import is_doubtful, reserved
from mvcd.objects.v1 import objects_pb2 as pb

RESERVED_PATHS = [
    "a/.mvc",
    "sub/.mvc/config.toml",
    "a/b/.MVC/x",
    ".git",
    ".git/config",
    "sub/.Git/hooks/x",
    ".mvc ",
    "a/.mvc.. . /x",
    "a/.git...",
    ".mvc::$INDEX_ALLOCATION/config.toml",
    "a/.mvc:stream",
    "MVC~1/config.toml",
    "a/git~1",
    "a/mvc~4",
    "a/mvc~1 .",
    "a/mvc~1:x",
    "a\\.mvc\\config.toml",
    ".mvc\\config.toml",
    "a/.m\u200cvc/config.toml",
    "a/\ufeff.git/x",
    "a/.mvc\u00ad",
    "a/\u2024mvc",
    "a/\uff0e\uff4d\uff56\uff43/config.toml",
    "a/.\u217f\u2174c",
]
"""What some file system takes for `.mvc` or `.git`, at some depth."""

LEGAL = [
    "a",
    "a/b.c",
    "...",
    "a/...",
    ".hidden",
    "a/.hidden/x",
    "..a/b..",
    ".mvcignore",
    ".mvcx/y",
    "mvc/.gitignore",
    "a/.gitmodules",
    ".git-x",
    "mvc~x",
    "mvc~10",
    "x~1",
    "a\\b~1",
    "ümvc/g\u0131t",
    "données/été 1.csv",
    "a\\b",
    "new\nline",
    " ",
    "~",
    "-rf",
    "C:",
    "🙂" * 1024,
    "x" * MAX_PATH_BYTES,
]

ILLEGAL = [
    "",
    ".",
    "..",
    "/",
    "/a",
    "a/",
    "a//b",
    "./a",
    "../a",
    "a/.",
    "a/..",
    "a/./b",
    "a/../b",
    "a/b/..",
    "a\0b",
    ".mvc",
    ".mvc/store",
    ".MVC/x",
    ".mVc",
    *RESERVED_PATHS,
    "a\udc80b",
    "x" * (MAX_PATH_BYTES + 1),
    "🙂" * 1025,
]


@pytest.mark.parametrize("path", LEGAL, ids=ascii)
def test_legal_paths(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize("path", ILLEGAL, ids=ascii)
def test_illegal_paths(path: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_path(path)
    line = str(caught.value)
    assert "path" in line and "\n" not in line and len(line) < 200
    line.encode()  # the message itself can be shown


@pytest.mark.parametrize("path", RESERVED_PATHS, ids=ascii)
def test_versions_that_held_reserved_names_below_the_root_stay_readable(path: str) -> None:
    """Written before those were refused: log and diff must open them."""
    below = f"before/{path}"
    check_known_path(below)
    node = PATH_MAP.decode(encode(leaf(entry(below))))
    assert node.items[0].path == below
    with pytest.raises(Failure, match="a version there holds") as caught:
        require_allowed(NodeId(bytes(32)), node)
    assert caught.value.kind == "reserved-path"
    with pytest.raises(ValueError, match="repository's own"):
        ManifestBuilder(lambda *_: None).add(node.items[0])


@given(st.text())
def test_whoever_looks_quickly_misses_nothing(path: str) -> None:
    assert reserved(path) is None or is_doubtful(path)


def entry(path: str = "a", **fields: Any) -> pb.Entry:
    return pb.Entry(**{"path": path, "recipe": bytes(32), **fields})


def leaf(*entries: pb.Entry) -> pb.Node:
    return pb.Node(entry_leaf=pb.EntryLeaf(entries=entries))


def branch(**fields: Any) -> pb.Node:
    sound = {
        "level": 1,
        "ids": bytes(64),
        "last_paths": ["a", "b"],
        "sizes": [0, 9],
        "counts": [2, 9],
    }
    return pb.Node(entry_branch=pb.EntryBranch(**{**sound, **fields}))


def test_legal_limits_pass() -> None:
    assert len(PATH_MAP.decode(encode(leaf(*[entry(f"{i:04}") for i in range(768)]))).items) == 768
    assert PATH_MAP.decode(encode(branch(level=32))).children[0].size == 0
    # U+E000 sorts before U+1F642 in UTF-8 and by code point, though not in UTF-16
    assert len(PATH_MAP.decode(encode(leaf(entry("\ue000"), entry("🙂")))).items) == 2


NODES = {
    "no body": pb.Node(),
    "no entries": leaf(),
    "illegal path": leaf(entry("../x")),
    "same path": leaf(entry("a"), entry("a")),
    "descending": leaf(entry("b"), entry("a")),
    "mode": leaf(entry(mode=3)),
    "negative mode": leaf(entry(mode=-1)),
    "no recipe": leaf(entry(recipe=b"")),
    "torn recipe": leaf(entry(recipe=bytes(33))),
    "size sum": leaf(entry("a", size=2**64 - 1), entry("b", size=1)),
    "too many entries": leaf(*[entry(f"{i:04}") for i in range(769)]),
    "branch on level 0": branch(level=0),
    "branch too high": branch(level=33),
    "no children": branch(ids=b"", last_paths=[], sizes=[], counts=[]),
    "torn child": branch(ids=bytes(63)),
    "child without path": branch(last_paths=["a"]),
    "child without size": branch(sizes=[1]),
    "child without entries": branch(counts=[0, 1]),
    "count sum": branch(counts=[2**64 - 1, 1]),
    "last paths descend": branch(last_paths=["b", "a"]),
    "illegal last path": branch(last_paths=["a", "b/"]),
    "too many children": branch(
        ids=bytes(32 * 769),
        last_paths=[f"{i:04}" for i in range(769)],
        sizes=[1] * 769,
        counts=[1] * 769,
    ),
    "a chunk list": pb.Node(chunk_leaf=pb.ChunkLeaf(ids=bytes(32), sizes=[1])),
}


@pytest.mark.parametrize("name", NODES)
def test_illegal_nodes_are_refused(name: str) -> None:
    with pytest.raises(CorruptObject):
        PATH_MAP.decode(encode(NODES[name]))
