"""`mlflow server` with the artifacts of a team in a repository, for clients without mvc.

pip install -e '.[dev,mlflow-server]' && pytest -m campaign tests/integrations
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import mvc
from mvcd.store.lmdb_store import LmdbStore

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3000)]

CLIENTS = 16
EACH = 63


@pytest.fixture
def bare(tmp_path: Path, work: Path) -> str:
    LmdbStore.create(tmp_path / "bare").close()
    return str(tmp_path / "bare")


@pytest.fixture
def server(tmp_path: Path, bare: str) -> Iterator[str]:
    """The URI of a server of two workers that answers."""
    pytest.importorskip("flask", reason="mlflow-skinny has no server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "2",
                "--backend-store-uri", f"sqlite:///{tmp_path}/tracking.db",
                "--artifacts-destination", f"mvc://{bare}@mlruns",
            ],
            env=environment(), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            while not answers(uri):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"{process.wait(0.2)}: {(tmp_path / 'log').read_text()}")
            yield uri
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def environment() -> dict[str, str]:
    return {
        **os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }  # fmt: skip


def answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=5) as answer:
            return bool(answer.read() == b"OK")
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def test_no_artifact_of_many_clients_is_lost(server: str, bare: str) -> None:
    program = Path(__file__).with_name("mlflow_clients.py")
    done = subprocess.run(
        [sys.executable, str(program), server, str(CLIENTS), str(EACH)],
        env=environment(), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    runs = json.loads(done.stdout.splitlines()[-1])
    expected = {
        f"0/{run}/artifacts/{number}.txt": f"{client} {number}".encode()
        for client, run in enumerate(runs)
        for number in range(EACH)
    }
    assert len(expected) == CLIENTS * EACH
    repo = mvc.Repo.open(bare)
    try:
        held = {row.path: repo.read(row.path, "mlruns") for row in repo.ls("mlruns")}
        assert held == expected
        assert len(list(repo.log("mlruns"))) == len(expected), "a version each"
        assert repo.verify().ok
    finally:
        repo.close()
