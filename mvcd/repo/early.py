"""The large files of a version, written while its content is fetched.

A clone checks every chunk as it comes, and so has its bytes at hand. Written to its file at that moment it
need not be read, decoded and hashed a second time, and the disk works while the line does. Where a chunk
belongs is known before it is asked for, since what names it was opened. All this is a gain and never a promise:
a file that did not become whole is checked out like any other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mvcd.ids import ChunkId, Digest, NodeId, RecipeId, VersionId
from mvcd.objects.canonical import decode
from mvcd.objects.chunklist import CHUNK_LIST
from mvcd.objects.entry import PATH_MAP, Entry, Mode
from mvcd.objects.recipe import ChunkRun, Recipe, TreeRef
from mvcd.objects.v1 import objects_pb2 as pb
from mvcd.objects.version import Version
from mvcd.repo.writing import create, write_all
from mvcd.store.frames import Checked
from mvcd.store.pack import WRITE_BACK_STEP, SyncFailed, WriteBack

LEAST = 4 << 20
"""Bytes of a file that is worth it."""
LEAST_MEAN = 256 << 10
"""Mean bytes of a component's files below which its list is not opened, which takes 5 us for each of them."""
MOST_FILES = 128
"""Each is open."""
MOST_BYTES = 16 << 30
"""Of files together: where each of their chunks belongs is held in memory, about 30 MiB."""


@dataclass(slots=True)
class _File:
    entry: Entry
    path: str
    descriptor: int
    left: int  # bytes that are still to come


@dataclass(frozen=True, slots=True)
class _Place:
    """Where `size` bytes of a file belong."""

    file: _File
    offset: int
    size: int


class EarlyFiles:
    """Files of version `id`, made in `directory`. One thread calls `opened`, any may call `arrived`."""

    def __init__(self, directory: str, id: VersionId) -> None:
        self._directory = directory
        self._id = id
        self._lists: set[NodeId] = set()
        self._recipes: dict[RecipeId, list[_File]] = {}
        self._places: dict[Digest, list[_Place]] = {}  # of chunks, and of nodes of their lists
        self._files: list[_File] = []
        self._room = MOST_BYTES
        self._lock = threading.Lock()
        self._unsynced = 0
        self._write_back = WriteBack()
        self._failed = False

    def opened(self, id: Digest, data: bytes) -> None:
        """An object that is not a chunk, after what names it. Raises CorruptObject."""
        if id == self._id:
            for component in Version.decode(data).components.values():
                if component.root and component.size >= LEAST_MEAN * component.files:
                    self._lists.add(component.root)
        elif isinstance(id, NodeId) and id in self._lists:
            self._lists.remove(id)
            self._open_list(data)
        elif isinstance(id, NodeId) and id in self._places:
            self._open_chunks(data, self._places.pop(id))
        elif isinstance(id, RecipeId) and id in self._recipes:
            self._open_recipe(Recipe.decode(data), self._recipes.pop(id))

    def arrived(self, objects: Iterable[Checked]) -> None:
        for one in objects:
            id = one.record.id
            for place in self._places.pop(id, ()) if isinstance(id, ChunkId) else ():
                if place.size == len(one.raw):
                    self._write(place, one.raw)

    def whole(self) -> dict[Entry, str]:
        """Where the files lie that have all their bytes; nothing is written any more."""
        self.close()
        found = {file.entry: file.path for file in self._files if file.left == 0}
        return {} if self._failed else found

    def close(self) -> None:
        self._places.clear()
        with self._lock:
            try:
                self._write_back.finish()
            except SyncFailed:  # told once: what is on disk is not what was written
                self._failed = True
            self._write_back.close()
            for file in self._files:
                if file.descriptor >= 0:
                    os.close(file.descriptor)
                    file.descriptor = -1

    # ------------------------------------------------------------------ inside

    def _open_list(self, data: bytes) -> None:
        node = PATH_MAP.read(decode(pb.Node, data))
        self._lists.update(child.node for child in node.children)
        for entry in node.items:
            large = LEAST <= entry.size <= self._room and len(self._files) < MOST_FILES
            if large and entry.mode is not Mode.SYMLINK and not self._failed:
                self._begin(entry)

    def _begin(self, entry: Entry) -> None:
        path = os.path.join(self._directory, f"early-{len(self._files)}")
        try:
            os.makedirs(self._directory, exist_ok=True)
            file = _File(entry, path, create(path, entry.mode), entry.size)
        except OSError:
            self._failed = True
            return
        self._files.append(file)
        self._room -= entry.size
        self._recipes.setdefault(entry.recipe, []).append(file)

    def _open_recipe(self, recipe: Recipe, files: Sequence[_File]) -> None:
        offset = 0
        for segment in recipe.segments:
            places = [_Place(file, offset, segment.size) for file in files]
            match segment.content:
                case ChunkRun(ids=ids, sizes=sizes):
                    self._expect(zip(ids, sizes, strict=True), places)
                case TreeRef(node=node, size=size):
                    self._expect([(node, size)], places)
                case literal:
                    for place in places:
                        self._write(place, literal)
            offset += segment.size

    def _open_chunks(self, data: bytes, places: Sequence[_Place]) -> None:
        """A node whose totals are not what its parent says has no place: who reads it in order will say so."""
        node = CHUNK_LIST.read(decode(pb.Node, data))
        below = [(child.node, child.size) for child in node.children] or node.items
        total = sum(size for _, size in below)
        self._expect(below, [place for place in places if place.size == total])

    def _expect(self, content: Iterable[tuple[Digest, int]], places: Sequence[_Place]) -> None:
        at = 0
        for id, size in content:
            here = [_Place(place.file, place.offset + at, size) for place in places]
            self._places.setdefault(id, []).extend(here)
            at += size

    def _write(self, place: _Place, data: bytes) -> None:
        if self._failed:
            return
        try:
            write_all(place.file.descriptor, data, place.offset)
            with self._lock:
                place.file.left -= place.size
                self._unsynced += place.size
                if self._unsynced >= WRITE_BACK_STEP and self._write_back.start(
                    place.file.descriptor
                ):
                    self._unsynced = 0
        except (OSError, SyncFailed):
            self._failed = True  # the checkout meets it again and says what it is
