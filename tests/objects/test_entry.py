from __future__ import annotations

from typing import Any

import pytest

from mvcd.errors import CorruptObject
from mvcd.objects.canonical import encode
from mvcd.objects.entry import MAX_PATH_BYTES, PATH_MAP, check_path
from mvcd.objects.v1 import objects_pb2 as pb

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
    "a/.mvc",
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
