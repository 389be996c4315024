"""Versions to and from registries of OCI: Harbor, GHCR, ECR, Quay, Docker's and whatever a cluster has.

`push_artifact` makes of a version an artifact as ModelPack describes it (`ociartifact`), which oras, skopeo and
Kubernetes read; `pull_artifact` makes of one the next version of a branch.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from mvc.api.errors import Conflict, Failure, UsageError
from mvc.api.repo import Repo
from mvc.api.results import Listed, Monitor
from mvc.api.version_paths import long_form
from mvc.api.write_verbs import Symlink, Transaction
from mvc.integrations.ociartifact import ArtifactLayer, artifact_of, manifest_of
from mvc.integrations.ociregistry import Body, OciRegistry

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?")
_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_NAME_CHARACTERS = 255
_USUAL_TAG = "latest"
_SOURCE = "oci"
"""Key of the annotation that says where a version was pulled from."""


@dataclass(frozen=True, slots=True)
class PushedArtifact:
    """Result of a push: `address` is REGISTRY/NAME:TAG, `digest` the manifest's, which `sha256:` begins."""

    address: str
    digest: str
    version: str
    number: int
    files: int
    bytes_total: int
    blobs_sent: int
    bytes_sent: int  # the others were there


@dataclass(frozen=True, slots=True)
class PulledArtifact:
    """Result of a pull. `version` is what `branch` is at; `new` tells whether it was made now."""

    address: str
    digest: str
    branch: str
    version: str
    number: int
    new: bool
    files: int
    bytes_total: int
    bytes_received: int  # the others were here


@dataclass(frozen=True, slots=True)
class ArtifactAddress:
    """REGISTRY/NAME[:TAG|@DIGEST] taken apart; `reference` is the tag or digest."""

    registry: str
    name: str
    reference: str

    @classmethod
    def parse(cls, text: str) -> ArtifactAddress:
        """Takes apart an address; without a tag it is `latest`. Raises UsageError."""
        host, _, rest = text.removeprefix("oci://").partition("/")
        name, at, digest = rest.partition("@")
        name, colon, tag = name.partition(":")
        reference = digest if at else tag if colon else _USUAL_TAG
        if host == "docker.io" and "/" not in name:
            name = f"library/{name}"
        fit = _DIGEST.fullmatch(digest) if at else _TAG.fullmatch(reference)
        is_registry = "." in host or ":" in host or host == "localhost"
        if not (_HOST.fullmatch(host) and is_registry and _NAME.fullmatch(name) and fit):
            raise UsageError(
                f"{text} is no address of an artifact",
                help="REGISTRY/NAME[:TAG] or REGISTRY/NAME@sha256:HEX, as ghcr.io/ada/iris:v1",
            )
        if len(name) > _MAX_NAME_CHARACTERS:
            raise UsageError(f"the name in {text[:80]}... is longer than {_MAX_NAME_CHARACTERS}")
        return cls(host, name, reference)

    @property
    def is_digest(self) -> bool:
        return ":" in self.reference

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}{'@' if self.is_digest else ':'}{self.reference}"


@contextmanager
def _task(monitor: Monitor | None, name: str, total: int) -> Iterator[None]:
    if monitor is None:
        yield
        return
    monitor.begin(name, total_bytes=total)
    try:
        yield
    finally:
        monitor.finish()


# -------------------------------------------------------------------- push


def push_artifact(
    repo: Repo, rev: str, address: str, *, plain_http: bool = False, monitor: Monitor | None = None
) -> PushedArtifact:
    """Sends a version to a registry, and gives it the tag of `address`, `latest` if that has none.

    One blob a file, as it is read, and only those that the registry lacks; the manifest comes last, so that a
    tag never names what is not whole. A push that was interrupted goes on where it was. A tag that is there
    moves.

    Raises UsageError; AuthError, NotPermitted and RemoteUnreachable by the registry; Failure: kind
    "nothing-to-push", "too-many-files"; IntegrityError where it received something else.
    """
    to = ArtifactAddress.parse(address)
    if to.is_digest:
        raise UsageError(
            "a push goes to a tag, and the digest comes of what is pushed",
            help=f"{to.registry}/{to.name}:TAG",
        )
    version = repo.show(repo.resolve(rev))
    files = list(repo.ls(version.id, digest="sha256"))
    manifest, config = manifest_of(version, files)
    blobs = {cast(str, file.digest): file for file in files}
    with (
        OciRegistry(to.registry, to.name, "pull,push", plain_http=plain_http) as registry,
        _task(monitor, "push", sum(file.size for file in blobs.values())),
    ):
        sent = [
            file.size
            for digest, file in blobs.items()
            if _sent(registry, digest, file.size, _content(repo, version.id, file, monitor))
        ]
        _sent(registry, hashlib.sha256(config).hexdigest(), len(config), config)
        registry.send_manifest(to.reference, manifest)
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    total = sum(file.size for file in files)
    return PushedArtifact(
        str(to), digest, version.id, version.number, len(files), total, len(sent), sum(sent)
    )


