"""Leases: what live sessions rely on, for a collector to see (FORMAT.md, section Leases).

A lease lives while its file is flock'ed. The kernel gives the lock back when the process ends, however it
ends, so there is nothing to time out and no process id to mistake.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable

from mvcd.disk.directories import make_directories
from mvcd.disk.locks import try_lock, unlock
from mvcd.ids import DIGEST_BYTES

_MAX_ATTEMPTS = 100
"""A collector may take a newborn file for a dead one, which is rare; a hundred times in a row is something
else."""


class Lease:
    """One session's list of digests, append-only. Not thread-safe."""

    def __init__(self, directory: str) -> None:
        """Makes the directory if it is absent. Raises OSError when no lease can be made there."""
        for _ in range(_MAX_ATTEMPTS):
            self._path = os.path.join(directory, secrets.token_hex(8))
            file = try_lock(self._path, create=True)
            if file is not None:
                self._file = file
                return
            make_directories(directory)
        raise OSError(errno.EBUSY, "no lease stays locked", directory)

    def add(self, ids: Iterable[bytes]) -> None:
        """Visible to collectors when this returns. Not durable: after a power loss no session lives.

        Raises OSError when the disk is full.
        """
        data = b"".join(ids)
        while data:
            data = data[os.write(self._file, data) :]

    def ids(self) -> set[bytes]:
        return read_digests(self._path)

    def clear(self) -> None:
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)

    def close(self) -> None:
        os.unlink(self._path)
        unlock(self._file)

    def abandon(self) -> None:
        """Lets go in a forked child, without ending the parent's lease."""
        os.close(self._file)


def read_digests(path: str) -> set[bytes]:
    """What a lease file names; a digest still being written does not count yet."""
    with open(path, "rb") as file:
        data = file.read()
    return {
        data[at : at + DIGEST_BYTES] for at in range(0, len(data) - DIGEST_BYTES + 1, DIGEST_BYTES)
    }


def leased_ids(directory: str) -> set[bytes]:
    """All that live leases name; dead leases are removed on the way."""
    ids: set[bytes] = set()
    if not os.path.exists(directory):
        return ids  # sessions make it
    for entry in list(os.scandir(directory)):
        try:
            file = try_lock(entry.path)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES):
                raise
            file = None  # not to be told, so it counts as alive
        if file is not None:
            os.unlink(entry.path)
            unlock(file)
            continue
        try:
            ids |= read_digests(entry.path)
        except FileNotFoundError:
            continue
    return ids
