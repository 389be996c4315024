"""Reading one file of a version without checking it out: only the chunks that are asked for."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from mvcd.errors import CorruptObject
from mvcd.ids import ChunkId
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import Part, parts
from mvcd.objects.tree import Fetch
from mvcd.repo.contents.files import recipe_of

Ahead = Callable[[Sequence[ChunkId]], object]
AHEAD_CHUNKS = 64
"""Chunks, so 16 MiB of a tensor: asked for one by one over a line of 200 ms, they would take 13 s."""


class VersionFile(io.RawIOBase):
    """A versioned file as a seekable, read-only binary file. Every byte handed out was verified.

    Holds one chunk (at most 1 MiB). Not for several threads at once.
    """

    def __init__(self, entry: Entry, fetch: Fetch, ahead: Ahead | None = None) -> None:
        """`ahead` hears which chunks will be read next if the file is read in order: 2, then twice as many each
        time, up to AHEAD_CHUNKS. A seek begins anew, and the first chunk after it is read alone."""
        super().__init__()
        self.name = entry.path
        self._fetch = fetch
        self._ahead = ahead
        self._told = 0  # where the chunks end that `ahead` heard of
        self._window = 1
        self._recipe = recipe_of(entry, fetch)
        self._position = 0
        self._parts: Iterator[Part] = iter(())
        self._data = memoryview(b"")  # of the part at hand
        self._start = 0  # where it begins

    @property
    def size(self) -> int:
        return self._recipe.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._require_open()
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        self._require_open()
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._require_open()
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._position < self.size:
            inside = self._position - self._start
            if not 0 <= inside < len(self._data):
                self._load()
                continue
            piece = self._data[inside : inside + len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _load(self) -> None:
        """Makes the part that holds the position the one at hand."""
        follows = self._start + len(self._data)
        part = next(self._parts, None) if self._position == follows else None
        if part is None:
            self._window, self._told = 1, 0
            self._parts = parts(self._recipe, self._fetch, self._position)
            part = next(self._parts)
        elif self._ahead is not None and part.offset >= self._told:
            self._tell(part.offset)
        data = part.literal if part.chunk is None else self._fetch(part.chunk)
        if (
            data is None
            or len(data) != part.size
            or not part.offset <= self._position < (part.offset + part.size)
        ):
            raise CorruptObject(f"the recipe of {self.name} does not fit its chunks")
        self._data, self._start = memoryview(data), part.offset

    def _tell(self, offset: int) -> None:
        assert self._ahead is not None
        self._window = min(2 * self._window, AHEAD_CHUNKS)
        coming = list(islice(parts(self._recipe, self._fetch, offset), self._window))
        self._told = coming[-1].offset + coming[-1].size
        self._ahead([part.chunk for part in coming if part.chunk is not None])
