"""A server and what else answers on loopback while something is measured."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import Unmeasured
from peers import Program

REPO = "team/model"
PATIENCE = 30.0


@dataclass(frozen=True)
class Server:
    """`mvcd serve` with one repository that takes pushes from everybody on this machine."""

    mvc: Program
    directory: Path
    port: int
    process: subprocess.Popen[bytes]

    def url(self, port: int | None = None) -> str:
        """The repository's address, for instance behind a proxy; whoever uses it is logged in."""
        server = f"grpc://127.0.0.1:{port or self.port}"
        token = self.directory / "server" / "admin.token"
        script = f'exec {" ".join(self.mvc.found())} login {server} < "{token}"'
        done = subprocess.run(
            ["sh", "-c", script],
            env=dict(self.mvc.env),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Unmeasured(f"login failed: {done.stderr}")
        return f"{server}/{REPO}"


@contextmanager
def serving(mvc: Program, directory: Path) -> Iterator[Server]:
    root = directory / "server"
    command = [*mvc.found()]
    command[-1] = re.sub(r"mvc$", "mvcd", command[-1])
    port, health = free_port(), free_port()
    log = (directory / "serve.log").open("wb")
    process = subprocess.Popen(
        [*command, "serve", "--root", str(root), "--listen", f"127.0.0.1:{port}",
         "--http", f"127.0.0.1:{health}"],
        env=dict(mvc.env), stdout=log, stderr=log,
    )  # fmt: skip
    try:
        wait_for(port, process)
        mvc.run("admin", "repo", "add", "--root", root, REPO, cwd=directory, settle=False)
        yield Server(mvc, directory, port, process)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        log.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise Unmeasured("a server did not start")
