"""Uploaded contents that wait for their commit, as files named by their SHA-256.

    DIR/uploads/since              the start of the system that they were written under
    DIR/uploads/REPO/SHA256        one content, whole and compared; REPO is the repository's id
    DIR/uploads/REPO/RANDOM.part   one that is coming, or one that a server which was killed left
    DIR/uploads/REPO/RANDOM.claim/ what a commit under way reads, as hard links

Nothing is made durable here: the commit makes it so in the store. A content that was written before the
system started anew may be torn, so then all are dropped, and clients send them again. Each stays for a day
after it was last asked for, unless a commit takes it before. What waits is bounded by the disk's room and by
what the caller checks before (quotas), their number by MAX_ENTRIES.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import BinaryIO, Self

from mvcd.disk.renames import move
from mvcd.disk.replace import replace_file
from mvcd.disk.room import RESERVE_BYTES, require_room
from mvcd.errors import Failure, UsageError
from mvcd.ids import Bytes

KEPT_SECONDS = 24 * 3600.0
"""Seconds that a content waits after it was last asked for."""
MAX_ENTRIES = 20_000
"""Contents that wait in one repository: a listing of so many takes 20 ms."""
LOOK_BYTES = 64 << 20
"""Bytes written between two looks at the disk's room, where nobody said how many will come."""
SWEEP_SECONDS = 600.0
"""Seconds between two looks for what has waited too long."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPO = re.compile(r"[0-9a-f]{32}")
_PART, _CLAIM = ".part", ".claim"


def require_sha256(text: str) -> str:
    """The digest. Raises UsageError unless it is one in hex, lower case."""
    if not _SHA256.fullmatch(text):
        raise UsageError(f"{text[:80]!r} is no SHA-256 in hex", kind="bad-digest")
    return text


class Spools:
    """The spools of all repositories of a server directory. Thread-safe."""

    def __init__(self, directory: str, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970. Drops what may be torn."""
        self._directory = directory
        self._clock = clock
        self._swept = clock()
        self._lock = threading.Lock()
        self._begin()

    def of(self, repo_id: str) -> Spool:
        """The spool of the repository with this id (32 hex digits)."""
        assert _REPO.fullmatch(repo_id)
        self._sweep_now_and_then()
        return Spool(os.path.join(self._directory, repo_id), self._clock)

    def sweep(self) -> None:
        """Removes what has waited too long."""
        for name in os.listdir(self._directory):
            if _REPO.fullmatch(name):
                Spool(os.path.join(self._directory, name), self._clock).sweep()

    def _sweep_now_and_then(self) -> None:
        with self._lock:
            now = self._clock()
            if now - self._swept < SWEEP_SECONDS:
                return
            self._swept = now
        self.sweep()

    def _begin(self) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        since = os.path.join(self._directory, "since")
        now = system_start()
        if now is None or _content(since) != now:
            for name in os.listdir(self._directory):
                if _REPO.fullmatch(name):
                    shutil.rmtree(os.path.join(self._directory, name))
            replace_file(since, now or b"")
        else:
            self.sweep()


