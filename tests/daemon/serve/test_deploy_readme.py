"""deploy/README.md takes a team from nothing to a TLS server with three users: its commands, as they stand."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.serve.servers import ENVIRONMENT, SOURCES

README = (SOURCES / "deploy" / "README.md").read_text()


def commands() -> str:
    """All blocks of the section, one script."""
    section = re.search(r"^## A team server\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert section
    return "".join(re.findall(r"^```sh\n(.*?)^```", section[1], re.MULTILINE | re.DOTALL))


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports


@pytest.mark.thorough
def test_from_nothing_to_three_users(tmp_path: Path) -> None:
    grpc, http = free_ports(2)
    script = commands()
    for old, new in (
        ("localhost/", f"localhost:{grpc}/"),
        ("--tls-key tls.key", f"--tls-key tls.key --listen 127.0.0.1:{grpc}"),
        (":7480", f":{http}"),
    ):
        assert old in script
        script = script.replace(old, new)
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name, module in (("mvc", "mvc"), ("mvcd", "mvcd.daemon")):
        (binaries / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (binaries / name).chmod(0o755)
    environment = {
        **ENVIRONMENT,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "MVC_CONFIG": str(tmp_path / "config" / "config.toml"),
        "MVC_AUTHOR": "Ada <ada@example.org>",
    }
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail; trap 'kill %1; wait' EXIT\n{script}"],
        cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + (tmp_path / "server.log").read_text()
    assert (tmp_path / "ben" / "params.yaml").read_text() == "lr: 0.1\n"
    assert "verified there" in done.stdout
    assert "2 stores restored in restored, every object read" in done.stdout
    log = (tmp_path / "server.log").read_text()
    assert '"principal":"ada"' in log
    assert '"principal":"ben"' in log
    assert log.rstrip().endswith('"message":"ended"}')
