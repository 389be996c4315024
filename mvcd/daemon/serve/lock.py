"""One server a directory: a lock that ends with its process, however that ends."""

from __future__ import annotations

import os
from typing import Self

from mvcd.disk.locks import hold, sign
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
        holder = hold(self._file)
        if holder is not None:
            os.close(self._file)
            raise Busy(
                f"another server has {root}",
                kind="root-locked",
                cause=f"{holder} holds {path}",
            )
        sign(self._file)

    def release(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()
