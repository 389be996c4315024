"""Docker's own registry and skopeo: they agree with mvc on what an artifact is.  pytest -m tools"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import mvc
from tests.client.conftest import template
from tests.support.commandline import AUTHOR

__all__ = ["template"]
pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(shutil.which("docker-registry") is None, reason="no docker-registry here"),
]

CONFIG = """
version: 0.1
log: {{level: info}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "{host}"}}
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry that answers."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = tmp_path / "registry.yml"
    config.write_text(CONFIG.format(root=tmp_path / "registry", host=host))
    with subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        said = b""
        while b"listening on" not in said:
            said = process.stderr.readline()
            assert said, "the registry ended"
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        yield host
        process.terminate()
        drain.join()


@pytest.fixture
def repo(work: Path, template: Path) -> Iterator[mvc.Repo]:
    shutil.copytree(template, work, dirs_exist_ok=True)
    (work / "empty.csv").write_bytes(b"")
    (work / "model.safetensors").write_bytes(os.urandom(5 << 20))
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "last").symlink_to("model.safetensors")
    repo = mvc.Repo.open(work, author=AUTHOR)
    repo.add(".")
    repo.commit("third")
    yield repo
    repo.close()


def files_of(repo: mvc.Repo, rev: str) -> dict[str, tuple[str, bytes]]:
    return {f.path: (f.mode, repo.read(f.path, rev)) for f in repo.ls(rev)}


def test_there_and_back(repo: mvc.Repo, host: str) -> None:
    pushed = mvc.push_artifact(repo, "HEAD", f"{host}/team/iris:v3")
    again = mvc.push_artifact(repo, "HEAD", f"{host}/team/iris:same")
    assert (again.digest, again.bytes_sent) == (pushed.digest, 0)
    pulled = mvc.pull_artifact(repo, f"{host}/team/iris@{pushed.digest}")
    assert (pulled.new, pulled.bytes_received > 5 << 20) == (True, True)
    assert files_of(repo, "iris") == files_of(repo, "HEAD")
    with pytest.raises(mvc.Failure, match="no such artifact"):
        mvc.pull_artifact(repo, f"{host}/team/iris:v9")


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="no skopeo here")
def test_skopeo_agrees(repo: mvc.Repo, host: str, tmp_path: Path) -> None:
    pushed = mvc.push_artifact(repo, "HEAD", f"{host}/iris:v3")

    def skopeo(*words: str) -> bytes:
        return subprocess.run(["skopeo", *words], check=True, capture_output=True).stdout

    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{host}/iris:v3")
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == pushed.digest
    to, there = tmp_path / "copy", f"{host}/copied:v3"
    skopeo("copy", "--src-tls-verify=false", f"docker://{host}/iris:v3", f"dir:{to}")
    assert (to / "manifest.json").read_bytes() == raw
    for layer in json.loads(raw)["layers"]:
        path, name = layer["annotations"]["org.opencontainers.image.title"], layer["digest"]
        assert (to / name.removeprefix("sha256:")).read_bytes() == repo.read(path)
    skopeo("copy", "--dest-tls-verify=false", f"dir:{to}", f"docker://{there}")
    pulled = mvc.pull_artifact(repo, there, "back")
    assert pulled.digest == pushed.digest
    assert files_of(repo, "back") == files_of(repo, "HEAD")
