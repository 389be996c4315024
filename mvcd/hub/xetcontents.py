"""Contents by their SHA-256, for Xet: those that wait for a commit in the spool, else those of versions."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import BinaryIO, cast

from mvcd.errors import Failure
from mvcd.hub import digested
from mvcd.hub.lookups import AskedRepo
from mvcd.hub.spool import Spool, SpoolWriter
from mvcd.repo.contents.content import VersionFile

_READ_BYTES = 1 << 20


class RepositoryContents:
    """One repository's. See `mvcd.hub.xetuploads.UploadedContents`."""

    def __init__(self, asked: AskedRepo, spool: Spool) -> None:
        self._asked = asked
        self._spool = spool
        self._waiting_bytes: int | None = None

    def has(self, sha256: str, *, keep: bool = True) -> bool:
        """Whether it can be read; one that waits does so anew, unless not `keep`."""
        waits = self._spool.has(sha256) if keep else self._spool.size(sha256) is not None
        return waits or digested.place(self._asked, sha256) is not None

    def open(self, sha256: str) -> BinaryIO | None:
        """Opens it for reading at any offset; None when it is nowhere here."""
        if self._spool.has(sha256):
            with suppress(Failure):  # a commit took it meanwhile
                return self._spool.open(sha256)
        found = digested.place(self._asked, sha256)
        if found is None:
            return None
        file = VersionFile(found[1].entry, self._asked.core.fetch)
        return cast(BinaryIO, io.BufferedReader(file, _READ_BYTES))

    def put(self, sha256: str, size: int) -> SpoolWriter:
        """Begins a new one of `size` bytes. Raises Failure: kind "quota", "disk-full", "too-many-uploads"."""
        if (
            self._waiting_bytes is None
        ):  # counted once: of a thousand files in one shard, each may be the last
            self._waiting_bytes = self._spool.waiting_bytes()
        self._asked.hosted.require_quota(self._waiting_bytes + size)
        self._waiting_bytes += size
        return self._spool.put(sha256, size)
