"""Nodes of chunk lists: what is refused, and seeking."""

from __future__ import annotations

from typing import Any

import pytest

from mvcd.errors import CorruptObject
from mvcd.objects.canonical import encode
from mvcd.objects.chunklist import CHUNK_LIST, MAX_CHUNK_BYTES
from mvcd.objects.v1 import objects_pb2 as pb


def branch(**fields: Any) -> pb.Node:
    sound = {"level": 1, "ids": bytes(64), "sizes": [500, 9], "counts": [2, 9]}
    return pb.Node(chunk_branch=pb.ChunkBranch(**{**sound, **fields}))


def leaf(ids: int, sizes: list[int]) -> pb.Node:
    return pb.Node(chunk_leaf=pb.ChunkLeaf(ids=bytes(ids), sizes=sizes))


def test_legal_limits_pass() -> None:
    assert CHUNK_LIST.decode(encode(leaf(64, [1, MAX_CHUNK_BYTES]))).items[1][1] == MAX_CHUNK_BYTES
    assert len(CHUNK_LIST.decode(encode(leaf(32 * 2048, [1] * 2048))).items) == 2048
    assert CHUNK_LIST.decode(encode(branch(level=32))).level == 32
    assert (
        len(CHUNK_LIST.decode(encode(branch(ids=bytes(32), sizes=[9], counts=[9]))).children) == 1
    )


ILLEGAL = {
    "no body": pb.Node(),
    "no chunks": leaf(0, []),
    "torn id": leaf(63, [1, 1]),
    "size missing": leaf(64, [1]),
    "id missing": leaf(32, [1, 1]),
    "empty chunk": leaf(64, [1, 0]),
    "huge chunk": leaf(32, [MAX_CHUNK_BYTES + 1]),
    "too many chunks": leaf(32 * 2049, [1] * 2049),
    "branch on level 0": branch(level=0),
    "branch too high": branch(level=33),
    "no children": branch(ids=b"", sizes=[], counts=[]),
    "torn child": branch(ids=bytes(65)),
    "child without size": branch(sizes=[500]),
    "child without count": branch(counts=[2]),
    "child without chunks": branch(counts=[0, 9]),
    "more chunks than bytes": branch(counts=[2, 10]),
    "size sum": branch(sizes=[2**64 - 1, 9]),
    "too many children": branch(ids=bytes(32 * 2049), sizes=[1] * 2049, counts=[1] * 2049),
    "a manifest": pb.Node(entry_leaf=pb.EntryLeaf(entries=[pb.Entry(path="a", recipe=bytes(32))])),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_nodes_are_refused(name: str) -> None:
    with pytest.raises(CorruptObject):
        CHUNK_LIST.decode(encode(ILLEGAL[name]))
