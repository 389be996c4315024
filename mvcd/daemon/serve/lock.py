"""One server a directory: a lock that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from typing import Self

from mvcd.errors import Busy, Failure


class RootLock:
    def __init__(self, root: str) -> None:
        """Makes `root` unless it is there. Raises Busy when a server has it, Failure when it cannot be
        written."""
        path = os.path.join(root, "serve.lock")
        try:
            os.makedirs(root, mode=0o700, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Failure(f"{root} cannot be written", kind="root", cause=str(error)) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise Busy(
                f"another server has {root}",
                kind="root-locked",
                cause=f"process {holder or 'unknown'} holds {path}",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()
