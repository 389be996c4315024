"""`ssh://` through a real sshd on loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.errors import RemoteUnreachable
from mvcd.monitor import Silent
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.wire.client import RemotePeer
from mvcd.wire.ssh import SshAddress, SshTunnel
from tests.daemon.serve.servers import QUICK, SOURCES, push_branch
from tests.support.workspace import Bench

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(SSHD is None, reason="needs openssh-server"),
]


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """An sshd that lets one key in, and a ssh that has it, with mvcd on the PATH of both."""
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True
        )
    binaries = tmp_path / "bin"
    binaries.mkdir()
    python = os.pathsep.join([str(SOURCES), str(SOURCES / "client")])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = int(free.getsockname()[1])
    (tmp_path / "sshd_config").write_text(
        f"Port {number}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nSetEnv PYTHONPATH={python}\n"
        "AllowStreamLocalForwarding no\nAllowTcpForwarding no\n"
    )
    scripts = {
        "mvcd": f'exec {sys.executable} -m mvcd.daemon "$@"',
        "ssh": f"exec {shutil.which('ssh')} -i {tmp_path}/user -o BatchMode=yes -o IdentitiesOnly=yes"
        f' -o StrictHostKeyChecking=no -o UserKnownHostsFile={tmp_path}/known -F none "$@"',
    }
    for name, line in scripts.items():
        (binaries / name).write_text(f"#!/bin/sh\n{line}\n")
        (binaries / name).chmod(0o755)
    assert SSHD is not None
    errors = open(tmp_path / "sshd.log", "w+b")  # noqa: SIM115 - closed below
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(tmp_path / "sshd_config")], stderr=errors
    )
    monkeypatch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
    try:
        _wait_for(number, process, tmp_path / "sshd.log")
        yield number
    finally:
        process.terminate()
        process.wait()
        errors.close()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            continue
    raise AssertionError(log.read_text())


def test_pull_and_push(port: int, tmp_path: Path) -> None:
    far, near = Bench(tmp_path / "far"), Bench(tmp_path / "near")
    far.save({"model.bin": os.urandom(64 << 20)})
    near.save({"model.bin": os.urandom(64 << 20)})
    address = SshAddress.parse(f"ssh://{getpass.getuser()}@127.0.0.1:{port}{far.root}")
    program = [str(tmp_path / "bin" / "mvcd")]  # login scripts may change the PATH
    started = time.monotonic()
    with (
        SshTunnel.open(address, program=program) as tunnel,
        MemoryStore() as store,
        store.session() as session,
    ):
        peer = RemotePeer(tunnel.target, "", "ssh://", patience=QUICK)
        print(f"first answer after {time.monotonic() - started:.2f} s: {peer.hello().role}")
        started = time.monotonic()
        head = far.repo.resolve("HEAD")
        pull(store, session, [peer], [head], [], monitor=Silent())
        print(f"pulled 64 MiB in {time.monotonic() - started:.2f} s")
        started = time.monotonic()
        id = push_branch(near, peer, "near")
        print(f"pushed 64 MiB in {time.monotonic() - started:.2f} s")
        peer.close()
    assert bytes(far.repo.resolve("near")) == id
    far.repo.close()
    near.repo.close()


def test_a_stranger_is_told_why(port: int, tmp_path: Path) -> None:
    (tmp_path / "user.pub").write_text("")
    with pytest.raises(RemoteUnreachable) as raised:
        SshTunnel.open(SshAddress.parse(f"ssh://{getpass.getuser()}@127.0.0.1:{port}/x"))
    assert "Permission denied" in str(raised.value.cause)
