"""The control socket bears what anybody sends."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest

from tests.daemon.daemons import Daemon, short_directory


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """One for all: it has to survive each of them."""
    with short_directory() as directory, Daemon(directory) as running:
        yield running


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"no json\n", b"[]\n", b"{}\n", b'{"verb": 7}\n', b'{"verb": "nonsense"}\n',
        b'{"verb": "sync"}\n', b'{"verb": "sync", "root": "/", "timeout": "x"}\n',
        b'{"verb": "end", "directory": "/", "block": {}}\n', b"\xff\xfe\n", b'{"verb": "watch", "root": 1}\n',
        b'{"verb": "begin", "directory": "/nonexistent"}\n',
    ],
)  # fmt: skip
def test_nonsense_is_answered_and_survived(daemon: Daemon, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.connect(str(daemon.places / "run" / "mvcd.sock"))
        raw.sendall(line)
        with raw.makefile("rb") as answers:
            answer = json.loads(answers.readline())
        assert answer["ok"] is False
        assert set(answer["error"]) == {"kind", "message", "cause", "help"}
    assert daemon.ask("hello")["ok"]


def test_a_line_without_end_is_cut_off(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.connect(str(daemon.places / "run" / "mvcd.sock"))
        with contextlib.suppress(BrokenPipeError):  # it may be cut off while we speak
            raw.sendall(b"x" * (3 << 20))
    assert daemon.ask("hello")["ok"]
    assert daemon.resident_kib() < 200 << 10
