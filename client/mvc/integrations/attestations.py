"""Signed statements about a version, for tools of the supply chain: `attest` and `verify_attestation`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mvc.api.errors import Failure, IntegrityError
from mvc.api.repo import Repo
from mvc.integrations import bundles, statements
from mvc.integrations.bundles import Password

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"urn:mvc:version:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Attestation:
    """A statement whose signature is good, compared with files.

    `kind` is "model-signing" or "slsaprovenance1"; `key` the SHA-256 of the public key in PEM; `version` the id
    that the statement says it is about, "" if it says none. Paths are `changed` if the bytes are others,
    `missing` if they are not there, `extra` if the statement, which names all files, does not name them.
    """

    kind: str
    key: str
    version: str
    builder: str
    files: int
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all files are as they were signed."""
        return not (self.changed or self.missing or self.extra)


def attest(
    repo: Repo,
    rev: str = "HEAD",
    *,
    kind: str = "model-signing",
    key: str | os.PathLike[str] | None = None,
    password: Password | None = None,
    builder_id: str | None = None,
) -> bytes:
    """Returns an in-toto statement about a version, signed by `key`, an ECDSA key in a file, as a Sigstore
    bundle; without a key the bare statement.

    Kind "model-signing" says which files there are: `model_signing verify key` compares a checkout or an export
    with it. "slsaprovenance1" says what made them; `builder_id` is then the URI of who did. `password` is
    called for a key that has one.

    Raises UsageError; Failure: kind "nothing-to-attest", "link-leads-out", "not-utf8", "missing-extra";
    AuthError for a key that does not open.
    """
    opened = None if key is None else bundles.private_key(os.fspath(key), password)
    statement = statements.statement_of(repo, rev, kind, builder_id)
    return statement if opened is None else bundles.sealed(statement, opened)


def verify_attestation(
    bundle: bytes,
    key: str | os.PathLike[str],
    *,
    repo: Repo | None = None,
    rev: str = "HEAD",
    directory: str | os.PathLike[str] | None = None,
    ignore: Iterable[str] = (),
) -> Attestation:
    """Checks the signature of a bundle by a public key, then compares the files that it names with `directory`,
    of which they are read, or with version `rev` of `repo`.

    "model-signing" has to name all files but those below the paths in `ignore`, as where the bundle itself
    lies; "slsaprovenance1" names some, which have to be there.

    Raises IntegrityError: kind "bad-signature", "odd-bundle"; AuthError for a key that does not open; Failure:
    kind "missing-extra", "link-in-the-way".
    """
    opened = bundles.public_key(os.fspath(key))
    found = _read(bundles.opened(bundle, opened))
    found = replace(found, ignored=(*found.ignored, *ignore))
    if directory is not None:
        there = _files_in(os.fspath(directory), found)
    elif repo is not None:
        version = repo.show(repo.resolve(rev))
        listed = list(repo.ls(version.id, digest="sha256"))
        there = {
            path: digest
            for path, digest in statements.digests_of(repo, version, listed).items()
            if not found.ignores(path)
        }
    else:
        raise TypeError("verify_attestation needs a repo or a directory")
    both = found.files.keys() & there.keys()
    return Attestation(
        found.kind, bundles.fingerprint(opened), found.version, found.builder, len(found.files),
        changed=tuple(sorted(path for path in both if found.files[path] != there[path])),
        missing=tuple(sorted(found.files.keys() - there.keys())),
        extra=tuple(sorted(there.keys() - found.files.keys() if found.whole else ())),
    )  # fmt: skip


# -------------------------------------------------------------------- statements of others


@dataclass(frozen=True, slots=True)
class _Statement:
    """A signed statement taken apart. `whole`: it names all files but those below `ignored`."""

    kind: str
    version: str
    builder: str
    files: Mapping[str, str]
    whole: bool = False
    links: bool = True
    ignored: tuple[str, ...] = ()

    def ignores(self, path: str) -> bool:
        return any(path == one or path.startswith(one + "/") for one in self.ignored)


