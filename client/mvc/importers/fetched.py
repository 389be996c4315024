"""Content on its way into a version: compared with the digest that names it at its source.

Blobs are hashed as git gives them, on their way into memory or, large ones, into a file. What lies in a
cache is hashed where it lies, then read from there, and its stats have to be the same before and after.
Content that was imported already is not read again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable

from mvc.api.errors import Failure, IntegrityError
from mvc.api.write_verbs import Executable, Source, Symlink
from mvc.importers.commits import Item
from mvc.importers.gitrecords import EXECUTABLE, LINK, Blob
from mvc.importers.gitsource import GitSource
from mvc.importers.pointers import GIT_ID, CachedFile

_IN_MEMORY_BYTES = 1 << 20
"""Bytes up to which a blob stays in memory."""
_ALL_IN_MEMORY_BYTES = 64 << 20
"""Bytes of all blobs of one commit that do."""
_BLOCK_BYTES = 1 << 20


class CachedContent:
    """The content that one version after the other has out of a cache. `bytes_by_digest` counts it."""

    def __init__(self, spool: str, advance: Callable[[int], None]) -> None:
        """`spool` is a directory for files on their way; `advance` hears of bytes that were hashed."""
        self._spool, self._advance = spool, advance
        self._spooled = 0
        self._same: dict[str, tuple[int, ...]] = {}  # place in a cache: its stat when it was hashed
        self._versions: dict[tuple[str, bool], tuple[str, str]] = {}
        self.bytes_by_digest: dict[str, int] = {}

    def begin(self) -> None:
        """Forgets the files of the version before."""
        shutil.rmtree(self._spool, ignore_errors=True)
        os.mkdir(self._spool)
        self._spooled = 0
        self._same.clear()

    def stored(self, path: str, item: CachedFile) -> Source:
        """What `Repo.write` takes for content that belongs at `path`. Raises IntegrityError where its bytes are
        not those of its digest."""
        known = self._versions.get((item.digest, item.executable))
        if known is not None:
            return known
        if item.place not in self._same:
            self._same[item.place] = self._compare(path, item)
        if not item.executable:
            return item.place
        to = self._new_file()
        shutil.copyfile(item.place, to)
        os.chmod(to, 0o700)
        return to

    def _new_file(self) -> str:
        self._spooled += 1
        return os.path.join(self._spool, str(self._spooled))

    def _compare(self, path: str, item: CachedFile) -> tuple[int, ...]:
        with open(item.place, "rb") as file:
            seen = _stat_of(file.fileno())
            state = _hash(item.algorithm, seen[0])
            while block := file.read(_BLOCK_BYTES):
                state.update(block)
                self._advance(len(block))
        if state.hexdigest() != item.digest and not _is_text_of(item):
            raise IntegrityError(
                f"{path} is damaged in the cache: {item.place}",
                cause=f"its {item.algorithm} is {state.hexdigest()}, not {item.digest}",
                help=f"remove {item.place}, bring it again from where it is stored, and run this again",
            )
        self.bytes_by_digest[item.digest] = seen[0]
        return seen

    def require_unchanged(self) -> None:
        """Raises Failure: kind "unstable-file" where a file of a cache changed after it was compared."""
        for place, seen in self._same.items():
            if _stat_of(place) != seen:
                raise Failure(
                    f"{place} changed while it was read", kind="unstable-file",
                    cause="another process is writing it", help="run it again",
                )  # fmt: skip

    def remember(self, version: str, items: Iterable[tuple[str, object]]) -> None:
        """Hears which version has the items now."""
        for path, item in items:
            if isinstance(item, CachedFile):
                self._versions[item.digest, item.executable] = (version, path)


class Fetched(CachedContent):
    """The content of one version after the other, of git's own objects too."""

    def __init__(self, source: GitSource, spool: str, advance: Callable[[int], None]) -> None:
        super().__init__(spool, advance)
        self._source = source
        self._held_bytes = 0

    def begin(self) -> None:
        super().begin()
        self._held_bytes = 0

    def source(self, path: str, item: Item | None) -> Source:
        """What `Repo.write` takes for an item. Raises IntegrityError where its bytes are not those of its
        digest."""
        if item is None:
            return None
        if isinstance(item, CachedFile):
            return self.stored(path, item)
        size = self._source.object_bytes(item.id)
        if item.mode == LINK:
            return Symlink(os.fsdecode(self._source.read(item.id)))
        if size <= _IN_MEMORY_BYTES and self._held_bytes + size <= _ALL_IN_MEMORY_BYTES:
            self._held_bytes += size
            data = self._source.read(item.id)
            return Executable(data) if item.mode == EXECUTABLE else data
        return self._copied(item)

    def _copied(self, item: Blob) -> str:
        to = self._new_file()
        with open(to, "wb") as file:
            self._source.copy(item.id, file)
        if item.mode == EXECUTABLE:
            os.chmod(to, 0o700)
        return to


def _hash(algorithm: str, size: int) -> hashlib._Hash:
    if algorithm == GIT_ID:
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    return hashlib.new(algorithm, usedforsecurity=False)


def _stat_of(file: int | str) -> tuple[int, ...]:
    status = os.stat(file)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _is_text_of(item: CachedFile) -> bool:
    """Whether the digest is that of the content with the line ends of Unix, as DVC made them for text."""
    if not item.text:
        return False
    state, left = hashlib.new(item.algorithm, usedforsecurity=False), b""
    with open(item.place, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            block = left + block
            left = b"\r" if block.endswith(b"\r") else b""
            state.update(block.removesuffix(left).replace(b"\r\n", b"\n"))
    state.update(left)
    return state.hexdigest() == item.digest
