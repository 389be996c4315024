"""The object formats once more, from proto/mvcd/objects/v1/objects.proto and TREE.md, as plainly as possible.

Nothing here is shared with `mvcd.objects`: messages are written by hand, trees level by level from
whole lists. The vectors in tests/vectors/objects.json were made with this.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

U64 = 1 << 64

# ---------------------------------------------------------------- protobuf's wire format


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def number(field: int, value: int, always: bool = False) -> bytes:
    return varint(field << 3) + varint(value) if value or always else b""


def signed(field: int, value: int, always: bool = False) -> bytes:
    return number(field, value * 2 if value >= 0 else -value * 2 - 1, always)


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def data(field: int, value: bytes | str, always: bool = False) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(raw)) + raw if raw or always else b""


def packed(field: int, values: Iterable[int]) -> bytes:
    return data(field, b"".join(map(varint, values)))


# ---------------------------------------------------------------- digests and inputs


def digest(kind: str, raw: bytes) -> bytes:
    return blake3(raw, derive_key_context=f"mvc 2026-11-23 {kind}").digest()


def some_id(number: int) -> bytes:
    """An id that nobody has content for: SHA-256 of the decimal digits."""
    return hashlib.sha256(b"%d" % number).digest()


# ---------------------------------------------------------------- trees


@dataclass(frozen=True)
class Name:
    """A node as its parent sees it."""

    id: bytes
    size: int
    count: int
    last: str


@dataclass(frozen=True)
class Tree:
    root: Name | None
    levels: int
    nodes: dict[bytes, bytes]


def ends(point: int, level: int, mean: int) -> bool:
    salt = level * 0xD1B54A32D192ED03 % U64
    return (point ^ salt) * 0x9E3779B97F4A7C15 % U64 < U64 // mean


def cut(
    entries: Sequence[Any], level: int, mean: int, key: Callable[[Any], bytes], path: bool
) -> list[list[Any]]:
    groups: list[list[Any]] = [[]]
    for entry in entries:
        if groups[-1] and is_full(groups[-1], level, mean, key, path):
            groups.append([])
        groups[-1].append(entry)
    return groups


def is_full(
    group: list[Any], level: int, mean: int, key: Callable[[Any], bytes], path: bool
) -> bool:
    last = key(group[-1])
    uniform = blake3(last).digest() if path else last
    return len(group) >= 2 and (
        ends(int.from_bytes(uniform[:8], "little"), level, mean)
        or len(group) == 8 * mean
        or (path and sum(len(key(entry)) for entry in group) >= 512 * 1024)  # ids never reach it
    )


def build(
    items: Sequence[Any],
    mean: int,
    key: Callable[[Any], bytes],
    path: bool,
    leaf: Callable[[list[Any]], tuple[bytes, int, str]],
    branch: Callable[[int, list[Name]], bytes],
) -> Tree:
    if not items:
        return Tree(None, 0, {})
    nodes: dict[bytes, bytes] = {}

    def keep(raw: bytes, size: int, count: int, last: str) -> Name:
        node = digest("node", raw)
        nodes[node] = raw
        return Name(node, size, count, last)

    row = []
    for group in cut(items, 0, mean, key, path):
        raw, size, last = leaf(group)
        row.append(keep(raw, size, len(group), last))
    level = 0
    while len(row) > 1:
        level += 1
        name_key: Callable[[Name], bytes] = (
            (lambda n: n.last.encode()) if path else (lambda n: n.id)
        )
        row = [
            keep(branch(level, g), sum(n.size for n in g), sum(n.count for n in g), g[-1].last)
            for g in cut(row, level, mean, name_key, path)
        ]
    return Tree(row[0], level + 1, nodes)


# ---------------------------------------------------------------- chunk lists and manifests


def chunk_leaf(chunks: Sequence[tuple[bytes, int]]) -> bytes:
    return data(1, b"".join(i for i, _ in chunks)) + packed(2, [size for _, size in chunks])


def chunk_tree(chunks: Sequence[tuple[bytes, int]]) -> Tree:
    return build(
        chunks,
        256,
        lambda chunk: chunk[0],
        False,
        lambda group: (data(1, chunk_leaf(group)), sum(size for _, size in group), ""),
        lambda level, names: data(
            2,
            number(1, level)
            + data(2, b"".join(n.id for n in names))
            + packed(3, [n.size for n in names])
            + packed(4, [n.count for n in names]),
        ),
    )


Row = tuple[str, int, int, bytes]
"""Path, mode, size, recipe."""


def entry(row: Row) -> bytes:
    return data(1, row[0]) + number(2, row[1]) + number(3, row[2]) + data(4, row[3])


def manifest(rows: Sequence[Row]) -> Tree:
    return build(
        rows,
        96,
        lambda row: row[0].encode(),
        True,
        lambda group: (
            data(3, b"".join(data(1, entry(row)) for row in group)),
            sum(row[2] for row in group),
            group[-1][0],
        ),
        lambda level, names: data(
            4,
            number(1, level)
            + data(2, b"".join(n.id for n in names))
            + b"".join(data(3, n.last) for n in names)
            + packed(4, [n.size for n in names])
            + packed(5, [n.count for n in names]),
        ),
    )


# ---------------------------------------------------------------- recipes and versions, from the vectors' JSON


def recipe(value: dict[str, Any]) -> bytes:
    out = number(1, value["size"]) + data(2, value["format"])
    for segment in value["segments"]:
        out += data(3, _tensor(segment.get("tensor")) + _content(segment), always=True)
    return out


def _tensor(value: dict[str, Any] | None) -> bytes:
    if value is None:
        return b""
    body = data(1, value["name"]) + data(2, value["dtype"]) + packed(3, value["shape"])
    return data(1, body, always=True)


def _content(segment: dict[str, Any]) -> bytes:
    if "literal" in segment:
        return data(2, bytes.fromhex(segment["literal"]), always=True)
    if "chunks" in segment:
        return data(3, chunk_leaf([(bytes.fromhex(i), size) for i, size in segment["chunks"]]))
    tree = segment["tree"]
    body = data(1, bytes.fromhex(tree["node"])) + number(2, tree["size"]) + number(3, tree["count"])
    return data(4, body)


COMPONENTS = ("architecture", "weights", "hyperparameters", "data", "results")
TRIGGERS = ("manual", "auto", "import", "rollback", "merge")


def version(value: dict[str, Any]) -> bytes:
    out = b"".join(data(1, bytes.fromhex(parent)) for parent in value["parents"])
    out += number(2, value["generation"])
    for field, component in enumerate(COMPONENTS, 3):
        if component in value["components"]:
            root, files, size = value["components"][component]
            out += data(field, data(1, bytes.fromhex(root)) + number(2, files) + number(3, size))
    out += data(8, value["author"]) + signed(9, value["time_us"])
    out += signed(10, value["utc_offset_minutes"]) + data(11, value["message"])
    out += number(12, TRIGGERS.index(value["trigger"]))
    for field, name in ((13, "hyperparameters"), (14, "metrics")):
        for key in sorted(value[name], key=str.encode):
            out += data(field, data(1, key) + _value(value[name][key]), always=True)
    provenance = value["provenance"]
    if provenance:
        body = data(1, provenance["git_commit"]) + number(2, provenance["git_dirty"])
        body += b"".join(data(3, word, always=True) for word in provenance["command"])
        body += data(4, provenance["host"]) + data(5, provenance["python"])
        out += data(15, body + data(6, provenance["packages_digest"]))
    return out + b"".join(data(16, path) for path in value["tracked"])


def _value(value: Any) -> bytes:
    match value:
        case None:
            return b""
        case bool():
            return number(5, value, always=True)
        case int():
            return signed(4, value, always=True)
        case float():
            return double(3, value)
        case _:
            return data(2, value, always=True)
