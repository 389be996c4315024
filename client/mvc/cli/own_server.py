"""A server for one command alone: on a port of loopback that the system chooses, gone when the command ends."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from mvc.api.errors import DaemonError


@contextmanager
def own_server(repository: str) -> Iterator[str]:
    """Serves a repository, workspace or bare, and takes pushes; yields its address. Raises DaemonError."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mvcd.daemon", "serve", "--workspace", repository, "--write",
             "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                process.wait()
                errors.seek(0)
                said = errors.read().decode("utf-8", "replace").strip().splitlines()
                raise DaemonError(
                    "mvcd serve did not start", kind="not-started", cause=said[-1] if said else None
                )
            yield line.rstrip("\n").rpartition(": ")[2]
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()
