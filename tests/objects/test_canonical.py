"""A value has one form; all other bytes are refused, and with no other error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import CorruptObject
from mvcd.ids import ChunkId
from mvcd.objects.canonical import MAX_OBJECT_BYTES, decode, encode, split_ids
from mvcd.objects.chunklist import CHUNK_LIST
from mvcd.objects.entry import PATH_MAP
from mvcd.objects.recipe import Recipe
from mvcd.objects.v1 import objects_pb2 as pb
from mvcd.objects.version import Version
from tests.objects.reference import (
    chunk_leaf,
    data,
    entry,
    number,
    packed,
    recipe,
    some_id,
    varint,
    version,
)

LEAF = chunk_leaf([(some_id(0), 300), (some_id(1), 7)])
ENTRY = entry(("a", 1, 5, some_id(2)))

NOT_CANONICAL = {
    "unknown field": (pb.ChunkLeaf, LEAF + number(9, 1)),
    "unknown field inside": (pb.Node, data(1, LEAF + data(9, b"x"))),
    "explicit default": (pb.Entry, data(1, "a") + number(3, 0, always=True) + data(4, some_id(2))),
    "explicit default enum": (pb.Entry, data(1, "a") + number(2, 0, always=True)),
    "empty bytes written": (pb.ChunkLeaf, data(1, b"", always=True)),
    "unpacked list": (pb.ChunkLeaf, data(1, some_id(0)) + number(2, 300)),
    "list in two packs": (pb.ChunkLeaf, data(1, bytes(64)) + packed(2, [3]) + packed(2, [4])),
    "descending fields": (pb.Entry, number(3, 5) + data(1, "a")),
    "field twice": (pb.Entry, data(1, "a") + data(1, "a")),
    "two of a oneof": (pb.Segment, data(2, b"x") + data(3, LEAF)),
    "overlong number": (pb.Entry, varint(3 << 3) + b"\x85\x00"),
    "overlong length": (pb.Entry, varint(1 << 3 | 2) + b"\x81\x00a"),
    "overlong tag": (pb.Entry, b"\x8a\x00\x01a"),
    "number beyond 32 bits": (pb.ChunkBranch, number(1, 1 << 32 | 1)),
    "bool other than 1": (pb.Provenance, number(2, 2)),
    "path not UTF-8": (pb.Entry, data(1, b"\xff")),
    "path with a surrogate": (pb.Entry, data(1, b"\xed\xa0\x80")),
    "truncated": (pb.Entry, ENTRY[:-1]),
    "trailing zero": (pb.Entry, ENTRY + b"\0"),
}


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_refuses_other_forms(name: str) -> None:
    message_type, raw = NOT_CANONICAL[name]
    with pytest.raises(CorruptObject) as caught:
        decode(message_type, raw)
    assert caught.value.cause and caught.value.help


def test_reads_what_it_writes() -> None:
    assert encode(decode(pb.Entry, ENTRY)) == ENTRY
    assert encode(decode(pb.ChunkLeaf, LEAF)) == LEAF


def test_size_limit() -> None:
    fits = pb.Version(message="m" * (MAX_OBJECT_BYTES - 4))
    assert len(encode(fits)) == MAX_OBJECT_BYTES
    assert decode(pb.Version, encode(fits)) == fits
    fits.message += "m"
    with pytest.raises(ValueError, match="1048577"):
        encode(fits)
    with pytest.raises(CorruptObject) as caught:
        decode(pb.Version, fits.SerializeToString())
    assert "1048577" in str(caught.value.cause)


def test_split_ids() -> None:
    ids = split_ids(ChunkId, some_id(0) + some_id(1))
    assert ids == [some_id(0), some_id(1)]
    assert all(type(one) is ChunkId for one in ids)
    assert split_ids(ChunkId, b"") == []
    with pytest.raises(ValueError, match="65"):
        split_ids(ChunkId, bytes(65))


# ---------------------------------------------------------------- damaged objects of every kind

BRANCH = number(1, 1) + data(2, some_id(3) + some_id(4))
OBJECTS = {
    "recipe": recipe(
        {
            "size": 405,
            "format": "safetensors",
            "segments": [
                {"literal": "00" * 5},
                {
                    "tensor": {"name": "w", "dtype": "F32", "shape": [10, 10]},
                    "chunks": [[some_id(0).hex(), 300], [some_id(1).hex(), 100]],
                },
            ],
        }
    ),
    "chunk leaf": data(1, LEAF),
    "chunk branch": data(2, BRANCH + packed(3, [900, 7]) + packed(4, [20, 5])),
    "entry leaf": data(3, data(1, ENTRY) + data(1, entry(("b/c", 0, 0, some_id(5))))),
    "entry branch": data(
        4, BRANCH + data(3, "a") + data(3, "b/c") + packed(4, [9, 1]) + packed(5, [2, 3])
    ),
    "version": version(
        {
            "parents": [some_id(0).hex()],
            "generation": 2,
            "components": {"weights": [some_id(1).hex(), 3, 1000]},
            "author": "A <a@b>",
            "time_us": -5,
            "utc_offset_minutes": 60,
            "message": "m",
            "trigger": "import",
            "hyperparameters": {"a": 0.5, "b": None, "c": True, "d": -7, "e": "x"},
            "metrics": {"loss": 1.0},
            "provenance": None,
            "tracked": ["a", "b"],
        }
    ),
}


def read_and_write(kind: str, raw: bytes) -> bytes:
    """Decodes to a value and encodes that again."""
    if kind == "recipe":
        return Recipe.decode(raw).encode()
    if kind == "version":
        return Version.decode(raw).encode()
    if kind.startswith("chunk"):
        chunks = CHUNK_LIST.decode(raw)
        if chunks.level:
            return CHUNK_LIST.encode_branch(chunks.level, chunks.children)
        return CHUNK_LIST.encode_leaf(chunks.items)
    entries = PATH_MAP.decode(raw)
    if entries.level:
        return PATH_MAP.encode_branch(entries.level, entries.children)
    return PATH_MAP.encode_leaf(entries.items)


@pytest.mark.parametrize("kind", OBJECTS)
def test_sound_objects_pass(kind: str) -> None:
    assert read_and_write(kind, OBJECTS[kind]) == OBJECTS[kind]


@pytest.mark.parametrize("kind", OBJECTS)
def test_truncated_objects_are_refused(kind: str) -> None:
    for end in range(len(OBJECTS[kind])):
        if kind == "version" and not end:
            continue  # no bytes are the empty version
        if kind == "recipe" and not end:
            continue  # and the recipe of an empty file
        try:
            again = read_and_write(kind, OBJECTS[kind][:end])
        except CorruptObject:
            continue
        # A cut between fields may leave another sound object, never this one.
        assert again == OBJECTS[kind][:end]


@pytest.mark.parametrize("kind", OBJECTS)
@settings(deadline=None)
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3), st.integers(0, 3)), max_size=3)
)
def test_whatever_is_read_would_be_written_so(
    kind: str, edits: list[tuple[float, bytes, int]]
) -> None:
    raw = OBJECTS[kind]
    for place, put, drop in edits:
        at = int(place * len(raw))
        raw = raw[:at] + put + raw[at + drop :]
    try:
        again = read_and_write(kind, raw)
    except CorruptObject:
        assert raw != OBJECTS[kind]
    else:
        assert again == raw


@pytest.mark.parametrize("kind", OBJECTS)
@settings(deadline=None)
@given(raw=st.binary(max_size=80))
def test_garbage(kind: str, raw: bytes) -> None:
    try:
        again = read_and_write(kind, raw)
    except CorruptObject:
        return
    assert again == raw
