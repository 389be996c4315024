"""Artifacts of the CNCF's ModelPack specification: a version as a manifest, and a manifest as files.

A manifest is an image manifest of OCI with `artifactType` MODEL_TYPE, a small configuration, and one layer a
file, whose media type says what part it is. A layer is the bytes of the file; it has two annotations with its
path, `org.cncf.model.filepath` for programs of ModelPack and `org.opencontainers.image.title` for oras, and
`dev.mvc.mode`, "executable" or "symlink" (the layer is then the link's text), if it is no ordinary file.

All of it comes from the version: whoever pushes it, to wherever, the manifest has the same digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mvc.api.errors import Failure
from mvc.api.import_verbs import unfit_path
from mvc.api.results import Component, Listed
from mvc.api.versions import Version
from mvc.integrations.ociregistry import MANIFEST_TYPE, MAX_MANIFEST_BYTES

MODEL_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
_LAYER_TYPE = "application/vnd.cncf.model.{}.v1.raw"
_KINDS: Mapping[Component, str] = {
    Component.ARCHITECTURE: "code",
    Component.WEIGHTS: "weight",
    Component.HYPERPARAMETERS: "weight.config",
    Component.DATA: "dataset",
    Component.RESULTS: "doc",
}
_FORMATS = {
    ".safetensors": "safetensors", ".gguf": "gguf", ".onnx": "onnx", ".pt": "pytorch", ".pth": "pytorch",
    ".keras": "keras", ".h5": "keras",
}  # fmt: skip
"""What `config.format` says of weights, by the end of their names."""

_PATH, _TITLE, _MODE = (
    "org.cncf.model.filepath", "org.opencontainers.image.title", "dev.mvc.mode",
)  # fmt: skip
_CREATED, _AUTHORS = "org.opencontainers.image.created", "org.opencontainers.image.authors"
_MESSAGE, _VERSION = "org.opencontainers.image.description", "dev.mvc.version"
_PACKED = re.compile(r"[.+](tar|gzip|zstd)\b")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MODES = ("file", "executable", "symlink")
_MAX_FILE_BYTES = 1 << 50
_MAX_LINK_BYTES = 4096
_MAX_AUTHOR_CHARACTERS = 256
_MAX_MESSAGE_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class ArtifactLayer:
    """One file of an artifact. `digest` is its SHA-256 in hex; `mode` "file", "executable" or "symlink"."""

    path: str
    digest: str
    size: int
    mode: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A manifest taken apart: its files, and what it says of the version."""

    layers: tuple[ArtifactLayer, ...]
    message: str | None
    author: str | None
    time: datetime | None


# -------------------------------------------------------------------- a version as a manifest


def manifest_of(version: Version, files: Iterable[Listed]) -> tuple[bytes, bytes]:
    """Returns the manifest of a version, and its configuration. `files` have their SHA-256.

    Raises Failure: kind "nothing-to-push", or "too-many-files" for a manifest that no registry has to take.
    """
    listed = sorted(files, key=lambda file: file.path)
    if not listed:
        raise Failure(
            f"v{version.number} has no files", kind="nothing-to-push",
            help="mvc log  (shows versions that have some)",
        )  # fmt: skip
    config = _packed(_configuration(version, listed))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": MODEL_TYPE,
        "config": _descriptor(CONFIG_TYPE, hashlib.sha256(config).hexdigest(), len(config)),
        "layers": [_layer(file) for file in listed],
        "annotations": {
            _CREATED: version.time.isoformat(),
            _AUTHORS: version.author,
            "org.opencontainers.image.revision": version.id,
            "org.opencontainers.image.version": f"v{version.number}",
            _TITLE: version.message.partition("\n")[0],
            _MESSAGE: version.message,
            _VERSION: version.id,
        },
    }
    data = _packed(manifest)
    if len(data) > MAX_MANIFEST_BYTES:
        raise Failure(
            f"v{version.number} has too many files for one artifact", kind="too-many-files",
            cause=f"a manifest of {len(listed)} files has {len(data)} B, and registries take "
            f"{MAX_MANIFEST_BYTES} B",
            help="mvc export REV DIR  and push an archive of it",
        )  # fmt: skip
    return data, config


