"""Files of a version, written while its content is fetched: large ones here, small ones in early_tree.py.

Who fetches checks every chunk as it comes, and so has its bytes at hand. Written to its file at that moment it
need not be read, decoded and hashed a second time, and the disk works while the line does: a clone of 2 GiB
took 10 s and takes 4. Where a chunk belongs is known before it is asked for, since what names it was opened.

All this is a gain and never a promise. A checkout walks the recipe of each file that is not complete, and
writes what is not written yet (staging.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from mvcd.disk.room import free_bytes
from mvcd.disk.writeback import SyncFailed, WriteBack
from mvcd.ids import ChunkId, Digest, NodeId, RecipeId, VersionId
from mvcd.objects.chunklist import Chunk
from mvcd.objects.closure import Opened
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import ChunkRun, Recipe, TreeRef
from mvcd.objects.tree import Node
from mvcd.objects.version import Version
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.writing import create, write_pieces
from mvcd.repo.restore.early_home import Home
from mvcd.repo.restore.early_tree import EarlyTree
from mvcd.store.frames import CheckedRecord

LEAST_BYTES = 4 << 20
"""Bytes of a file that is worth it."""
MOST_FILES = 128
"""Each is open."""
MOST_BYTES = 16 << 30
"""Most bytes of files together: what is remembered of their chunks takes about 60 MiB."""
MOST_PLACES = 1 << 19
"""Most places of chunks and of their lists; 16 GiB have 260,000."""


@dataclass(frozen=True, slots=True)
class Early:
    """A file at `path` that has these chunks at these offsets already."""

    path: str
    written: Mapping[int, ChunkId]


@dataclass(frozen=True, slots=True)
class Begun:
    """What is on disk of a version's files before its checkout."""

    large: Mapping[Entry, Early] = field(default_factory=dict)
    small: Mapping[Entry, FileStat] = field(default_factory=dict)
    """Complete, at their paths in `tree`, which holds nothing else."""
    tree: str = ""


@dataclass(slots=True)
class _File:
    entry: Entry
    path: str
    descriptor: int
    written: dict[int, ChunkId] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where `size` bytes of a file belong."""

    file: _File
    offset: int
    size: int


class EarlyFiles:
    """Files of version `id` (None: of none), in a directory of their own inside `parent` that goes with them.

    One thread calls `opened`, any may call `arrived`.
    """

    def __init__(self, parent: str, id: VersionId | None) -> None:
        self._id = id
        self._home = Home(parent)
        self._lists: set[NodeId] = set()
        self._entries: dict[RecipeId, list[Entry]] = {}
        self._places: dict[Digest, list[_Place]] = {}  # of chunks, and of nodes of their lists
        self._files: list[_File] = []
        self._room = MOST_BYTES
        self._remembered = 0
        self._lock = threading.Lock()
        self._write_back = WriteBack()
        self._failed = False
        self._tree = EarlyTree(lambda: self._home.path)

    def opened(self, id: Digest, opened: Opened) -> None:
        """An object that is not a chunk, after what names it."""
        match opened:
            case Version(components=components) if id == self._id:
                for component in components.values():
                    if component.root:
                        self._lists.add(component.root)
            case Recipe() if isinstance(id, RecipeId) and id in self._entries:
                entries = self._entries.pop(id)
                if entries[0].size < LEAST_BYTES:
                    self._tree.opened(opened, entries)
                else:
                    right = [entry for entry in entries if entry.size == opened.size]
                    files = [file for entry in right if (file := self._begin(entry))]
                    self._open_recipe(opened, files)
            case Node() if isinstance(id, NodeId) and id in self._lists:
                self._lists.remove(id)
                self._open_list(opened)
            case Node() if id in self._places:
                self._open_chunks(opened, self._places.pop(id))

    def arrived(self, objects: Sequence[CheckedRecord]) -> None:
        self._tree.arrived(objects)
        found: dict[int, list[tuple[_Place, CheckedRecord]]] = {}
        for one in objects:
            id = one.record.id
            for place in self._places.pop(id, ()) if isinstance(id, ChunkId) else ():
                if place.size == len(one.raw):
                    found.setdefault(place.file.descriptor, []).append((place, one))
        for pieces in found.values():
            self._write(pieces)

    def ready(self) -> Begun:
        """What was written; nothing is any more."""
        self._end()
        if self._failed or self._tree.failed:
            return Begun()
        large = {f.entry: Early(f.path, f.written) for f in self._files if f.written}
        return Begun(large, self._tree.made, self._tree.root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()
        self._home.remove()

    # ------------------------------------------------------------------ inside

    def _open_list(self, node: Node[Entry] | Node[Chunk]) -> None:
        self._lists.update(child.node for child in node.children)
        for entry in node.items:
            if not isinstance(entry, Entry):
                return  # a crafted list; the checkout says so
            regular = entry.mode is not Mode.SYMLINK
            if regular and (entry.size >= LEAST_BYTES or self._tree.wants(entry)):
                self._entries.setdefault(entry.recipe, []).append(entry)

    def _begin(self, entry: Entry) -> _File | None:
        if self._failed or entry.size > self._room or len(self._files) == MOST_FILES:
            return None
        free = free_bytes(self._home.parent)
        if free is not None and entry.size > free:
            return None  # the checkout says so
        try:
            path = os.path.join(self._home.path, str(len(self._files)))
            file = _File(entry, path, create(path, entry.mode))
        except OSError:
            self._failed = True
            return None
        self._files.append(file)
        self._room -= entry.size
        return file

    def _open_recipe(self, recipe: Recipe, files: Sequence[_File]) -> None:
        offset = 0
        for segment in recipe.segments:
            places = [_Place(file, offset, segment.size) for file in files]
            match segment.content:
                case ChunkRun(ids=ids, sizes=sizes):
                    self._expect(zip(ids, sizes, strict=True), places)
                case TreeRef(node=node, size=size):
                    self._expect([(node, size)], places)
            offset += segment.size

    def _open_chunks(self, node: Node[Entry] | Node[Chunk], places: Sequence[_Place]) -> None:
        children = [(child.node, child.size) for child in node.children]
        chunks = [item for item in node.items if not isinstance(item, Entry)]
        self._expect(children or chunks, places)

    def _expect(self, content: Iterable[tuple[Digest, int]], places: Sequence[_Place]) -> None:
        at = 0
        for id, size in content:
            self._remembered += len(places)
            if self._remembered > MOST_PLACES:
                self._failed = True  # lists that name the same again and again
                self._places.clear()
            if self._failed:
                return
            here = [_Place(place.file, place.offset + at, size) for place in places]
            self._places.setdefault(id, []).extend(here)
            at += size

    def _write(self, pieces: Sequence[tuple[_Place, CheckedRecord]]) -> None:
        """All of one file."""
        if self._failed:
            return
        file = pieces[0][0].file
        try:
            write_pieces(file.descriptor, [(place.offset, one.raw) for place, one in pieces])
            with self._lock:
                for place, one in pieces:
                    file.written[place.offset] = ChunkId(one.record.id)
                    self._write_back.wrote(file.descriptor, place.size)
        except (OSError, SyncFailed):
            self._failed = True  # the checkout meets it again and says what it is

    def _end(self) -> None:
        self._tree.end()
        self._places.clear()
        with self._lock:
            try:
                self._write_back.finish()
            except SyncFailed:  # told once: what is on disk may not be what was written
                self._failed = True
            self._write_back.close()
            for file in self._files:
                if file.descriptor >= 0:
                    os.close(file.descriptor)
                    file.descriptor = -1