def _read(statement: bytes) -> _Statement:
    try:
        document = json.loads(statement)
        if document["_type"] != statements.STATEMENT_TYPE:
            raise ValueError(f"it is a {str(document['_type'])[:80]!a}")
        kind, predicate = document["predicateType"], document["predicate"]
        if kind == statements.MODEL_PREDICATE:
            return _model(document["subject"], predicate)
        if kind == statements.SLSA_PREDICATE:
            return _slsa(document["subject"], predicate)
        raise ValueError(f"its predicate is {str(kind)[:80]!a}, which mvc does not know")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise IntegrityError(
            "the signed statement is none that mvc can check", kind="odd-bundle", cause=why
        ) from error


def _model(subject: Any, predicate: Any) -> _Statement:
    said = predicate["serialization"]
    if said["method"] != "files" or said["hash_type"] != "sha256":
        raise ValueError(
            f"its digests are of {str(said['method'])[:40]!a} by {str(said['hash_type'])[:40]!a},"
            " and mvc compares those of files by sha256"
        )
    rows = [(_path(row["name"]), _digest(row["digest"])) for row in predicate["resources"]]
    if len(subject) != 1 or subject[0]["digest"]["sha256"] != statements.root_digest(
        digest for _, digest in rows
    ):
        raise ValueError("its subject is not the digest of its files")
    version = str((predicate.get("mvc") or {}).get("version", ""))
    ignored = tuple(str(path).rstrip("/") for path in said.get("ignore_paths") or ())
    return _Statement(
        "model-signing", version if _DIGEST.fullmatch(version) else "", "", _apart(rows),
        whole=True, links=said["allow_symlinks"] is True, ignored=ignored,
    )  # fmt: skip


def _slsa(subject: Any, predicate: Any) -> _Statement:
    rows = [(_path(row["name"]), _digest(row["digest"]["sha256"])) for row in subject]
    made = predicate["runDetails"]
    named = _ID.fullmatch(str((made.get("metadata") or {}).get("invocationId", "")))
    builder = str(made["builder"]["id"])
    return _Statement("slsaprovenance1", named[1] if named else "", builder, _apart(rows))


def _apart(rows: list[tuple[str, str]]) -> dict[str, str]:
    files = dict(rows)
    if len(files) < len(rows):
        raise ValueError("it names a file twice")
    return files


def _path(name: Any) -> str:
    if not isinstance(name, str) or not name or name.startswith("/") or ".." in name.split("/"):
        raise ValueError(f"{str(name)[:80]!a} is no path in a model")
    return name


def _digest(text: Any) -> str:
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise ValueError(f"{str(text)[:80]!a} is no SHA-256")
    return text


# -------------------------------------------------------------------- directories


def _files_in(top: str, found: _Statement) -> dict[str, str]:
    """SHA-256 of the files that count: all but the ignored, or those that are named."""
    if not os.path.isdir(top):
        raise Failure(f"{top} is no directory", kind="no-directory")
    wanted = _walked(top, found) if found.whole else (p for p in found.files)
    return {path: digest for path in wanted if (digest := _of(top, path, found)) is not None}


def _walked(top: str, found: _Statement) -> Iterator[str]:
    """Links to directories are not followed, as by model_signing."""
    for folder, folders, names in os.walk(top, onerror=_raise):
        inside = os.path.relpath(folder, top)
        prefix = "" if inside == "." else f"{inside}/"
        folders[:] = [name for name in folders if not found.ignores(prefix + name)]
        yield from (prefix + name for name in names if not found.ignores(prefix + name))


def _raise(error: OSError) -> None:
    raise error


def _of(top: str, path: str, found: _Statement) -> str | None:
    place = os.path.join(top, path)
    if not found.links and os.path.islink(place):
        raise Failure(
            f"{path} is a symbolic link, and the statement was made of a model without links",
            kind="link-in-the-way",
        )
    if not os.path.isfile(place):
        return None
    with open(place, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