def _configuration(version: Version, files: Iterable[Listed]) -> dict[str, Any]:
    ends = {os.path.splitext(f.path)[1] for f in files if f.component is Component.WEIGHTS}
    formats = {_FORMATS[end] for end in ends if end in _FORMATS}
    return {
        "descriptor": {
            "createdAt": version.time.isoformat(),
            "authors": [version.author],
            "version": f"v{version.number}",
            "revision": version.id,
            "title": version.message.partition("\n")[0],
        },
        "config": {"format": formats.pop()} if len(formats) == 1 else {},
        "modelfs": {"type": "layers", "diffIds": [f"sha256:{file.digest}" for file in files]},
    }


def _layer(file: Listed) -> dict[str, Any]:
    assert file.digest is not None
    kind = _LAYER_TYPE.format(_KINDS[file.component])
    mode = {} if file.mode == "file" else {_MODE: file.mode}
    said = {_PATH: file.path, _TITLE: file.path, **mode}
    return {**_descriptor(kind, file.digest, file.size), "annotations": said}


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": size}


def _packed(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


# -------------------------------------------------------------------- a manifest as files


def artifact_of(data: bytes, shown: str) -> Artifact:
    """Takes a manifest apart, of which nothing is believed. `shown` names it in errors. Raises Failure: kind
    "odd-artifact"."""
    try:
        document = json.loads(data)
        found = _artifact(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise Failure(
            f"{shown} is no artifact that mvc can pull", kind="odd-artifact", cause=why,
            help=f"oras manifest fetch {shown}  (shows it)",
        ) from error  # fmt: skip
    return found


def _artifact(document: Any) -> Artifact:
    if document["schemaVersion"] != 2 or "manifests" in document:
        raise ValueError("it is no image manifest of OCI, but perhaps an index of several")
    layers = tuple(_layer_of(each) for each in document["layers"])
    if not layers:
        raise ValueError("it has no files")
    _require_apart([layer.path for layer in layers])
    said = _annotations(document)
    message = _message(said.get(_MESSAGE, "")) or _message(said.get(_TITLE, ""))
    author, time = _author(said.get(_AUTHORS, "")), _time(said.get(_CREATED, ""))
    return Artifact(layers, message, author, time)


def _layer_of(layer: Any) -> ArtifactLayer:
    said, kind = _annotations(layer), str(layer["mediaType"])
    path = said.get(_PATH) or said.get(_TITLE)
    digest, size, mode = layer["digest"], layer["size"], said.get(_MODE, "file")
    if path is None:
        raise ValueError("a layer has no path: images of containers are no artifacts")
    if (why := unfit_path(path)) is not None:
        raise ValueError(f"no version can have a file at {path!r}: {why}")
    if _PACKED.search(kind) or "io.deis.oras.content.unpack" in said:
        raise ValueError(f"{path!r} is packed ({kind}), and mvc takes files as they are")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ValueError(f"{path!r} has no SHA-256, but {str(digest)[:80]!r}")
    if type(size) is not int or not 0 <= size <= _MAX_FILE_BYTES:
        raise ValueError(f"{path!r} has no possible size: {str(size)[:40]}")
    if mode not in _MODES or (mode == "symlink" and not 0 < size <= _MAX_LINK_BYTES):
        raise ValueError(f"{path!r} is no possible file: {_MODE} {mode[:40]!r} of {size} B")
    return ArtifactLayer(path, digest.removeprefix("sha256:"), size, mode)


def _annotations(of: Mapping[str, Any]) -> dict[str, str]:
    found = dict(of.get("annotations") or {})
    if not all(isinstance(text, str) for text in found.values()):
        raise ValueError("an annotation is no text")
    for text in found.values():
        text.encode()  # a lone surrogate is no text
    return found


def _require_apart(paths: Iterable[str]) -> None:
    """No two files at one path, and none where another has its directory."""
    files = set[str]()
    for path in paths:
        if path in files:
            raise ValueError(f"two layers are {path!r}")
        files.add(path)
    for path in files:
        parent = os.path.dirname(path)
        while parent:
            if parent in files:
                raise ValueError(f"{parent!r} is a file and has a file in it")
            parent = os.path.dirname(parent)


def _message(text: str) -> str | None:
    if len(text.encode()) > _MAX_MESSAGE_BYTES:
        raise ValueError(f"its message has more than {_MAX_MESSAGE_BYTES} B")
    return text if text.strip() else None


def _author(text: str) -> str | None:
    """An author, where it is one line of a sensible length."""
    text = text.strip()
    fit = 0 < len(text) <= _MAX_AUTHOR_CHARACTERS and text.isprintable()
    return text if fit else None


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
