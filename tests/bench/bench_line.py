"""How much of a long line a push and a fetch use: 200 ms round trip, 100 Mbit/s each way.

One version whose one BF16 safetensors file has --size goes to `mvcd serve` and comes back, through a proxy
that delays and narrows, in a process of its own. What a plain socket takes for as many bytes through the same
proxy is 100 %. Twice each: the transfer, in a process that has started, and the whole command, with its start
and, for a clone, the files. What does not grow with the size, about 1 s of waits and 0.4 s to start, weighs the
more the smaller it is: 96 MiB is 86 % for the transfer and 79 % for the command.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import data
from measure import Cost, Unmeasured, interleave
from report import Bench, main
from serving import PATIENCE, Server, serving

DELAY = 0.1
"""Seconds one way."""
RATE = 100e6 / 8
"""Bytes a second."""
SHARE = 85.0
_PIECE = bytes(64 << 10)
_PROXY = Path(__file__).parents[1] / "support" / "proxy.py"
_TRANSFER = """
import sys, time
import mvc, mvcd.sync.pull, mvcd.sync.push, mvcd.wire.dial
with mvc.Repo(sys.argv[1]) as repo:
    began = time.perf_counter()
    done = repo.push() if sys.argv[2] == "push" else repo.fetch()
    print(time.perf_counter() - began, done.bytes)
"""


def body(bench: Bench) -> None:
    source = bench.scratch / "source"
    source.mkdir()
    data.make("bf16", source / "model.safetensors", bench.size)
    rounds = interleave(
        {"mvc": partial(_mvc, bench, source)}, rounds=bench.rounds, scratch=bench.scratch
    )
    bench.keep_rounds(rounds, raw=bench.size)
    for what in (
        "push, the transfer",
        "fetch, the transfer",
        "push, the command",
        "clone, the command",
    ):
        line = "plain up" if what.startswith("push") else "plain down"
        bench.at_least(
            f"{what}: share of what a plain socket reaches", SHARE, "%",
            lambda what=what, line=line: 100 / rounds.ratio(f"mvc {what}", f"mvc {line}"),
        )  # fmt: skip


def _mvc(bench: Bench, source: Path, directory: Path) -> Mapping[str, Cost]:
    mvc, costs = bench.programs.mvc, {}
    workspace = directory / "work"
    shutil.copytree(source, workspace)
    mvc.init(workspace)
    mvc.save(workspace)
    with serving(mvc, directory) as server, _proxy(server.port) as port:
        url = server.url(port)
        _run(server, "-C", workspace, "remote", "add", "origin", url)
        costs["mvc push, the command"] = mvc.run("-C", workspace, "push", cwd=workspace)
        costs["mvc clone, the command"] = mvc.run("clone", url, directory / "clone", cwd=directory)
    copy = directory / "copy"
    copy.mkdir()
    (directory / "again").mkdir()
    with serving(mvc, directory / "again") as server, _proxy(server.port) as port:
        url = server.url(port)
        _run(server, "-C", workspace, "remote", "set-url", "origin", url)
        costs["mvc push, the transfer"], size = _transfer(server, workspace, "push")
        _run(server, "-C", copy, "init")
        _run(server, "-C", copy, "remote", "add", "origin", url)
        costs["mvc fetch, the transfer"], _ = _transfer(server, copy, "fetch")
    return costs | {"mvc plain up": _plain(size, "up"), "mvc plain down": _plain(size, "down")}


def _run(server: Server, *arguments: str | Path) -> None:
    server.mvc.run(*arguments, cwd=server.directory, settle=False)


def _transfer(server: Server, workspace: Path, what: str) -> tuple[Cost, int]:
    """Seconds of the call alone, and bytes of the records that travelled."""
    done = subprocess.run(
        [sys.executable, "-c", _TRANSFER, str(workspace), what],
        env=dict(server.mvc.env), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Unmeasured(f"{what} failed: {done.stderr}")
    seconds, size = done.stdout.split()
    return Cost(float(seconds), 0.0, 0), int(size)


# -------------------------------------------------------------------- the line


@contextmanager
def _proxy(target: int) -> Iterator[int]:
    """The port of a line that leads to `target`."""
    process = subprocess.Popen(
        [sys.executable, str(_PROXY), str(target), str(DELAY), str(RATE)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()


def _plain(size: int, way: str) -> Cost:
    """Seconds that a socket takes for so many bytes and a word that they came."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = threading.Thread(target=_far_end, args=(listener, size, way), daemon=True)
        far.start()
        with _proxy(listener.getsockname()[1]) as port:
            began = time.perf_counter()
            with socket.create_connection(("127.0.0.1", port)) as near:
                near.sendall(b"?")
                if way == "up":
                    _send(near, size)
                    _receive(near, 1)
                else:
                    _receive(near, size)
            took = time.perf_counter() - began
        far.join(PATIENCE)
    return Cost(took, 0.0, 0)


def _far_end(listener: socket.socket, size: int, way: str) -> None:
    far, _ = listener.accept()
    with far:
        _receive(far, 1)
        if way == "up":
            _receive(far, size)
            far.sendall(b"!")
        else:
            _send(far, size)


def _send(to: socket.socket, size: int) -> None:
    whole, rest = divmod(size, len(_PIECE))
    for _ in range(whole):
        to.sendall(_PIECE)
    to.sendall(_PIECE[:rest])


def _receive(of: socket.socket, size: int) -> None:
    while size:
        got = len(of.recv(min(size, 1 << 20)))
        if not got:
            raise Unmeasured("the line broke")
        size -= got


if __name__ == "__main__":
    sys.exit(main(body, __doc__ or "", size="192MiB", quick="16MiB", rounds=3))