def _sent(registry: OciRegistry, digest: str, size: int, body: Body) -> bool:
    """Whether the registry lacked the blob, and has it now."""
    if registry.has_blob(digest, size):
        return False
    registry.send_blob(digest, size, body)
    return True


def _content(repo: Repo, version: str, file: Listed, monitor: Monitor | None) -> Body:
    if file.mode == "symlink":
        return repo.read(file.path, version)
    if not file.size:
        return b""

    def opened() -> IO[bytes]:
        return cast(IO[bytes], _Counted(repo.open(file.path, version), monitor))

    return opened


class _Counted(io.RawIOBase):
    """A file that tells a monitor how much of it was read."""

    def __init__(self, file: io.RawIOBase, monitor: Monitor | None) -> None:
        self._file, self._monitor = file, monitor

    def readable(self) -> bool:
        return True

    def readinto(self, into: bytearray | memoryview) -> int:  # type: ignore[override]
        count = self._file.readinto(into) or 0
        if self._monitor is not None:
            self._monitor.advance(bytes_done=count)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


# -------------------------------------------------------------------- pull


def pull_artifact(
    repo: Repo,
    address: str,
    branch: str | None = None,
    *,
    plain_http: bool = False,
    monitor: Monitor | None = None,
) -> PulledArtifact:
    """Makes the next version of `branch`, by default the last part of the artifact's name, with just the files
    of an artifact. It has the author, time and message that the manifest tells, the trigger "import", and the
    annotation `oci` with the address by digest.

    All content is compared with its SHA-256 and size; files that the branch's newest version has are not
    received again. Nothing is made unless all of it came.

    Raises like `push_artifact`, and Failure: kind "no-such-artifact", "odd-artifact" for a manifest that is no
    artifact of files; IntegrityError for content that is not what its digest says; Conflict: kind
    "checked-out".
    """
    of = ArtifactAddress.parse(address)
    branch = branch or of.name.rpartition("/")[2]
    with OciRegistry(of.registry, of.name, "pull", plain_http=plain_http) as registry:
        data = registry.manifest(of.reference)
        artifact = artifact_of(data, str(of))
        pull = _Pull(repo, branch, registry, monitor)
        made = repo.transaction(
            long_form(f"heads/{branch}"), artifact.message or f"Pull {of}", author=artifact.author,
            time=artifact.time, trigger="import", replace=True,
        )  # fmt: skip
        with _task(monitor, "fetch", sum(layer.size for layer in artifact.layers)), made as changes:
            for layer in artifact.layers:
                pull.bring(layer, changes)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    version = made.result.version if made.result is not None else pull.tip
    assert version is not None
    if made.result is not None:
        repo.annotate(version, {_SOURCE: f"{of.registry}/{of.name}@{digest}"})
    total = sum(layer.size for layer in artifact.layers)
    return PulledArtifact(
        str(of), digest, branch, version, repo.show(version).number, made.result is not None,
        len(artifact.layers), total, pull.bytes_received,
    )  # fmt: skip


class _Pull:
    """Files on their way from a registry. `tip` is the branch's newest version."""

    def __init__(
        self, repo: Repo, branch: str, registry: OciRegistry, monitor: Monitor | None
    ) -> None:
        self._repo, self._registry, self._monitor = repo, registry, monitor
        found = next((b for b in repo.branches() if b.name == branch), None)
        if found is not None and found.current:
            raise Conflict(
                f"{branch} is checked out here", kind="checked-out",
                cause="what is pulled replaces the files of its branch",
                help="--branch NAME  (then mvc diff and mvc merge NAME)",
            )  # fmt: skip
        self.tip = None if found is None else found.version
        self.bytes_received = 0
        files = [] if self.tip is None else repo.ls(self.tip, digest="sha256")
        self._here = {(file.digest, file.mode): file.path for file in files}
        self._came: dict[tuple[str, str], str] = {}

    def bring(self, layer: ArtifactLayer, changes: Transaction) -> None:
        """Puts a file where it belongs: from here, or from the registry."""
        key = layer.digest, layer.mode
        if self.tip is not None and (path := self._here.get(key)) is not None:
            changes.copy(self.tip, path, layer.path)
            self._told(layer.size)
        elif layer.mode == "symlink":
            target = b"".join(self._registry.blob(layer.digest, layer.size))
            if b"\0" in target:
                raise Failure(f"{layer.path} is no possible link", kind="odd-artifact")
            changes.write(layer.path, Symlink(os.fsdecode(target)))
        elif key in self._came:
            changes.write(layer.path, self._came[key])
            self._told(layer.size)
        else:
            self._came[key] = self._received(layer, changes)

    def _received(self, layer: ArtifactLayer, changes: Transaction) -> str:
        with changes.open(layer.path) as file:
            for block in self._registry.blob(layer.digest, layer.size):
                file.write(block)
                self.bytes_received += len(block)
                self._told(len(block))
            if layer.mode == "executable":
                os.fchmod(file.fileno(), 0o700)
        return str(file.name)

    def _told(self, size: int) -> None:
        if self._monitor is not None:
            self._monitor.advance(bytes_done=size)
