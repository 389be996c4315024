"""A real daemon process with places of its own, and workspaces with short limits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from mvc.daemon_client import Connection
from tests.support.engine import Repository
from tests.support.workspace import Bench

SETTLE = 0.1
LIMITS = f"[watch]\nsettle = {SETTLE}\npoll = 0.2\n"

_ROOT = Path(__file__).resolve().parents[2]


class Daemon:
    """`python -m mvcd.daemon run`, ready to answer when the constructor returns."""

    def __init__(self, places: Path, *, program: str | None = None, **environment: str) -> None:
        self.places = places
        self.environment = {
            **os.environ,
            "MVC_RUNTIME_DIR": str(places / "run"),
            "MVC_STATE_DIR": str(places / "state"),
            "PYTHONPATH": os.pathsep.join([str(_ROOT), str(_ROOT / "client")]),
            **environment,
        }
        self._program = program
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        reading, writing = os.pipe()
        run = ["-c", self._program] if self._program else ["-m", "mvcd.daemon"]
        process = subprocess.Popen(
            [sys.executable, *run, "run", "--ready-fd", str(writing)],
            pass_fds=(writing,),
            env=self.environment,
            stderr=subprocess.PIPE,
        )
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            ready = pipe.read()
        if ready != b"ready\n":
            assert process.stderr is not None
            raise AssertionError(process.stderr.read().decode())
        return process

    def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        with self.connect(timeout=60.0 + fields.get("timeout", 0.0)) as connection:
            return connection.ask(verb, **fields)

    def connect(self, *, timeout: float = 60.0) -> Connection:
        before = os.environ.get("MVC_RUNTIME_DIR")
        os.environ["MVC_RUNTIME_DIR"] = self.environment["MVC_RUNTIME_DIR"]
        try:
            return Connection(timeout=timeout)
        finally:
            if before is None:
                del os.environ["MVC_RUNTIME_DIR"]
            else:
                os.environ["MVC_RUNTIME_DIR"] = before

    def watch(self, bench: Bench) -> None:
        self.ask("watch", root=str(bench.root), author="Ada <ada@example.org>")

    def sync(self, bench: Bench, timeout: float = 30.0) -> dict[str, Any]:
        """Until all that is complete is saved. Fails with what was still waiting."""
        answer = self.ask("sync", root=str(bench.root), timeout=timeout)
        assert answer["done"], answer["workspace"]
        return dict(answer["workspace"])

    def poke(self, bench: Bench) -> None:
        """Makes it look, without waiting for what comes of it."""
        self.ask("sync", root=str(bench.root), timeout=0.0)

    def report(self, bench: Bench) -> dict[str, Any]:
        return dict(self.ask("status", root=str(bench.root))["workspaces"][0])

    def reader(self) -> int:
        """The process that makes versions of what was captured."""
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # the thread, or its child, ended
                for pid in map(int, task.read_text().split()):
                    if b"read" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                        return pid
        raise AssertionError("no reader")

    def log(self) -> str:
        return (self.places / "state" / "mvcd.log").read_text()

    @contextmanager
    def block(
        self, bench: Bench, directory: str, *, message: str = ""
    ) -> Iterator[Callable[[], int]]:
        """A block of mvc.checkpoint over a connection of its own; yields what ends it, before the end."""
        with self.connect() as connection:
            where = bench.path(directory)
            Path(where).mkdir(parents=True, exist_ok=True)
            number = connection.ask("begin", directory=where)["block"]
            ended: list[int] = []

            def end() -> int:
                if not ended:
                    answer = connection.ask(
                        "end", directory=where, block=number, message=message, seconds=30
                    )
                    assert answer["capture"], answer
                    ended.append(int(answer["capture"]))
                return ended[0]

            yield end
            end()

    @contextmanager
    def reader_stopped(self, bench: Bench) -> Iterator[Callable[[], None]]:
        """Its reader, which a first save starts, does nothing meanwhile; yields what lets it go on."""
        with self.block(bench, "first") as end:
            bench.write({"first/a.bin": b"a"})
            capture = end()
            told = self.ask("outcome", root=str(bench.root), capture=capture, seconds=30)
            assert told["state"] == "saved"
        pid = self.reader()
        os.kill(pid, signal.SIGSTOP)

        def go_on() -> None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        try:
            yield go_on
        finally:
            go_on()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._reap()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def restart(self) -> None:
        self.process = self._spawn()

    def resident_kib(self) -> int:
        return self._memory("VmRSS:")

    def peak_kib(self) -> int:
        return self._memory("VmHWM:")

    def _memory(self, field: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1])
        raise AssertionError(field)

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _reap(self) -> int:
        code = self.process.wait(60)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


@contextmanager
def short_directory() -> Iterator[Path]:
    """Socket paths are at most 107 bytes: pytest's own directories can be longer."""
    with tempfile.TemporaryDirectory(prefix="mvcd-", dir="/tmp") as name:
        yield Path(name)


def versions(bench: Bench) -> list[Any]:
    """The history of HEAD, oldest first."""
    with Repository.open(str(bench.root)) as repo:
        return list(repo.history())[::-1]


def content(bench: Bench, path: str, rev: str = "HEAD") -> bytes:
    with Repository.open(str(bench.root)) as repo:
        return repo.read(path, rev)


class Trainer:
    """A program of trainers.py, running; `end` closes its input and waits; `lines` is what it said."""

    def __init__(self, name: str, *, cwd: Path | None = None, **arguments: Any) -> None:
        program = Path(__file__).with_name("trainers.py")
        self.process = subprocess.Popen(
            [sys.executable, str(program), name, json.dumps(arguments)],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=1
            << 20,  # what is not read until the end must not stop it: a line for each of 2,000 saves
        )
        self.lines: list[dict[str, Any]] = []

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = json.loads(self.process.stdout.readline())
        self.lines.append(line)
        return dict(line)

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self) -> list[dict[str, Any]]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.finish()

    def finish(self) -> list[dict[str, Any]]:
        """Waits until it ends by itself."""
        assert self.process.stdout is not None
        self.lines += [json.loads(line) for line in self.process.stdout]
        assert self.process.wait(60) == 0
        return self.lines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
