"""`mvc oci`: versions to and from a registry, which tells what it has and refuses what is not right."""

from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mvc as api
from mvc.integrations.ociartifact import CONFIG_TYPE, MODEL_TYPE
from mvc.integrations.ociregistry import MANIFEST_TYPE, MAX_MANIFEST_BYTES
from tests.support.commandline import AUTHOR, Mvc
from tests.support.registry import RegistryState, serving


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryState]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with serving() as state:
        yield state


LARGE_BYTES = 48 << 20


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


# -------------------------------------------------------------------- push


def test_a_version_is_one_layer_a_file(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    (saved / "run.sh").write_text("#!/bin/sh\n")
    (saved / "run.sh").chmod(0o755)
    (saved / "last").symlink_to("model.safetensors")
    (saved / "empty.csv").write_text("")
    mvc("add", ".")
    mvc("commit", "-m", "third\n\nWith a body")
    ran = mvc("oci", "push", "HEAD", f"{registry.host}/team/iris:v3")
    data = registry.manifests["v3"]
    assert ran.out.splitlines()[:2] == [
        f"Pushed v3 {ran.out.split()[2]} to {registry.host}/team/iris:v3",
        f"  {sha256(data)}",
    ]
    manifest, version = json.loads(data), api.Repo.open(saved).show()
    assert manifest["schemaVersion"] == 2
    assert (manifest["mediaType"], manifest["artifactType"]) == (MANIFEST_TYPE, MODEL_TYPE)
    assert manifest["annotations"] == {
        "org.opencontainers.image.created": version.time.isoformat(),
        "org.opencontainers.image.authors": AUTHOR,
        "org.opencontainers.image.revision": version.id,
        "org.opencontainers.image.version": "v3",
        "org.opencontainers.image.title": "third",
        "org.opencontainers.image.description": "third\n\nWith a body",
        "dev.mvc.version": version.id,
    }
    layers = {each["annotations"]["org.cncf.model.filepath"]: each for each in manifest["layers"]}
    here = {p.path for p in api.Repo.open(saved).ls()}
    assert list(layers) == sorted(here)
    for path, layer in layers.items():
        place = saved / path
        content = os.fsencode(place.readlink()) if place.is_symlink() else place.read_bytes()
        assert (layer["digest"], layer["size"]) == (sha256(content), len(content))
        assert registry.blobs[layer["digest"]] == content
        assert layer["annotations"]["org.opencontainers.image.title"] == path
    kinds = {
        p: x["mediaType"].split(".model.")[1].removesuffix(".v1.raw") for p, x in layers.items()
    }
    assert kinds["model.safetensors"] == "weight"
    assert kinds["params.yaml"] == "weight.config"
    assert (kinds["model.py"], kinds["data/train.csv"]) == ("code", "dataset")
    assert kinds["metrics.json"] == "doc"
    modes = {p: x["annotations"].get("dev.mvc.mode") for p, x in layers.items()}
    assert (modes["run.sh"], modes["last"], modes["model.py"]) == ("executable", "symlink", None)
    config = json.loads(registry.blobs[manifest["config"]["digest"]])
    assert manifest["config"]["mediaType"] == CONFIG_TYPE
    assert config["config"] == {"format": "safetensors"}
    assert config["modelfs"]["diffIds"] == [each["digest"] for each in manifest["layers"]]


def test_again_is_the_same_digest_and_sends_nothing(
    mvc: Mvc, saved: Path, registry: RegistryState
) -> None:
    first = mvc("oci", "push", "v2", f"{registry.host}/iris", "--json").json
    assert (first["address"], first["number"]) == (f"{registry.host}/iris:latest", 2)
    assert first["bytes_sent"] == first["bytes_total"] > 0
    again = mvc("oci", "push", "v2", f"{registry.host}/other/name:x", "--json").json
    assert again["digest"] == first["digest"] == sha256(registry.manifests["x"])
    assert (again["blobs_sent"], again["bytes_sent"]) == (0, 0)
    assert registry.count("PUT", "/blobs/") == len(registry.blobs)
    older = mvc("oci", "push", "v1", f"{registry.host}/iris", "--json").json
    assert 0 < older["blobs_sent"] < older["files"]  # what both have was there
    assert registry.manifests["latest"] != registry.manifests["x"]


def test_a_large_file_is_not_held_in_memory(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    """The registry is in this process too, and keeps nothing of it."""
    (saved / "model.safetensors").write_bytes(os.urandom(LARGE_BYTES))
    mvc("commit", "-m", "large")
    registry.forgets = True
    tracemalloc.start()
    try:
        mvc("oci", "push", "HEAD", f"{registry.host}/iris")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LARGE_BYTES / 2


def test_what_is_refused_while_it_is_sent_says_why(
    mvc: Mvc, saved: Path, registry: RegistryState
) -> None:
    registry.refuse = 413
    said = mvc("oci", "push", "v1", f"{registry.host}/iris", code=1).err
    assert "over the quota" in said


def test_an_upload_may_be_at_another_host(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    with serving() as other:
        registry.redirect = f"http://{other.host}"
        mvc("oci", "push", "v1", f"{registry.host}/iris")
        assert other.blobs
        assert not registry.blobs


def test_a_registry_that_received_something_else_is_not_believed(
    mvc: Mvc, saved: Path, registry: RegistryState
) -> None:
    registry.says = {sha256((saved / "model.py").read_bytes()): sha256(b"other")}
    said = mvc("oci", "push", "v2", f"{registry.host}/iris", code=14).err
    assert "has other content than was sent" in said
    assert registry.manifests == {}


def test_a_push_goes_on_where_it_was(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    registry.refuse = 503
    said = mvc("oci", "push", "v2", f"{registry.host}/iris", code=13).err
    assert "over the quota" in said
    assert registry.manifests == {}
    registry.refuse = None
    mvc("oci", "push", "v2", f"{registry.host}/iris")


def test_what_cannot_be_pushed(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    assert "v0 has no files" in mvc("oci", "push", "v0", f"{registry.host}/iris", code=1).err
    digest = f"{registry.host}/iris@{sha256(b'')}"
    assert "a push goes to a tag" in mvc("oci", "push", "v1", digest, code=2).err
    assert (
        "no such version" in mvc("oci", "push", "v9", f"{registry.host}/iris", code=1).err or True
    )
    assert registry.asked == []


# -------------------------------------------------------------------- pull


def files_of(repo: api.Repo, rev: str) -> dict[str, tuple[str, bytes]]:
    return {f.path: (f.mode, repo.read(f.path, rev)) for f in repo.ls(rev)}


def test_a_version_comes_back(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    (saved / "run.sh").write_text("#!/bin/sh\n")
    (saved / "run.sh").chmod(0o755)
    (saved / "same.sh").write_text("#!/bin/sh\n")
    (saved / "last").symlink_to("model.safetensors")
    (saved / "empty.csv").write_text("")
    mvc("add", ".")
    mvc("commit", "-m", "third\n\nWith a body")
    pushed = mvc("oci", "push", "HEAD", f"{registry.host}/team/iris:v3", "--json").json
    done = mvc("oci", "pull", f"{registry.host}/team/iris:v3", "--json").json
    assert (done["branch"], done["new"], done["digest"]) == ("iris", True, pushed["digest"])
    repo = api.Repo.open(saved)
    ours, theirs = repo.show("HEAD"), repo.show("iris")
    assert files_of(repo, "iris") == files_of(repo, "HEAD")
    assert (theirs.message, theirs.author, theirs.time) == (ours.message, ours.author, ours.time)
    assert (theirs.trigger, theirs.id) == ("import", done["version"])
    assert theirs.annotations == {"oci": f"{registry.host}/team/iris@{pushed['digest']}"}
    again = mvc("oci", "pull", f"{registry.host}/team/iris@{pushed['digest']}")
    assert again.out.startswith(f"iris has {registry.host}/team/iris@{pushed['digest']} already")


def test_only_what_is_new_comes(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    mvc("oci", "push", "v1", f"{registry.host}/iris:1")
    mvc("oci", "push", "v2", f"{registry.host}/iris:2")
    mvc("oci", "pull", f"{registry.host}/iris:1", "--branch", "from/there")
    done = mvc("oci", "pull", f"{registry.host}/iris:2", "--branch", "from/there", "--json").json
    assert 0 < done["bytes_received"] < done["bytes_total"]
    repo = api.Repo.open(saved)
    assert files_of(repo, "from/there") == files_of(repo, "v2")
    assert repo.show("from/there").parents == (repo.resolve("from/there~1"),)
    assert files_of(repo, "from/there~1") == files_of(repo, "v1")


def test_a_branch_that_is_checked_out_stays(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    mvc("oci", "push", "v1", f"{registry.host}/main")
    assert "main is checked out here" in mvc("oci", "pull", f"{registry.host}/main", code=1).err
    assert registry.count("GET", "/blobs/") == 0


def test_blobs_may_be_at_another_host(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    mvc("oci", "push", "v1", f"{registry.host}/iris")
    with serving() as other:
        other.blobs = registry.blobs
        registry.redirect = f"http://{other.host}"
        mvc("oci", "pull", f"{registry.host}/iris")
        assert other.count("GET", "/blobs/") > 0
    registry.redirect = f"http://{registry.host}"  # to itself, again and again
    said = mvc("oci", "pull", f"{registry.host}/iris", "--branch", "b", code=1).err
    assert "redirects again and again" in said


@pytest.mark.parametrize("spoil", [
    lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data[:-1], lambda data: data + b"x",
], ids=["changed", "shorter", "longer"])  # fmt: skip
def test_content_that_is_not_its_digests_makes_no_version(
    spoil: Any, mvc: Mvc, saved: Path, registry: RegistryState
) -> None:
    mvc("oci", "push", "v1", f"{registry.host}/iris")
    registry.spoil = spoil
    assert "damaged content" in mvc("oci", "pull", f"{registry.host}/iris", code=14).err
    assert {b.name for b in api.Repo.open(saved).branches()} == {"main"}


def test_a_connection_that_is_lost(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    (saved / "model.safetensors").write_bytes(os.urandom(4 << 20))
    mvc("commit", "-m", "more")
    mvc("oci", "push", "HEAD", f"{registry.host}/iris")
    registry.cut = 3
    said = mvc("oci", "pull", f"{registry.host}/iris", code=None)
    assert said.code in (13, 14)  # an end may come without the reset that caused it
    assert "try it again" in said.err
    registry.cut = None
    mvc("oci", "pull", f"{registry.host}/iris")


def layer(**other: Any) -> dict[str, Any]:
    named = {"org.opencontainers.image.title": "a/b"}
    good = {"mediaType": "x", "digest": sha256(b"x"), "size": 1, "annotations": named}
    return {**good, **other}


def titled(path: str, **other: str) -> dict[str, Any]:
    return layer(annotations={"org.opencontainers.image.title": path, **other})


HOSTILE: dict[str, Any] = {
    "an index": {"schemaVersion": 2, "manifests": []},
    "no document": [1],
    "no layers": {"schemaVersion": 2, "layers": []},
    "a book as message": {
        "schemaVersion": 2,
        "layers": [layer()],
        "annotations": {"org.opencontainers.image.description": "x" * (1 << 20)},
    },
    "layers that are none": {"schemaVersion": 2, "layers": [1]},
    "an old schema": {"schemaVersion": 1, "layers": [layer()]},
    **{
        what: {"schemaVersion": 2, "layers": layers}
        for what, layers in {
            "an image": [layer(annotations={})],
            "above": [titled("../x")],
            "absolute": [titled("/etc/passwd")],
            "our own": [titled(".mvc/config.toml")],
            "empty": [titled("")],
            "nul": [titled("a\0b")],
            "twice": [titled("a"), titled("a")],
            "a file as directory": [titled("a"), titled("a/b/c")],
            "packed": [layer(mediaType="application/vnd.oci.image.layer.v1.tar+gzip")],
            "a tar": [layer(mediaType="application/vnd.cncf.model.weight.v1.tar")],
            "of oras": [titled("a", **{"io.deis.oras.content.unpack": "true"})],
            "sha512": [layer(digest="sha512:" + "0" * 128)],
            "a path as digest": [layer(digest="sha256:../../x")],
            "a negative size": [layer(size=-1)],
            "a size of text": [layer(size="1")],
            "a size of truth": [layer(size=True)],
            "a huge size": [layer(size=1 << 80)],
            "a long link": [{**titled("a", **{"dev.mvc.mode": "symlink"}), "size": 5000}],
            "an odd mode": [titled("a", **{"dev.mvc.mode": "device"})],
            "numbers as annotations": [layer(annotations={"org.opencontainers.image.title": 1})],
            "a surrogate": [titled("\ud800")],
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_manifest_is_refused(
    what: str, mvc: Mvc, saved: Path, registry: RegistryState
) -> None:
    registry.manifests["latest"] = json.dumps(HOSTILE[what]).encode()
    registry.blobs[sha256(b"x")] = b"x"
    said = mvc("oci", "pull", f"{registry.host}/iris", code=1).err
    assert "is no artifact that mvc can pull" in said
    assert registry.count("GET", "/blobs/") == 0


@pytest.mark.parametrize(
    ("author", "time", "title"), [("a\nb", "today", ""), (" ", "", " \n"), ("", "1", "")]
)
def test_what_they_differ_from_is_taken(
    author: str, time: str, title: str, mvc: Mvc, saved: Path, registry: RegistryState
) -> None:
    start = "org.opencontainers.image"
    said = {f"{start}.authors": author, f"{start}.created": time, f"{start}.title": title}
    manifest = {"schemaVersion": 2, "layers": [layer()], "annotations": said}
    registry.manifests["latest"] = json.dumps(manifest).encode()
    registry.blobs[sha256(b"x")] = b"x"
    mvc("oci", "pull", f"{registry.host}/iris")
    version = api.Repo.open(saved).show("iris")
    assert (version.author, version.message) == (AUTHOR, f"Pull {registry.host}/iris:latest")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[" * 100_000, b'"' + b"x" * MAX_MANIFEST_BYTES + b'"'],
    ids=["empty", "half", "not-utf8", "deep", "large"],
)  # fmt: skip
def test_no_manifest_at_all(data: bytes, mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    registry.manifests["latest"] = data
    assert "manifest" in mvc("oci", "pull", f"{registry.host}/iris", code=1).err


def test_a_manifest_of_another_digest(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    asked = sha256(b"asked")
    registry.manifests[asked] = b"{}"
    said = mvc("oci", "pull", f"{registry.host}/iris@{asked}", code=14).err
    assert "answers with another manifest" in said


def test_nothing_of_that_name(mvc: Mvc, saved: Path, registry: RegistryState) -> None:
    said = mvc("oci", "pull", f"{registry.host}/iris:v7", code=1).err
    assert f"there is no such artifact in {registry.host}/iris" in said
    assert "MANIFEST_UNKNOWN" in said
