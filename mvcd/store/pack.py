"""Pack files: one appends, many read (FORMAT.md, section Packs).

`PackWriter` holds a flock on its file from `open` to `close`; the lock, not a process id, says that the
file has a writer. Its bytes count only once the index states a committed length that covers them.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from mvcd.codec.encoded import Encoded
from mvcd.disk import uncached, writeback
from mvcd.disk.locks import unlock
from mvcd.disk.sync import sync_directory, sync_file
from mvcd.disk.writeback import SyncFailed, WriteBack
from mvcd.ids import Bytes, Digest
from mvcd.store.record import (
    PACK_HEADER,
    BadRecord,
    check_pack_header,
    pack_header,
    record_head,
)

SEAL_BYTES = 128 << 20
BUFFER_BYTES = 1 << 20
"""Records are gathered up to this size: a write call costs as much as copying 20 KiB."""
COPY_BYTES = 4 << 10
"""Bodies up to this size are joined to their heads: copying them costs less than another part."""
OPEN_FILES = 64

Stretch = tuple[int, int, int]
"""A stretch of a pack: its number, offset, size in bytes."""


class PackBytes(Protocol):
    """Reads from packs, wherever they are. Thread-safe."""

    def read(self, stretches: Sequence[Stretch]) -> bytes:
        """One after another; ends where a pack ends before its stretch does. Raises FileNotFoundError."""

    def read_into(self, out: memoryview, stretch: Stretch) -> bool:
        """Whether a pack has all of a stretch, which is in `out` then. Raises FileNotFoundError."""

    def begin(self, stretches: Sequence[Stretch]) -> None:
        """Told what will be read soon: where that takes long, it is begun. Raises nothing."""

    def forget(self, number: int) -> None:
        """Called by who found that a pack is not as the index says: reads it anew next time."""

    def close(self) -> None: ...


_NAME = re.compile(r"([0-9a-f]{8})\.pack")


def pack_name(number: int) -> str:
    return f"{number:08x}.pack"


def pack_numbers(directory: str) -> list[int]:
    """Numbers of all pack files, ascending."""
    matches = (_NAME.fullmatch(entry.name) for entry in os.scandir(directory))
    return sorted(int(match[1], 16) for match in matches if match)


class PackWriter:
    """Appends records to one locked pack. Not thread-safe.

    `end` is where the next record goes; what was written after the last `sync` may not be on disk.
    Bodies are handed to the kernel from where they are, so they are copied only if they can change.
    """

    def __init__(self, directory: str, number: int, file: int, end: int, *, new: bool) -> None:
        self.directory = directory
        self.number = number
        self.end = end
        self._synced = 0 if new else end
        self._file = file
        self._new = new
        self._parts: list[Bytes] = []
        self._written = end
        self._write_back_from = end

    @classmethod
    def start(cls, directory: str, number: int, file: int) -> PackWriter:
        """A file that was never committed and whose lock `file` we hold, made anew."""
        os.ftruncate(file, 0)
        writer = cls(directory, number, file, 0, new=True)
        writer._add(pack_header(number))
        return writer

    @classmethod
    def resume(cls, directory: str, number: int, file: int, end: int) -> PackWriter | None:
        """A committed pack whose lock `file` we hold, cut to `end`; None when it is damaged."""
        try:
            check_pack_header(os.pread(file, PACK_HEADER.size, 0), number)
        except BadRecord:
            return None
        size = os.fstat(file).st_size
        if size < end:
            return None
        if size > end:  # else it stays as it was seen last (reuse.py)
            os.ftruncate(file, end)
        return cls(directory, number, file, end, new=False)

    @property
    def file(self) -> int:
        """The descriptor."""
        return self._file

    @property
    def new(self) -> bool:
        """Whether nothing of it is durable yet."""
        return self._new

    def append(self, id: Digest, encoded: Encoded) -> int:
        """Appends one record, gathered in memory; returns its size. Raises OSError (disk full)."""
        head, body = record_head(id, encoded), encoded.body
        size = len(body)
        if size <= COPY_BYTES:
            self._add(head + body)
        else:
            self._add(head)
            self._add(body if type(body) is bytes else bytes(body))
        return len(head) + size

    def append_many(self, records: Iterable[Bytes], until: int) -> list[int]:
        """Appends whole records, which must never change, until the pack has so many bytes; the offsets of
        those that it took, one at least. Raises OSError (disk full)."""
        offsets = []
        for record in records:
            offsets.append(self.end)
            self._add(record)
            if self.end >= until:
                break
        return offsets

    def append_raw(self, record: Bytes) -> int:
        """Appends the bytes of a whole record, which must never change; returns its offset. Raises OSError."""
        offset = self.end
        self._add(record)
        return offset

    def drain(self) -> None:
        """Hands what is gathered to the kernel. Raises OSError."""
        uncached.write(self._file, self._parts, self._written)
        self._written = self.end
        self._parts = []

    def write_back(self, thread: WriteBack) -> None:
        """Starts syncing when there is enough to sync. Raises SyncFailed."""
        if (
            self._written - self._write_back_from >= writeback.WRITE_BACK_STEP_BYTES
            and thread.start(self._file)
        ):
            self._write_back_from = self._written

    def sync(self) -> None:
        """Makes all appended bytes durable. Raises OSError when writing, SyncFailed when syncing."""
        self.drain()
        try:
            sync_file(self._file)
            if self._new:
                sync_directory(self.directory)
        except OSError as error:
            raise SyncFailed(str(error)) from error
        self._new = False
        self._synced = self.end

    def close(self) -> None:
        """Gives the pack up, without what was never synced and so never committed."""
        if self._file >= 0:
            if self._written > self._synced:
                with suppress(OSError):  # then it is as after a crash
                    os.ftruncate(self._file, self._synced)
            unlock(self._file)
            self._file = -1

    def abandon(self) -> None:
        """Forgets the file in a forked child, without touching the parent's lock."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _add(self, part: Bytes) -> None:
        self._parts.append(part)
        self.end += len(part)
        if self.end - self._written >= BUFFER_BYTES:
            self.drain()


