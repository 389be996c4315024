"""A version as an in-toto statement: which files it has (OpenSSF Model Signing, OMS) or what made it (SLSA
provenance v1). ATTESTATIONS.md has the fields.
"""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mvc.api.errors import Failure, UsageError
from mvc.api.lineage import Lineage
from mvc.api.repo import Repo
from mvc.api.results import Component, Listed, Value
from mvc.api.versions import Version

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MODEL_PREDICATE = "https://model_signing/signature/v1.0"
SLSA_PREDICATE = "https://slsa.dev/provenance/v1"
KINDS = {"model-signing": MODEL_PREDICATE, "slsaprovenance1": SLSA_PREDICATE}
"""Predicate types by the names that `mvc attest --type` and cosign have for them."""

BESIDE = (".mvc", "mvc-manifest.json", "model.sig")
"""Lies beside the files of a version, in a workspace or an export."""
GITS = (".git", ".gitattributes", ".github", ".gitignore")
"""What model_signing leaves out unless it is told otherwise."""

_MADE = (Component.WEIGHTS, Component.RESULTS)
_LINK_VISITS = 40
"""Links that a path may lead through, as with Linux."""

Files = Mapping[str, str]
"""SHA-256 in hex by path."""


def statement_of(repo: Repo, rev: str, kind: str, builder_id: str | None = None) -> bytes:
    """Returns the statement of a version, JSON without spaces.

    Raises UsageError for an unknown kind; Failure: kind "nothing-to-attest", "link-leads-out", "not-utf8".
    """
    if kind not in KINDS:
        raise UsageError(f"there is no statement {kind!r}", help=f"--type {' | '.join(KINDS)}")
    version = repo.show(repo.resolve(rev))
    listed = list(repo.ls(version.id, digest="sha256"))
    files = digests_of(repo, version, listed)
    if kind == "model-signing":
        document = _model(version, listed, files)
    else:
        document = _slsa(version, repo.lineage(version.id), listed, files, builder_id)
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise Failure(
            f"v{version.number} has text that is not UTF-8", kind="not-utf8",
            cause=f"a statement is JSON, which cannot say {error.object[error.start : error.end]!a}",
        ) from error  # fmt: skip


def digests_of(repo: Repo, version: Version, listed: Sequence[Listed]) -> Files:
    """Returns each file's digest; of a link that of the file that it leads to. Raises Failure."""
    links = {
        row.path: repo.read(row.path, version.id).decode("utf-8", "surrogateescape")
        for row in listed
        if row.mode == "symlink"
    }
    plain = {row.path: row.digest for row in listed if row.digest and row.path not in links}
    folders = {parent for row in listed for parent in _parents(row.path)}
    found = dict(plain)
    for path, text in links.items():
        target = _end(path, links)
        if target in plain:
            found[path] = plain[target]
        elif target not in folders:
            raise Failure(
                f"{path} leads to {text}, which v{version.number} does not have",
                kind="link-leads-out",
                cause="a statement names the bytes that a link leads to",
            )
    if not found:
        raise Failure(
            f"v{version.number} has no files", kind="nothing-to-attest",
            help="mvc log  (shows versions that have some)",
        )  # fmt: skip
    return dict(sorted(found.items(), key=lambda one: one[0].split("/")))


def _parents(path: str) -> Iterable[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
    yield "."


def _end(path: str, links: Mapping[str, str]) -> str | None:
    """Where a link leads at last; None for out of the version, and for links in a circle."""
    for _ in range(_LINK_VISITS):
        parts = path.split("/")
        tops = ("/".join(parts[: n + 1]) for n in range(len(parts)))
        link = next((top for top in tops if top in links), None)
        if link is None:
            return path
        rest = path[len(link) + 1 :]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(link), links[link], rest))
        if path.startswith(("/", "../")) or path == "..":
            return None
    return None


def root_digest(digests: Iterable[str]) -> str:
    """Returns the SHA-256 of a model as OMS has it: over the digests of its files, in their order."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


# -------------------------------------------------------------------- which files there are


def _model(version: Version, listed: Sequence[Listed], files: Files) -> dict[str, Any]:
    signed = {path: digest for path, digest in files.items() if path.split("/")[0] not in GITS}
    if not signed:
        raise Failure(
            f"v{version.number} has only files that model_signing leaves out",
            kind="nothing-to-attest", cause=", ".join(files),
        )  # fmt: skip
    tops = {path.split("/")[0] for path in files}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [_resource(f"v{version.number}", root_digest(signed.values()))],
        "predicateType": MODEL_PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": any(row.mode == "symlink" for row in listed),
                "ignore_paths": [*GITS, *(name for name in BESIDE if name not in tops)],
            },
            "resources": [
                {"name": path, "algorithm": "sha256", "digest": digest}
                for path, digest in signed.items()
            ],
            "mvc": {"version": version.id, "number": version.number},
        },
    }


# -------------------------------------------------------------------- what made it


def _slsa(
    version: Version, made: Lineage, listed: Sequence[Listed], files: Files, builder_id: str | None
) -> dict[str, Any]:
    parts = {row.path: row.component for row in listed}
    products = [path for path in files if parts[path] in _MADE] or list(files)
    host = f"urn:mvc:host:{made.host}" if made.host else "urn:mvc"
    finished = version.time.astimezone(UTC)
    metadata = {"invocationId": _urn(version.id), "finishedOn": _time(finished)}
    if made.seconds is not None:
        metadata["startedOn"] = _time(finished - timedelta(seconds=made.seconds))
    return {
        "_type": STATEMENT_TYPE,
        "subject": [_resource(path, files[path]) for path in products],
        "predicateType": SLSA_PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:mvc:save" if made.seconds is None else "urn:mvc:run",
                "externalParameters": _known(
                    command=list(made.command),
                    seed=made.seed,
                    environment=dict(made.environment),
                    hyperparameters={k: _plain(v) for k, v in version.hyperparameters.items()},
                ),
                "internalParameters": _known(trigger=version.trigger, python=made.python),
                "resolvedDependencies": [
                    *_surroundings(version),
                    *(_resource(p, d) for p, d in files.items() if parts[p] not in _MADE),
                ],
            },
            "runDetails": {"builder": {"id": builder_id or host}, "metadata": metadata},
        },
    }


def _surroundings(version: Version) -> Iterable[dict[str, Any]]:
    for parent in version.parents:
        yield {"uri": _urn(parent)}
    made = version.provenance
    if made.git_commit:
        git = {"name": "git", "digest": {"gitCommit": made.git_commit}}
        yield {**git, "annotations": {"dirty": made.git_dirty}}
    if made.packages_digest:
        yield _resource("packages", made.packages_digest)


def _plain(value: Value) -> Value:
    """JSON has no NaN and no infinity: those are text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _known(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def _resource(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}


def _urn(id: str) -> str:
    return f"urn:mvc:version:{id}"


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
