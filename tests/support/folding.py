"""A file system that folds names, for tests: a pass-through of a directory by FUSE, in a process of its own.

    python tests/support/folding.py DIRECTORY MOUNTPOINT case|form

It keeps the spelling by which a file was made, as APFS does: a name that differs only in case (`case`), or in
Unicode normalisation (both kinds), finds it; a rename onto a name that is there keeps that name's spelling;
a rename of a file to another spelling of its own name spells it anew.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

_KINDS = ("case", "form")
_TIMES = ("st_atime", "st_mtime", "st_ctime")
_NUMBERS = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino", "st_blocks")


def folded(name: str, kind: str) -> str:
    name = unicodedata.normalize("NFC", name)
    return name.casefold() if kind == "case" else name


@contextlib.contextmanager
def mounted(kind: str, scratch: Path) -> Iterator[Path]:
    """A directory that folds names as `kind` says. Skips the test where this machine can have none."""
    if kind == "case" and (ready := os.environ.get("CI_DIR")):  # such a file system is at hand
        place = Path(ready, f"mvc-test-{os.getpid()}")
        place.mkdir()
        yield place
        shutil.rmtree(place)
        return
    below, above = scratch / "below", scratch / "above"
    below.mkdir()
    above.mkdir()
    words = [sys.executable, __file__, str(below), str(above), kind]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            if not _comes_up(server, above):
                pytest.skip("FUSE does not work here (fusepy, libfuse2, /dev/fuse)")
            yield above
        finally:
            # Root needs no helper to mount, so there may be none to unmount.
            unmount = ["fusermount", "-u", "-z"] if shutil.which("fusermount") else ["umount", "-l"]
            subprocess.run([*unmount, str(above)], capture_output=True)
            server.terminate()
            assert server.stderr is not None
            server.stderr.read()


def _comes_up(server: subprocess.Popen[bytes], mountpoint: Path) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        if os.path.ismount(mountpoint):
            return True
        time.sleep(0.01)
    return False


def serve(directory: str, mountpoint: str, kind: str) -> None:
    """Until it is unmounted."""
    from fuse import FUSE, FuseOSError, Operations  # type: ignore[import-untyped]

    def lies(path: str) -> str:
        """Where a path leads below, by whatever spelling."""
        found = directory
        for name in filter(None, path.split("/")):
            exact = os.path.join(found, name)
            if not os.path.lexists(exact) and os.path.isdir(found):
                alike = (n for n in os.listdir(found) if folded(n, kind) == folded(name, kind))
                exact = os.path.join(found, next(alike, name))
            found = exact
        return found

    class PassThrough(Operations):  # type: ignore[misc]
        use_ns = True

        def access(self, path: str, mode: int) -> None:
            if not os.access(lies(path), mode):
                raise FuseOSError(errno.EACCES)

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            status = os.lstat(lies(path))
            times = {name: getattr(status, f"{name}_ns") for name in _TIMES}
            return times | {name: getattr(status, name) for name in _NUMBERS}

        def statfs(self, path: str) -> dict[str, int]:
            status = os.statvfs(lies(path))
            return {
                n: getattr(status, n) for n in dir(status) if n.startswith("f_") and n != "f_fsid"
            }

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", *os.listdir(lies(path))]

        def rename(self, old: str, new: str) -> None:
            source, target = lies(old), lies(new)
            if source == target:
                target = os.path.join(os.path.dirname(target), os.path.basename(new))
            os.rename(source, target)

        def create(self, path: str, mode: int, fi: object = None) -> int:
            return os.open(lies(path), os.O_RDWR | os.O_CREAT, mode)

        def open(self, path: str, flags: int) -> int:
            return os.open(lies(path), flags & ~os.O_EXCL)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            return os.pwrite(fh, data, offset)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            os.truncate(lies(path), length)

        def release(self, path: str, fh: int) -> None:
            os.close(fh)

        def fsync(self, path: str, datasync: int, fh: int) -> None:
            os.fsync(fh)

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
            os.utime(lies(path), ns=times and (int(times[0]), int(times[1])))

        def chmod(self, path: str, mode: int) -> None:
            os.chmod(lies(path), mode)

        def mkdir(self, path: str, mode: int) -> None:
            os.mkdir(lies(path), mode)

        def rmdir(self, path: str) -> None:
            os.rmdir(lies(path))

        def unlink(self, path: str) -> None:
            os.unlink(lies(path))

        def readlink(self, path: str) -> str:
            return os.readlink(lies(path))

        def link(self, name: str, old: str) -> None:
            os.link(lies(old), lies(name))

        def symlink(self, link: str, text: str) -> None:
            os.symlink(text, lies(link))

    uncached = {
        "entry_timeout": 0,
        "attr_timeout": 0,
        "negative_timeout": 0,
    }  # the kernel tells names apart
    FUSE(PassThrough(), mountpoint, foreground=True, nothreads=True, **uncached)


if __name__ == "__main__":
    serve(*sys.argv[1:])