class PackFiles:
    """Reads from packs; keeps the last `most` descriptors. If `cached`, the page cache keeps what is
    read. Thread-safe."""

    def __init__(self, directory: str, *, cached: bool = False, most: int = OPEN_FILES) -> None:
        self.directory = directory
        self.cached = cached
        self._most = most
        self._lock = threading.Lock()
        self._files: OrderedDict[int, _File] = OrderedDict()

    def read(self, stretches: Sequence[Stretch]) -> bytes:
        """One after another; ends where a pack ends before its stretch does. Raises FileNotFoundError."""
        files = {number: self._acquire(number) for number, _, _ in stretches}
        places = [(files[number].descriptor, at, size) for number, at, size in stretches]
        return uncached.read(places, cached=self.cached)

    def read_into(self, out: memoryview, stretch: Stretch) -> bool:
        """Whether a pack has all of a stretch, which is in `out` then. Raises FileNotFoundError."""
        number, at, size = stretch
        file = self._acquire(number)
        return uncached.read_into(file.descriptor, out, at, cached=self.cached) == size

    def begin(self, stretches: Sequence[Stretch]) -> None:
        """Nothing: a disk is near."""

    def forget(self, number: int) -> None:
        with self._lock:
            self._files.pop(number, None)

    def close(self) -> None:
        with self._lock:
            self._files.clear()

    def _acquire(self, number: int) -> _File:
        with self._lock:
            file = self._files.get(number)
            if file is not None:
                self._files.move_to_end(number)
                return file
            file = self._files[number] = _File(os.path.join(self.directory, pack_name(number)))
            if len(self._files) > self._most:
                self._files.popitem(last=False)
            return file


class _File:
    """A descriptor that closes when nobody reads through it any more."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            os.close(self.descriptor)
