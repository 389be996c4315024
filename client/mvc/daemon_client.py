"""Client of `mvcd`: JSON lines on its control socket. Standard library only.

The verbs `watch` and `unwatch` use it, and training processes: so it imports neither the engine nor gRPC, keeps
nothing between calls, and is safe in any thread and after any fork.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from mvc.api import errors

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
START_SECONDS = 270.0
"""`mvcd start` is bounded itself: an outdated daemon has 120 s to finish, its successor 120 s to come."""

_LABELS = ("error: ", "cause: ", "help: ")

Document = dict[str, Any]


def socket_path() -> str:
    """Returns the path of the control socket. The rule is that of mvcd/daemon/config.py: it depends on who we
    are, not on how we were started."""
    runtime = os.environ.get("MVC_RUNTIME_DIR")
    if not runtime:
        base = f"/run/user/{os.getuid()}"
        runtime = f"{base}/mvc" if os.access(base, os.W_OK) else f"/tmp/mvc-{os.getuid()}"  # noqa: S108
    return os.path.join(os.path.abspath(runtime), "mvcd.sock")


def as_daemon_reads(path: str) -> str:
    """A path of ours for the daemon, who reads names as UTF-8 whatever the locale of this process is."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


class Connection:
    """One connection. Raises DaemonError(kind="not-running") when there is no daemon to connect to."""

    def __init__(self, *, timeout: float = ANSWER_SECONDS) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(CONNECT_SECONDS)
        try:
            if not _is_ours(socket_path()):
                raise FileNotFoundError
            self._socket.connect(socket_path())
        except OSError as error:
            self._socket.close()
            raise errors.DaemonError(
                "mvcd is not running",
                kind="not-running",
                cause=_why_not(error),
                help="unset MVC_NO_DAEMON && mvc watch" if forbidden() else "mvc watch",
            ) from None
        self._socket.settimeout(timeout)
        self._lines = self._socket.makefile("rb")

    def ask(self, verb: str, **fields: Any) -> Document:
        """One request and its answer. Raises what the daemon refused with, or DaemonError."""
        try:
            self._socket.sendall(json.dumps({"verb": verb, **fields}).encode() + b"\n")
        except OSError as error:
            raise _broken(error) from None
        answer = self.next()
        if not answer.get("ok"):
            raise _refused(answer.get("error") or {})
        return answer

    def next(self) -> Document:
        """The next line that the daemon sends, within the connection's timeout."""
        try:
            line = self._lines.readline()
            document: Document = json.loads(line) if line else {}
        except (OSError, ValueError) as error:
            raise _broken(error) from None
        if not line:
            raise _broken(None)
        return document

    def events(self) -> Iterator[Document]:
        """Yields each automatic version as it is saved, after `ask("follow")`."""
        while True:
            yield self.next()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def ask(verb: str, *, timeout: float = ANSWER_SECONDS, **fields: Any) -> Document:
    """One request over a connection of its own."""
    with Connection(timeout=timeout) as connection:
        return connection.ask(verb, **fields)


def forbidden() -> bool:
    """Whether MVC_NO_DAEMON says that no daemon is to be started, or replaced, on our account."""
    return os.environ.get("MVC_NO_DAEMON", "0") not in ("", "0")


def ensure_running() -> None:
    """Starts the daemon, or replaces one that is older than we are; does nothing if all is well.

    Raises DaemonError when it does not start; under MVC_NO_DAEMON, when there is none.
    """
    try:
        if _order(ask("hello")["mvcd"]) >= _order(errors.__version__) or forbidden():
            return
    except errors.DaemonError as error:
        if error.kind not in ("not-running", "connection-lost") or forbidden():
            raise
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "mvcd.daemon", "start"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            timeout=START_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise not_started("", f"mvcd start did not end within {START_SECONDS:g} s") from None
    if done.returncode:
        raise not_started(done.stderr.decode("utf-8", "replace"))


def not_started(said: str, otherwise: str = "it ended without a word") -> errors.DaemonError:
    """The error for a daemon that did not come, with the cause from what the program `said` on stderr: its
    labelled lines ("error: ...", "cause: ...", "help: ..."), else its last line."""
    lines = [line for line in said.splitlines() if line.strip()]
    found = dict(line.split(": ", 1) for line in lines if line.startswith(_LABELS))
    failed = "mvcd did not start"
    why = [found[k] for k in ("error", "cause") if k in found and found[k] != failed]
    return errors.DaemonError(
        failed,
        kind="not-started",
        cause=": ".join(why) or (lines[-1].strip() if lines else otherwise),
        help=found.get("help", "mvcd run  (in the foreground, to see why)"),
    )


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def _is_ours(path: str) -> bool:
    """Somebody else's directory in /tmp must not lead us to somebody else's daemon."""
    return os.stat(os.path.dirname(path)).st_uid in (os.getuid(), 0)


def _why_not(error: OSError) -> str | None:
    if forbidden():
        return "MVC_NO_DAEMON is set: none is started"
    return None if isinstance(error, FileNotFoundError) else str(error)


def _broken(error: Exception | None) -> errors.DaemonError:
    slow = isinstance(error, TimeoutError)
    return errors.DaemonError(
        "mvcd does not answer" if slow else "the connection to mvcd broke",
        kind="no-answer" if slow else "connection-lost",
        cause=str(error) if error else "it ended",
        help="mvcd status",
    )


def _refused(said: Document) -> errors.MvcError:
    kind = str(said.get("kind", "daemon"))
    named = {"no-repository": errors.NoRepository, "usage": errors.UsageError}
    return named.get(kind, errors.DaemonError)(
        str(said.get("message", "mvcd refused")),
        kind=kind,
        cause=said.get("cause"),
        help=said.get("help"),
    )
