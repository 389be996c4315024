"""Writes seals (mvcd/team/seals.py) while a team's server runs: at the start, at an interval, and at the end.

To a file, to which lines are appended, or to a command, which gets them on its standard input: whatever brings
them to a place that whoever can write to the server's directory cannot reach. A log that has not grown is not
sealed again. What fails is logged, and tried again at the next interval.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

from mvcd.disk.sync import sync_file
from mvcd.errors import Failure, MvcError
from mvcd.repo.trust.keygen import Keygen
from mvcd.store.api import Store
from mvcd.team import seals
from mvcd.team.root import Root

log = logging.getLogger("mvcd.seal")

EVERY_SECONDS = 3600.0
"""Seconds from one seal to the next: what is cut off later than the last one cannot be told."""
COMMAND_SECONDS = 60.0
_COMMAND = "|"


class Sealing:
    """`seal` at once; `start` and `end` around a server's life."""

    def __init__(
        self,
        root: Root,
        target: str,
        *,
        key: str | None = None,
        every: float = EVERY_SECONDS,
        keygen: Keygen | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`target` is a file, or `|COMMAND`; without `key` the server has one of its own. Raises Failure when
        there is no key and none can be made, AuthError when it cannot sign."""
        self._root = root
        self._target = target
        self._keygen = keygen or Keygen({"PATH": os.environ.get("PATH", "")})
        self._key = key or _own_key(root.path, self._keygen)
        self._every = every
        self._clock = clock
        self._sealed: dict[str, str] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="seal", daemon=True)

    def start(self) -> None:
        """Raises what the first seal raises: an operator who asked for seals must know that there are none."""
        self.seal()
        self._thread.start()

    def end(self) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
            self._attempt()

    def seal(self) -> int:
        """Seals what has grown; how many logs that were."""
        lines, sealed = [], {}
        for name, store in self._stores():
            made = seals.seal_of(name, store.id, store.audit_head(), self._clock())
            if made.rows and self._sealed.get(made.id) != made.digest:
                lines.append(seals.line_of(made, self._key, self._keygen))
                sealed[made.id] = made.digest
        if lines:
            self._write("".join(f"{line}\n" for line in lines))
            self._sealed |= sealed
        return len(lines)

    def _stores(self) -> Iterator[tuple[str, Store]]:
        self._root.refresh()
        yield seals.ACCOUNTS, self._root.store
        for hosted in self._root.accounts.repositories():
            try:
                with self._root.open_repository(hosted.name) as store:
                    yield hosted.name, store
            except MvcError as error:
                log.error("the log of %s cannot be sealed: %s", hosted.name, error)

    def _write(self, text: str) -> None:
        if self._target.startswith(_COMMAND):
            self._pipe(text)
            return
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            file = os.open(self._target, flags, 0o600)
            try:
                os.write(file, text.encode())
                sync_file(file)
            finally:
                os.close(file)
        except OSError as error:
            raise _unsealed(self._target, str(error)) from None

    def _pipe(self, text: str) -> None:
        command = self._target.removeprefix(_COMMAND)
        try:
            done = subprocess.run(  # noqa: S602 - the shell is what the operator asked for
                command, shell=True, input=text, text=True, capture_output=True,
                timeout=COMMAND_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise _unsealed(command, str(error)) from None
        if done.returncode:
            said = done.stderr.strip()[-300:]
            raise _unsealed(command, f"it ended with {done.returncode}: {said}")

    def _run(self) -> None:
        while not self._done.wait(self._every):
            self._attempt()

    def _attempt(self) -> None:
        try:
            self.seal()
        except MvcError as error:
            log.error("no seal was written: %s (%s)", error, error.cause)


def _unsealed(target: str, cause: str) -> Failure:
    return Failure(
        f"no seal could be written to {target}", kind="seal", cause=cause,
        help="--seal-to FILE, or --seal-to '|COMMAND'",
    )  # fmt: skip


def _own_key(root: str, keygen: Keygen) -> str:
    path = seals.key_path(root)
    if not os.path.exists(path):
        words = [
            keygen.program,
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "mvc audit seals",
            "-f",
            path,
        ]
        try:
            subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failure(
                "there is no key to seal with, and none could be made", kind="no-seal-key",
                cause=str(error), help="apt install openssh-client  (or: --seal-key FILE)",
            ) from None  # fmt: skip
    return path
