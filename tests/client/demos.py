"""`mvc demo` as a process with a temporary directory of its own, and what it leaves there and in the table of
processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

PROGRAM = """
import sys
from mvc.cli import demo_shares, own_daemon, own_follower, own_process
import mvc.training.block
{patches}
from mvc.cli.start import main
main()
"""

DAEMON = b"mvcd.daemon\0run"
SERVER = b"mvcd.daemon\0serve"
FOLLOWER = b"\0follow\0origin"


class Demo:
    """Running; `patches` are statements that it runs first, to shorten a bound."""

    def __init__(self, place: Path, *words: str, patches: str = "", **environment: str) -> None:
        self.place = place
        temporary = place / "t"
        temporary.mkdir(exist_ok=True)
        self._mark = f"TMPDIR={temporary}".encode()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(patches=patches), "demo", *words],
            cwd=place,
            env={
                **os.environ, "TMPDIR": str(temporary), "MVC_CONFIG": "", "MVC_AUTHOR": "Ada <a@x>",
                "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", **environment,
            },
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.out: list[str] = []
        self.err = ""
        self._errors = threading.Thread(target=self._hear)
        self._errors.start()

    def _hear(self) -> None:
        assert self.process.stderr is not None
        self.err = self.process.stderr.read()

    def until(self, text: str) -> None:
        """Reads its output until a line has `text`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.out.append(line)
            if text in line:
                return
        raise AssertionError(f"{text!r} never came:\n{''.join(self.out)}{self.err}")

    def end(self, seconds: float = 240.0) -> int:
        """Waits until it ends by itself; its exit code."""
        assert self.process.stdout is not None
        if not self.process.stdout.closed:
            self.out += self.process.stdout
        code = self.process.wait(seconds)
        self._errors.join()
        return code

    @property
    def story(self) -> str:
        return "".join(self.out)

    def started(self) -> dict[int, bytes]:
        """The processes that it started, and that run: their command lines."""
        found = {}
        for directory in Path("/proc").iterdir():
            if directory.name.isdecimal() and int(directory.name) != self.process.pid:
                with suppress(OSError):
                    if self._mark in (directory / "environ").read_bytes().split(b"\0"):
                        found[int(directory.name)] = (directory / "cmdline").read_bytes()
        return found

    def send(self, what: bytes, number: int) -> None:
        """A signal to the one process that it started whose command line has `what`."""
        end = time.monotonic() + 60.0
        while True:
            pids = [pid for pid, line in self.started().items() if what in line]
            if pids:
                break
            assert time.monotonic() < end, f"no process {what!r}"
            time.sleep(0.01)
        os.kill(min(pids), number)  # what it forks looks like it until it is another program

    def left(self) -> list[str]:
        """What it left behind: processes and temporary files."""
        files = [str(path) for path in (self.place / "t").iterdir()]
        return [repr(line) for line in self.started().values()] + files

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()
        for pid in self.started():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._errors.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
