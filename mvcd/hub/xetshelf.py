"""Bodies of xorbs that no file was made of yet, or not of all their chunks: files beside the spools.

    DIR/uploads/REPO.xorbs/HASH          a body, compared with its name; HASH as addresses spell it
    DIR/uploads/REPO.xorbs/RANDOM.part   one that is coming, or a shard while it is read

Nothing is durable here, as in spool.py: after a new start of the system all of it goes.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from mvcd.disk.renames import move
from mvcd.disk.room import RESERVE_BYTES, require_room
from mvcd.errors import Failure
from mvcd.hub.xethash import from_hex, to_hex

KEPT_SECONDS = 7 * 24 * 3600.0
"""Seconds that a body waits for a file that is made of it: clients send the bodies of one file before all else,
1 TB at 10 MB/s in 28 hours."""
MAX_WAITING_BYTES = 1 << 40
"""Bytes of bodies that wait in one repository."""

SHELF = ".xorbs"
"""Ends the name of a shelf's directory, after the repository's id."""

_HASH_CHARACTERS = 64


def drop_shelves(uploads: str, known: Collection[str]) -> None:
    """Removes the shelves of repositories that are not among the known ids: those were removed."""
    with suppress(FileNotFoundError):
        for name in os.listdir(uploads):
            if name.endswith(SHELF) and name.removesuffix(SHELF) not in known:
                shutil.rmtree(os.path.join(uploads, name), ignore_errors=True)


class XetShelf:
    """The bodies that wait in one repository. `clock` tells seconds since 1970."""

    def __init__(self, directory: str, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._clock = clock

    @contextmanager
    def arriving(self, size: int, what: str) -> Iterator[BinaryIO]:
        """A file for `size` bytes that come; it has no name any more after the block, unless `put` gave it one.
        Raises Failure: kind "disk-full", and "too-many-uploads"."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        require_room(self._directory, size, what, reserve=RESERVE_BYTES)
        path = os.path.join(self._directory, secrets.token_hex(8) + ".part")
        with open(path, "x+b", buffering=1 << 20) as file:
            try:
                yield file
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(path)

    def put(self, name: bytes, file: BinaryIO) -> None:
        """Keeps a body that `arriving` gave, whole."""
        file.flush()
        now = self._clock()
        os.utime(file.fileno(), (now, now))
        move(file.name, self._path(name))

    def open(self, name: bytes) -> BinaryIO | None:
        """The body of a xorb; None when it is not here."""
        try:
            return open(self._path(name), "rb", buffering=1 << 18)
        except FileNotFoundError:
            return None

    def has(self, name: bytes, *, keep: bool = True) -> bool:
        """Whether the body is here; it waits anew from now on, unless not `keep`."""
        if not keep:
            return os.path.exists(self._path(name))
        try:
            now = self._clock()
            os.utime(self._path(name), (now, now))
        except FileNotFoundError:
            return False
        return True

    def drop(self, name: bytes) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._path(name))

    def drop_all(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def waiting_bytes(self) -> int:
        """Bytes of all bodies that wait."""
        files = self._files()
        return sum(stat.st_size for entry, stat in files if len(entry.name) == _HASH_CHARACTERS)

    def require_waiting_room(self, size: int) -> None:
        """Raises Failure(kind="too-many-uploads") when `size` bytes more would be too many."""
        waiting = self.waiting_bytes()
        if waiting + size > MAX_WAITING_BYTES:
            raise Failure(
                "too many uploads wait for their commit in this repository",
                kind="too-many-uploads",
                cause=f"{waiting:,} bytes wait, {MAX_WAITING_BYTES:,} may",
                help="commit what was uploaded; what nobody commits goes after a week",
            )

    def too_old(self) -> list[bytes]:
        """The bodies that have waited too long; what else is too old goes."""
        oldest = self._clock() - KEPT_SECONDS
        found = []
        for entry, stat in self._files():
            if stat.st_mtime >= oldest:
                continue
            if len(entry.name) == _HASH_CHARACTERS:
                found.append(from_hex(entry.name))
            else:
                with suppress(FileNotFoundError):
                    os.unlink(entry.path)
        return found

    def _path(self, name: bytes) -> str:
        return os.path.join(self._directory, to_hex(name))

    def _files(self) -> list[tuple[os.DirEntry[str], os.stat_result]]:
        found = []
        with suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    found.append((entry, entry.stat()))
        return found
