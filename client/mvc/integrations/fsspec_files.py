"""Files of the file system: one that is read, one that is written, and the changes that become one version."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fsspec.transaction import Transaction

from mvc.integrations.addresses import Address

if TYPE_CHECKING:
    from mvc.api.write_verbs import Source


class VersionMaker(Protocol):
    """The file system: makes versions."""

    def put_together(self, edits: Mapping[Address, Source], message: str) -> None:
        """Makes one version of each branch that `edits` are of."""


_READ_BYTES = 256 << 10
"""Bytes that are buffered: as many as a piece of a tensor, which is read and verified whole anyway."""


class ReadFile(io.BufferedReader):
    """A file of a version: seekable, reads only the chunks that are asked for, each of them verified."""

    def __init__(self, fs: VersionMaker, path: str, raw: io.RawIOBase, size: int) -> None:
        super().__init__(raw, _READ_BYTES)
        self.fs, self.path, self.size = fs, path, size
        self._file = raw

    def range(self, start: int, size: int) -> bytes:
        """Returns `size` bytes from `start` on, without reading more than the chunks that hold them."""
        self._file.seek(start)
        return self._file.read(size) or b""


class WrittenFile(io.BufferedWriter):
    """A file that becomes part of a version when it is closed, or with the transaction that it is in."""

    def __init__(
        self,
        fs: VersionMaker,
        address: Address,
        spool: io.FileIO,
        start: ReadFile | None,
        *,
        autocommit: bool,
    ) -> None:
        super().__init__(spool)
        self._spool = str(spool.name)
        self.fs, self.path, self._address = fs, str(address), address
        self.autocommit = autocommit
        if start is not None:
            with start:
                while data := start.read(_READ_BYTES):
                    self.write(data)

    def __exit__(self, *exc: Any) -> None:
        if exc[0] is not None:
            self.discard()
        self.close()

    def close(self) -> None:
        """Makes the version, unless a transaction does. Raises what `Repo.write` raises; then there is none."""
        if self.closed:
            return
        super().close()
        if self.autocommit and self._spool:
            self.commit()

    def commit(self) -> None:
        """Makes a version of the file alone."""
        try:
            self.fs.put_together({self._address: self._spool}, f"Write {self._address.path}")
        finally:
            self.discard()

    def source(self) -> str:
        """Where its bytes lie until `discard`."""
        self.close()
        return self._spool

    @property
    def address(self) -> Address:
        return self._address

    def discard(self) -> None:
        """Forgets what was written."""
        spool, self._spool = self._spool, ""
        if spool:
            os.unlink(spool)

    def __del__(self) -> None:
        self.discard()


def said_of(edits: Mapping[Address, Source]) -> str:
    """The message of a version that is made of `edits`."""
    verb = "Write" if any(source is not None for source in edits.values()) else "Remove"
    if len(edits) == 1:
        return f"{verb} {next(iter(edits)).path}"
    return f"{verb} {len(edits)} files"


class OneVersion(Transaction):  # type: ignore[misc]
    """`with fs.transaction:` all that is written and removed in the block is one version of each branch."""

    def __init__(self, fs: VersionMaker, **options: Any) -> None:
        super().__init__(fs, **options)
        self.edits: dict[Address, Source] = {}

    def complete(self, commit: bool = True) -> None:
        """Makes the versions, or none if the block raised. Writing begins anew after either."""
        fs, files, edits = self.fs, list(self.files), self.edits
        self.files.clear()
        self.edits = {}
        super().complete(commit=False)
        try:
            if commit:
                edits |= {file.address: file.source() for file in files}
                fs.put_together(edits, said_of(edits))
        finally:
            for file in files:
                file.discard()
