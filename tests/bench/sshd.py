"""A real sshd on loopback that lets one key in, for peers that store over SSH."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import Unmeasured
from serving import PATIENCE, free_port, wait_for

_SFTP = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
)


@dataclass(frozen=True)
class Sshd:
    port: int
    user: str
    key: Path


@contextmanager
def sshd(directory: Path) -> Iterator[Sshd]:
    """Keys and settings lie in `directory`. Raises Unmeasured when there is no sshd."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    sftp = next((path for path in _SFTP if os.path.exists(path)), None)
    if program is None or sftp is None:
        raise Unmeasured("sshd is not installed: apt-get install openssh-server")
    for name in ("host", "user"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name))
    port, settings = free_port(), directory / "sshd_config"
    settings.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nPidFile none\n"
        f"AuthorizedKeysFile {directory}/user.pub\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nSubsystem sftp {sftp}\n"
    )
    with (directory / "sshd.log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(settings)], stderr=log)
        try:
            _wait(port, process, Path(log.name))
            yield Sshd(port, getpass.getuser(), directory / "user")
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Raises Unmeasured with what sshd said, such as that /run/sshd is missing."""
    try:
        wait_for(port, process)
    except Unmeasured as error:
        raise Unmeasured(f"sshd: {log.read_text().strip() or error}") from error


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unmeasured(f"{command[0]}: {error}") from error
