"""`mvc` commands, each in a process of its own that can be killed: forks of one that has imported everything.

Starting an interpreter would cost ten times more. As a program it listens on a Unix socket until its standard
input ends; whoever connects sends commands, a JSON line each, and gets a line for each: the exit status,
negative for a signal.
"""

from __future__ import annotations

import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """What became of a command; `code` is None when it was killed."""

    code: int | None
    out: str
    err: str

    @property
    def kind(self) -> str:
        """Of its error; "" when it succeeded, or was killed."""
        return str(json.loads(self.err.splitlines()[-1])["kind"]) if self.code else ""


class Forks:
    """The process that commands are forks of, ready when the constructor returns. Use it in `with`."""

    def __init__(self, places: Path) -> None:
        """The socket is in `places`, whose name has to be short."""
        self.path = str(places / "forks")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forks", self.path], cwd=_ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), str(_ROOT / "client")])},
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()


class Caller:
    """Gives commands, one at a time."""

    def __init__(self, forks: Forks, places: Path, environment: Mapping[str, str]) -> None:
        """Output passes by `places`. The environment is that of the process, with this in it."""
        self._places = places
        self._environment = dict(environment)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(forks.path)
        self._lines = self._socket.makefile("r")

    def mvc(self, *words: str, directory: Path, seconds: float) -> Ended:
        """`mvc WORDS...` in a directory; it is killed with -9 when it lives longer than so many seconds."""
        out, err = self._places / "out", self._places / "err"
        job = {
            "words": words, "directory": str(directory), "seconds": seconds,
            "environment": self._environment, "out": str(out), "err": str(err),
        }  # fmt: skip
        for path in (out, err):
            path.write_bytes(b"")  # one that is killed before it opens them says nothing
        self._socket.sendall(json.dumps(job).encode() + b"\n")
        code = int(self._lines.readline())
        killed = code == -signal.SIGKILL
        return Ended(None if killed else code, out.read_text(), err.read_text())

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


# -------------------------------------------------------------------- the program


def run(job: Mapping[str, Any]) -> int:
    """The exit status of a fork that does one command."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            work(job)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(writing)  # the fork has the other end until it ends, whatever it does
    if not select.select([reading], [], [], job["seconds"])[0]:
        os.kill(pid, signal.SIGKILL)
    os.close(reading)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def work(job: Mapping[str, Any]) -> None:
    """The fork: never returns."""
    os.chdir(job["directory"])
    os.environ.update(job["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, fd in (("out", 1), ("err", 2)):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), fd)
    from mvc.cli.main import cli

    code = 99
    try:
        cli.main(job["words"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(connection: socket.socket) -> None:
    """Whoever has connected; in a fork of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection, connection.makefile("r") as lines:
        for line in lines:
            connection.sendall(b"%d\n" % run(json.loads(line)))


LATER = ("mvcd.wire.dial", "mvcd.team.root", "tomlkit")
"""Imported before the first fork, for an import within a command would be done again by each."""


def main(path: str) -> None:
    for package in map(import_module, ("mvc.cli.commands", "mvcd.repo", "mvcd.sync")):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(found.name)
    for module in LATER:
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps those who serve
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            connection, _ = listening.accept()
            if not os.fork():
                try:
                    listening.close()
                    serve(connection)
                finally:
                    os._exit(0)
            connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
