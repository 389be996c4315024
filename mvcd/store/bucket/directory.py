"""A bucket in a directory: of a network file system that a team shares, or of any disk. No LMDB, no locks.

    DIR/packs/ab/abcd...        what was put: a file of that name, complete and durable before it has the name
    DIR/refs~/                  what was created and is swapped: a chain (chain.py has the proof)
    DIR/.pending/               files that are not yet, and directories that are no longer, part of the bucket

A name is either put or created, never both: those that are put tell their content, so a swap of one would make
no sense, and here it is refused as too late. No name may be the folder of another one. Nothing here waits for
anybody, and a process that dies leaves at most something in `.pending`, which goes when it is a day old by the
file system's own clock.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from mvcd.disk.directories import make_directories
from mvcd.disk.group import share
from mvcd.disk.refusals import refused
from mvcd.disk.renames import move
from mvcd.disk.sync import sync_directory, sync_file
from mvcd.errors import Failure, IntegrityError, NotPermitted, RemoteUnreachable, UsageError
from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, BlobInfo, Tag
from mvcd.store.bucket.chain import MARK, Chain

PENDING = ".pending"
PENDING_SECONDS = 24 * 3600
_PUT = Tag("put")
_PART = re.compile(r"[!-.0-~]{1,254}")
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class DirectoryBlobs:
    """The protocol Blobs over the directory `path`, which must be there. Raises Failure where it is not."""

    def __init__(self, path: str, url: str) -> None:
        self._root = os.path.abspath(path)
        self._url = url
        self._pending = os.path.join(self._root, PENDING)
        self._ready = False
        if not os.path.isdir(self._root):
            raise Failure(
                f"{self._root} is no directory",
                kind="no-such-bucket",
                cause="a file has that name"
                if os.path.lexists(self._root)
                else "it is not there, or the file system that has it is not mounted",
                help=f"mkdir -p {shlex.quote(self._root)}",
            )

    sealed = False
    read_only = False

    @property
    def url(self) -> str:
        return self._url

    def close(self) -> None:
        pass

    # ------------------------------------------------------------------ reading

    def get(self, name: str) -> tuple[bytes, Tag]:
        path = self._path(name)
        with self._told(path):
            try:
                with open(path, "rb") as file:
                    return file.read(), _PUT
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                state = self._chain(name).newest()
            return state.data, state.tag

    def get_changed(self, name: str, tag: Tag) -> tuple[bytes, Tag] | None:
        with self._told(self._path(name)):
            if self._chain(name).is_newest(tag):
                return None
        found = self.get(name)
        return None if found[1] == tag else found

    def get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        path = self._path(name)
        if not spans:
            return []
        with self._told(path):
            try:
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                data = self._chain(name).newest().data
                return [_whole(data[start:end], start, end, name) for start, end in spans]
            try:
                return [_whole(_read(file, start, end), start, end, name) for start, end in spans]
            finally:
                os.close(file)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        folder, _, _ = prefix.rpartition("/")
        start = os.path.join(self._root, *folder.split("/")) if folder else self._root
        with self._told(start):
            yield from self._below(start, f"{folder}/" if folder else "", prefix)

    def _below(self, path: str, begin: str, prefix: str) -> Iterator[BlobInfo]:
        """Objects of one directory and those below it, in the order of their whole names."""
        try:
            with os.scandir(path) as entries:
                found = sorted((_sorting(e), e) for e in entries if begin or e.name != PENDING)
        except (FileNotFoundError, NotADirectoryError):
            return
        for key, entry in found:
            name = begin + key
            if name.endswith("/"):
                if name.startswith(prefix) or prefix.startswith(name):
                    yield from self._below(entry.path, name, prefix)
            elif name.startswith(prefix):
                with suppress(FileNotFoundError, BlobAbsent):
                    yield self._info(name, entry)

    def _info(self, name: str, entry: os.DirEntry[str]) -> BlobInfo:
        if entry.name.endswith(MARK):
            state = self._chain(name).newest()
            return BlobInfo(name, len(state.data), state.modified_ns)
        stat = entry.stat()
        return BlobInfo(name, stat.st_size, stat.st_mtime_ns)

    # ------------------------------------------------------------------ writing

    def put(self, name: str, data: Bytes) -> None:
        path = self._path(name)
        with self._told(path):
            self._make_ready(path)
            temporary = os.path.join(self._pending, secrets.token_hex(8))
            try:
                with open(temporary, "xb") as file:
                    share(temporary, file.fileno())
                    file.write(data)
                    file.flush()
                    sync_file(file.fileno())
                move(temporary, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
            sync_directory(os.path.dirname(path))

    def create(self, name: str, data: Bytes) -> Tag:
        path = self._path(name)
        with self._told(path):
            if os.path.exists(path):
                raise BlobChanged(name)
            self._make_ready(path)
            return self._chain(name).create(data)

    def swap(self, name: str, data: Bytes, tag: Tag) -> Tag:
        path = self._path(name)
        with self._told(path):
            self._make_ready(path)
            return self._chain(name).swap(data, tag)

    def delete(self, names: Iterable[str]) -> None:
        folders: set[str] = set()
        for name in names:
            path = self._path(name)
            with self._told(path):
                try:
                    os.unlink(path)
                    folders.add(os.path.dirname(path))
                except (FileNotFoundError, NotADirectoryError):
                    if os.path.isdir(path + MARK):
                        self._make_ready(path)
                        self._chain(name).delete()
        for folder in folders:
            with suppress(FileNotFoundError):
                sync_directory(folder)

    def signed(self, names: Sequence[str], seconds: int) -> Sequence[str]:  # noqa: ARG002
        raise Failure(
            f"nothing in {self._url} can be signed",
            kind="not-supported",
            cause="only stores with keys (S3, Google, Azure) have links that work without them",
            help=f"mvc clone {self._url}  (where the directory is mounted, for reading is enough)",
        )

    # ------------------------------------------------------------------

    def _path(self, name: str) -> str:
        """Where a name lies. Raises UsageError for one that no file can have."""
        parts = name.split("/")
        for part in parts:
            if not _PART.fullmatch(part) or part in (".", "..") or part.endswith(MARK):
                raise UsageError(
                    f"{name!r} cannot be the name of an object", cause=f"{part!r} in it"
                )
        if parts[0] == PENDING:
            raise UsageError(f"{name!r} cannot be the name of an object", cause="it is reserved")
        return os.path.join(self._root, *parts)

    def _chain(self, name: str) -> Chain:
        return Chain(self._path(name) + MARK, self._pending)

    def _make_ready(self, path: str) -> None:
        """Makes the directories that a write needs; before the first one, tidies `.pending`."""
        if not self._ready:
            make_directories(self._pending)
            self._tidy()
            self._ready = True
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            make_directories(folder)

    def _tidy(self) -> None:
        """Removes what dead processes left. A file made now tells the time of the file system's clock."""
        probe = os.path.join(self._pending, secrets.token_hex(8))
        with open(probe, "xb"):
            now = os.stat(probe).st_mtime
        os.unlink(probe)
        with os.scandir(self._pending) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime > now - PENDING_SECONDS:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """What the system refuses, in our words."""
        try:
            yield
        except OSError as error:
            number = error.errno or 0
            if number in _NO_LINKS and isinstance(error.filename2, str):
                raise NotPermitted(
                    f"{self._root} cannot hold a repository that several write",
                    kind="no-conditional-writes",
                    cause=f"its file system has no hard links ({os.strerror(number).lower()})",
                    help="use a directory of a file system that has them, such as NFS or ext4",
                ) from error
            known = refused(number, path)
            if known is not None and known.kind != "input-output":
                raise known from error
            raise RemoteUnreachable(
                f"{self._url} does not answer as it should",
                cause=f"{path}: {os.strerror(number).lower()}",
                help=f"ls -l {shlex.quote(self._root)}",
            ) from error


def _sorting(entry: os.DirEntry[str]) -> str:
    """An entry's name as it is in the names of objects: a folder's with the slash that follows it there."""
    if entry.name.endswith(MARK):
        return entry.name.removesuffix(MARK)
    return entry.name + "/" if entry.is_dir() else entry.name


def _read(file: int, start: int, end: int) -> bytes:
    """Bytes of a file: fewer only where it ends."""
    parts = []
    while start < end and (part := os.pread(file, end - start, start)):
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _whole(data: bytes, start: int, end: int, name: str) -> bytes:
    if len(data) != end - start:
        raise IntegrityError(
            f"{name} ends at byte {start + len(data)}",
            kind="short-object",
            cause=f"bytes {start} to {end} were asked of it",
        )
    return data