class Spool:
    """What waits in one repository."""

    def __init__(self, directory: str, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock

    def has(self, sha256: str) -> bool:
        """Whether the content is here; it stays for a day from now on."""
        try:
            now = self._clock()
            os.utime(self._path(sha256), (now, now))
        except FileNotFoundError:
            return False
        return True

    def size(self, sha256: str) -> int | None:
        """Bytes of the content; None if it is not here."""
        try:
            return os.stat(self._path(sha256)).st_size
        except FileNotFoundError:
            return None

    def open(self, sha256: str) -> BinaryIO:
        """Opens a content for reading. Raises Failure(kind="not-uploaded")."""
        try:
            return open(self._path(sha256), "rb")
        except FileNotFoundError:
            raise not_uploaded(sha256) from None

    def put(self, sha256: str, size: int | None = None) -> SpoolWriter:
        """Begins to write a content, of `size` bytes if that is known. Raises Failure: kind "disk-full", and
        "too-many-uploads"."""
        path = self._path(sha256)
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        if len(os.listdir(self._directory)) >= MAX_ENTRIES:
            raise Failure(
                "too many uploads wait for their commit in this repository",
                kind="too-many-uploads",
                cause=f"{MAX_ENTRIES:,} may wait",
                help="commit what was uploaded; what nobody commits goes after a day",
            )
        return SpoolWriter(path, sha256, size)

    def drop(self, sha256: str) -> None:
        """Removes a content; what a commit has claimed stays for it."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(sha256))

    def waiting_bytes(self) -> int:
        """Bytes of all that waits, or is coming."""
        total = 0
        for entry in _entries(self._directory):
            with suppress(FileNotFoundError):  # one that was coming, or was committed meanwhile
                total += entry.stat().st_size if entry.is_file() else 0
        return total

    @contextmanager
    def claim(self, wanted: Sequence[str]) -> Iterator[dict[str, str]]:
        """Holds those of the contents that are here for a commit: their paths by SHA-256, good inside the block
        whatever is dropped meanwhile."""
        with self.workplace() as own:
            found = {}
            for sha256 in dict.fromkeys(wanted):
                with suppress(FileNotFoundError):
                    os.link(self._path(sha256), os.path.join(own, sha256))
                    found[sha256] = os.path.join(own, sha256)
            yield found

    @contextmanager
    def workplace(self) -> Iterator[str]:
        """A directory for files of one request, which goes with it."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        own = os.path.join(self._directory, secrets.token_hex(8) + _CLAIM)
        os.mkdir(own, 0o700)
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def sweep(self) -> None:
        """Removes what has waited too long, and what servers left that were killed."""
        oldest = self._clock() - KEPT_SECONDS
        for entry in _entries(self._directory):
            with suppress(FileNotFoundError):
                if entry.stat().st_mtime >= oldest:
                    continue
                if entry.is_dir():
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)

    def _path(self, sha256: str) -> str:
        return os.path.join(self._directory, require_sha256(sha256))


class SpoolWriter:
    """One content in the making. `write` all of it, then `finish`; leaving the block without that drops it.

    Not for several threads at once.
    """

    def __init__(self, path: str, sha256: str, size: int | None) -> None:
        self._path, self._sha256, self._size = path, sha256, size
        directory = os.path.dirname(path)
        require_room(directory, size or 0, "an upload", reserve=RESERVE_BYTES)
        self._part = os.path.join(directory, secrets.token_hex(8) + _PART)
        self._file = open(self._part, "xb", buffering=0)  # noqa: SIM115 - `_drop` closes it
        self._hash = hashlib.sha256()
        self._written = self._looked = 0

    def write(self, data: Bytes) -> None:
        """Raises UsageError for more bytes than were announced, Failure(kind="disk-full")."""
        view = memoryview(data).cast("B")
        if self._size is not None and self._written + len(view) > self._size:
            raise UsageError(f"more than the {self._size:,} bytes came that were announced")
        if self._size is None and self._written - self._looked >= LOOK_BYTES:
            self._looked = self._written
            require_room(
                os.path.dirname(self._part), LOOK_BYTES, "an upload", reserve=RESERVE_BYTES
            )
        self._hash.update(view)
        self._written += len(view)
        while view:
            view = view[self._file.write(view) :]

    def finish(self) -> None:
        """The content is here from now on. Raises UsageError where it is not the one that was announced."""
        if self._size is not None and self._written != self._size:
            raise UsageError(f"{self._written:,} bytes came, {self._size:,} were announced")
        if self._hash.hexdigest() != self._sha256:
            raise UsageError(
                f"what came is not {self._sha256}",
                kind="bad-digest",
                cause=f"its SHA-256 is {self._hash.hexdigest()}",
                help="send it again",
            )
        self._file.close()
        move(self._part, self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        with suppress(FileNotFoundError):
            os.unlink(self._part)


def not_uploaded(sha256: str) -> Failure:
    return Failure(
        f"no content with the SHA-256 {sha256} was uploaded",
        kind="not-uploaded",
        cause="it never came, or it waited for more than a day",
        help="upload it again",
    )


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except FileNotFoundError:
        return []


def system_start() -> bytes | None:
    """Names the run of the system that this is; None where it does not tell."""
    return _content("/proc/sys/kernel/random/boot_id")


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(4096).strip() or None
    except OSError:
        return None
