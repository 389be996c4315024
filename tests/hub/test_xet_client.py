"""The real client, huggingface_hub with hf_xet, in processes of its own, against a real server."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.store.stores import open_store
from tests.daemon.serve.servers import Server, team

pytestmark = pytest.mark.tools

REPO = "lab/iris"
UPLOAD = """
import os, sys
from huggingface_hub import HfApi
at = HfApi().upload_file(path_or_fileobj=sys.argv[1], path_in_repo="model.bin", repo_id="lab/iris")
print(HfApi().hf_hub_download("lab/iris", "model.bin", revision=at.oid, local_dir=sys.argv[2]))
"""


class Place:
    """A server directory, the port of its hub, and homes of clients."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.token = team(directory / "server", REPO)
        self.port = 0

    def serve(self) -> Server:
        server = Server("--root", self.directory / "server", "--listen", "127.0.0.1:0",
                        "--hub", f"127.0.0.1:{self.port}")  # fmt: skip
        self.port = int(server.hub.rpartition(":")[2])
        return server

    def start(self, file: Path, home: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "HF_HOME": str(self.directory / home),
            "HF_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "HF_TOKEN": self.token,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        words = [sys.executable, "-c", UPLOAD, str(file), str(self.directory / f"{home}-down")]
        return subprocess.Popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def upload(self, file: Path, home: str) -> None:
        """Sends the file, gets it again, and compares."""
        client = self.start(file, home)
        said, _ = client.communicate(timeout=240)
        assert client.returncode == 0, said
        with open(said.splitlines()[-1], "rb") as found, open(file, "rb") as sent:
            same = [hashlib.file_digest(each, "sha256").digest() for each in (found, sent)]
        assert same[0] == same[1]

    def file(self, data: bytes) -> Path:
        path = self.directory / "model.bin"
        path.write_bytes(data)
        return path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)


def sent(server: Server) -> int:
    """Bytes of content that clients sent since the last question."""
    found = sum(call["received"] for call in server.calls() if call["call"] in ("xorb", "shard"))
    server.log.clear()
    return found


def test_a_change_of_one_per_cent_sends_two_at_most(place: Place) -> None:
    """Whether the client knows what it sent before, or nothing; whether the file begins as it did, or not."""
    rng = random.Random(1)
    data = bytearray(rng.randbytes(84_000_000))
    with place.serve() as server:
        place.upload(place.file(data), "one")
        assert 0.99 < sent(server) / len(data) < 1.01
        for home, begins in (("one", b""), ("two", b""), ("three", b'{"step": 7}')):
            at = rng.randrange(len(data) - 840_000)
            data[at : at + 840_000] = rng.randbytes(840_000)
            data[0:0] = begins
            place.upload(place.file(data), home)
            assert sent(server) / len(data) < 0.02, home
        uploads = place.directory / "server/uploads"
        assert [path.name for path in uploads.glob("*/*")] == []
        assert server.stop() == 0


def test_a_killed_server_loses_no_upload(place: Place) -> None:
    """It dies when the first xorb is in; the client is started anew and sends the rest."""
    data = random.Random(2).randbytes(160_000_000)
    file = place.file(data)
    with place.serve() as server:
        client = place.start(file, "home")
        while not any(call["call"] == "xorb" for call in server.calls()):
            assert client.poll() is None
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(30)
        assert not any(call["call"] == "shard" for call in server.calls())
    with place.serve() as server:
        client.communicate(timeout=240)
        assert client.returncode != 0  # its pass ended with the server
        place.upload(file, "home")
        assert server.stop() == 0


def test_a_repository_made_anew_under_its_name_gets_everything(place: Place) -> None:
    """What the client knows to be in the one that was removed, it does not claim to be in the other."""
    data = random.Random(3).randbytes(3_000_000)
    with place.serve() as server:
        place.upload(place.file(data), "home")
    Path(place.directory / "server").rename(place.directory / "gone")
    place.token = team(place.directory / "server", REPO)
    with place.serve() as server:
        place.upload(place.file(data), "home")
        assert sent(server) > len(data)
        assert server.stop() == 0


def test_what_was_lost_is_sent_again_by_the_next_upload(place: Place) -> None:
    data = random.Random(4).randbytes(3_000_000)
    with place.serve() as server:
        place.upload(place.file(data), "home")
    store = open_store(place.directory / "server/repos" / REPO)
    lost = [key for key, _ in store.cache_scan(b"xet/xorb/")]
    store.cache_put(dict.fromkeys(lost))
    store.close()
    with place.serve() as server:
        file = place.file(data + b"more")
        client = place.start(file, "home")
        said, _ = client.communicate(timeout=240)
        assert client.returncode != 0 and "400" in said, said
        place.upload(file, "home")
        assert server.stop() == 0
