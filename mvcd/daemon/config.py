"""Where the daemon lives: the only module here that reads environment and home.

    runtime directory   $MVC_RUNTIME_DIR, else /run/user/UID/mvc, else /tmp/mvc-UID    lock and socket, 0700
    state directory     $MVC_STATE_DIR, else $XDG_STATE_HOME/mvc, else ~/.local/state/mvc    register and log

The runtime directory deliberately does not follow $XDG_RUNTIME_DIR: a cron job, an ssh session and a desktop
must find the same daemon, whatever their environment. The client side has the same rule (mvc/daemon_client.py).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from mvcd.errors import DaemonError

_SOCKET_PATH_BYTES = 107
"""Bytes of sun_path less its NUL (unix(7))."""
_LOG_END_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DaemonPaths:
    """Absolute paths. `prepare` makes the directories."""

    runtime: str
    state: str

    @classmethod
    def of(cls, environment: Mapping[str, str], uid: int, home: str) -> Self:
        runtime = environment.get("MVC_RUNTIME_DIR") or _runtime(uid)
        base = environment.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
        state = environment.get("MVC_STATE_DIR") or os.path.join(base, "mvc")
        return cls(os.path.abspath(runtime), os.path.abspath(state))

    @classmethod
    def here(cls) -> Self:
        return cls.of(os.environ, os.getuid(), os.path.expanduser("~"))

    @property
    def lock(self) -> str:
        return os.path.join(self.runtime, "mvcd.lock")

    @property
    def socket(self) -> str:
        return os.path.join(self.runtime, "mvcd.sock")

    @property
    def register(self) -> str:
        return os.path.join(self.state, "workspaces.json")

    @property
    def log(self) -> str:
        return os.path.join(self.state, "mvcd.log")

    def last_lines(self, count: int) -> list[str]:
        """The end of the log, at most 1 MiB of it. Raises FileNotFoundError before the first line."""
        with open(self.log, "rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - _LOG_END_BYTES)
            file.seek(start)
            lines = file.read().decode("utf-8", "replace").splitlines()
        return lines[start > 0 :][-count:] if count else []

    def prepare(self) -> None:
        """Raises DaemonError when one cannot be made or written, the runtime directory is somebody else's, or
        its path is too long."""
        _make(self.runtime, "MVC_RUNTIME_DIR")
        _make(self.state, "MVC_STATE_DIR")
        found = os.lstat(self.runtime)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise DaemonError(
                f"{self.runtime} is not a directory of yours",
                kind="bad-runtime-dir",
                help="MVC_RUNTIME_DIR=DIR, a directory that only you can write",
            )
        os.chmod(self.runtime, 0o700)
        if len(os.fsencode(self.socket)) > _SOCKET_PATH_BYTES:
            raise DaemonError(
                f"{self.socket} is too long for a socket",
                kind="bad-runtime-dir",
                cause=f"the system allows {_SOCKET_PATH_BYTES} bytes",
                help="MVC_RUNTIME_DIR=DIR, with a shorter path",
            )


def _make(path: str, variable: str) -> None:
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK) and os.stat(path).st_uid != os.getuid():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    except OSError as error:
        raise DaemonError(
            f"mvcd cannot write {path}",
            kind="bad-runtime-dir" if variable == "MVC_RUNTIME_DIR" else "bad-state-dir",
            cause=_why(error),
            help=f"{variable}=DIR, a directory that you can write",
        ) from None


def _why(error: OSError) -> str:
    if isinstance(error, FileExistsError):
        return "it is a file, not a directory"
    said = os.strerror(error.errno or 0).lower()
    return f"{error.filename}: {said}" if error.filename else said


def _runtime(uid: int) -> str:
    base = f"/run/user/{uid}"
    return f"{base}/mvc" if os.access(base, os.W_OK) else f"/tmp/mvc-{uid}"  # noqa: S108 - checked to be ours


def notify_socket() -> str | None:
    """Where systemd wants to hear of us."""
    return os.environ.get("NOTIFY_SOCKET") or None


def watchdog_seconds() -> float | None:
    """How often systemd wants a sign of life: half of its limit."""
    try:
        return int(os.environ["WATCHDOG_USEC"]) / 2e6
    except (KeyError, ValueError):
        return None
