"""What a power cut may leave on a disk, from the log of what a program did to it (faults.c).

Two models, after "All File Systems Are Not Created Equal" (Pillai et al., OSDI 2014), section 3:

    ordered   names change in the order in which they were changed, as ext4 does it with data=ordered: a sync
              of anything makes all changes of names before it durable, and a file grows from its front
    strict    what POSIX promises: the bytes of a file by a sync of that file, a name by a sync of its
              directory, in any order, and of anything else any part

In both what was written since the last sync is there in part, torn at 512 bytes and reordered. Two changes of
names in one directory by one rename happen together or not at all; between two directories they do not.
What a program writes through a shared map is garbage after a cut.
"""

from __future__ import annotations

import os
import random
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_HEAD = struct.Struct("<IIQQQqIIQ")
(CREATE, LINK, UNLINK, RENAME, WRITE, SIZE, SYNC, SYNC_DATA, SYNC_ALL, MAPPED, ALLOCATE) = range(
    1, 12
)


@dataclass(frozen=True)
class Record:
    operation: int
    durable: bool
    file: int
    directory: int
    other: int
    offset: int
    name: str
    other_name: str
    data: bytes


def records(log: Path) -> Iterator[Record]:
    data = log.read_bytes() if log.exists() else b""
    at = 0
    while at < len(data):
        operation, durable, file, directory, other, offset, one, two, size = _HEAD.unpack_from(
            data, at
        )
        at += _HEAD.size
        name, other_name = data[at : at + one], data[at + one : at + one + two]
        at += one + two
        payload = data[at : at + size]
        at += size
        yield Record(
            operation, bool(durable), file, directory, other, offset,
            os.fsdecode(name), os.fsdecode(other_name), payload,
        )  # fmt: skip


@dataclass(eq=False)
class Change:
    """Of a file's bytes: `data` at `offset`, or without data the length `offset`."""

    offset: int
    data: bytes | None
    durable: bool
    grows: bool = False  # a length that is given only if it is more


@dataclass(eq=False)
class Node:
    """A file, directory or link, with what happened to its bytes."""

    mode: int
    base: bytes = b""
    changes: list[Change] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)  # a directory's, before the first move
    mapped: bool = False

    def synced(self) -> None:
        for change in self.changes:
            change.durable = True


@dataclass(eq=False)
class Move:
    """Entries of one directory that change together."""

    directory: Node
    entries: dict[str, Node | None]
    durable: bool = False


@dataclass(frozen=True)
class Model:
    """`fate` of what no sync covered: "lost", "kept" or "mixed". Without `syncs` the disk lies."""

    ordered: bool
    fate: str
    syncs: bool = True


class Disk:
    """A directory as it was before the log began, and what happened to it since."""

    def __init__(self, root: Path) -> None:
        self.nodes: dict[int, Node] = {}
        self.moves: list[Move] = []
        self.root = self._scan(root)

    def _scan(self, path: Path) -> Node:
        status = path.lstat()
        node = self.nodes.setdefault(status.st_ino, Node(status.st_mode))
        if path.is_symlink():
            node.base = os.fsencode(os.readlink(path))
        elif path.is_dir():
            node.entries = {child.name: self._scan(child) for child in path.iterdir()}
        elif path.is_file():
            node.base = path.read_bytes()
        return node

    def apply(self, record: Record, model: Model) -> None:
        node = self.nodes.get(record.file)
        match record.operation:
            case o if o == CREATE:
                mode = record.offset if not record.data else stat.S_IFLNK
                node = self.nodes[record.file] = Node(mode or stat.S_IFDIR, record.data)
                self._move(record.directory, {record.name: node})
            case o if o == LINK:
                self._move(record.directory, {record.name: node})
            case o if o == UNLINK:
                self._move(record.directory, {record.name: None})
            case o if o == RENAME and record.directory == record.other:
                self._move(record.directory, {record.name: None, record.other_name: node})
            case o if o == RENAME:
                self._move(record.other, {record.other_name: node})
                self._move(record.directory, {record.name: None})
            case o if o == SYNC_ALL:
                for found in [*self.nodes.values()] if model.syncs else []:
                    self._sync(found, model)
            case o if node is not None:
                self._data(o, node, record, model)

    def _data(self, operation: int, node: Node, record: Record, model: Model) -> None:
        if operation in (SYNC, SYNC_DATA):
            if model.syncs:
                self._sync(node, model)
        elif operation == MAPPED:
            node.mapped = True
        else:
            data = record.data if operation == WRITE else None
            durable = record.durable and model.syncs
            node.changes.append(Change(record.offset, data, durable, operation == ALLOCATE))

    def _move(self, directory: int, entries: dict[str, Node | None]) -> None:
        self.moves.append(Move(self.nodes[directory], entries))

    def _sync(self, node: Node, model: Model) -> None:
        node.synced()
        for move in self.moves:
            if model.ordered or move.directory is node:
                move.durable = True

    # ---------------------------------------------------------------- what is left

    def leave(self, target: Path, model: Model, source: random.Random) -> None:
        """Makes `target` what a cut at this moment leaves."""
        entries = self._entries(model, source)
        made: dict[Node, Path] = {}

        def make(node: Node, path: Path) -> None:
            if stat.S_ISDIR(node.mode):
                path.mkdir(exist_ok=True)
                for name, child in entries.get(node, node.entries).items():
                    make(child, path / name)
            elif node in made:
                os.link(made[node], path, follow_symlinks=False)
            elif stat.S_ISLNK(node.mode):
                os.symlink(node.base, path)
            elif stat.S_ISREG(node.mode):
                path.write_bytes(_content(node, model, source))
                path.chmod(stat.S_IMODE(node.mode))
                made[node] = path

        make(self.root, target)

    def _entries(self, model: Model, source: random.Random) -> Mapping[Node, dict[str, Node]]:
        pending = [move for move in self.moves if not move.durable]
        kept = _survivors(pending, model, source)
        found: dict[Node, dict[str, Node]] = {}
        for move in self.moves:
            if move.durable or move in kept:
                names = found.setdefault(move.directory, dict(move.directory.entries))
                for name, node in move.entries.items():
                    if node is None:
                        names.pop(name, None)
                    else:
                        names[name] = node
        return found


def _survivors(pending: list[Move], model: Model, source: random.Random) -> set[Move]:
    if model.fate != "mixed":
        return set(pending if model.fate == "kept" else ())
    if model.ordered:
        return set(pending[: source.randint(0, len(pending))])
    share = source.choice((0.2, 0.5, 0.8))
    return {move for move in pending if source.random() < share}


def _content(node: Node, model: Model, source: random.Random) -> bytes:
    if node.mapped:
        return source.randbytes(len(_filled(node.base, node.changes)))
    if model.fate == "kept":
        return _filled(node.base, node.changes)
    durable = _filled(node.base, [c for c in node.changes if c.durable])
    if model.fate == "lost":
        return durable
    mixed = _filled(node.base, [part for c in node.changes for part in _torn(c, source)])
    if not model.ordered:
        return mixed
    whole = _filled(node.base, node.changes)
    end = len(durable)
    while end < len(whole) and source.random() < 0.7:
        end = min(len(whole), (end // SECTOR + source.choice((1, 1, 8, 1000))) * SECTOR)
    return (
        mixed[: len(durable)].ljust(min(len(durable), len(whole)), b"\0")
        + whole[len(durable) : end]
    )


def _filled(base: bytes, changes: list[Change]) -> bytes:
    data = bytearray(base)
    for change in changes:
        end = change.offset + len(change.data or b"")
        if end > len(data):
            data.extend(bytes(end - len(data)))
        if change.data is not None:
            data[change.offset : end] = change.data
        elif not change.grows:
            del data[end:]
    return bytes(data)


def _torn(change: Change, source: random.Random) -> Iterator[Change]:
    """The sectors of it that arrived."""
    if change.durable:
        yield change
        return
    share = source.choice((0.0, 0.3, 0.7, 1.0))
    if change.data is None:
        if source.random() < share:
            yield change
        return
    at = change.offset
    while at < change.offset + len(change.data):
        end = min((at // SECTOR + 1) * SECTOR, change.offset + len(change.data))
        if source.random() < share:
            yield Change(at, change.data[at - change.offset : end - change.offset], False)
        at = end
