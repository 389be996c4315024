"""Which buckets are sealed, and how one becomes so (SEALED.md). Those that are not ask for no library."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mvcd.errors import AuthError, Conflict, Failure, IntegrityError
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, Blobs
from mvcd.store.bucket.bucketstate import REFS, SEALED_MAGIC

if TYPE_CHECKING:
    from types import ModuleType

KEY = "key"
"""The object that holds the bucket's key."""


def has_key(blobs: Blobs) -> bool:
    """Whether the bucket is sealed, also before anything was put into it."""
    try:
        blobs.get_ranges(KEY, [(0, 1)])
    except BlobAbsent:
        return False
    return True


def unsealed(blobs: Blobs, identity: str | None) -> Blobs:
    """Returns the bucket in the clear, by a private key of this machine. Raises AuthError where none fits, or
    where the bucket was never sealed; IntegrityError where its key is gone; Failure(kind="missing-extra")."""
    agekey, sealed = _libraries()
    try:
        data, _ = blobs.get(KEY)
    except BlobAbsent:
        if _is_sealed(blobs):
            raise IntegrityError(
                f"the object 'key' of {blobs.url} is gone",
                kind="sealed-object-changed",
                cause="it is encrypted, and without that object nobody can read it",
                help="put back that object from a version or a copy of the bucket",
            ) from None
        raise AuthError(
            f"{blobs.url} is not encrypted, as it should be",
            kind="not-sealed",
            cause="it has no object 'key': it was never encrypted, or somebody put another store in its place",
            help="mvc remote encrypt NAME RECIPIENT...  (on an empty bucket)",
        ) from None
    key = agekey.unwrap(data, identity, os.environ)
    return sealed.SealedBlobs(blobs, key)  # type: ignore[no-any-return]


def _is_sealed(blobs: Blobs) -> bool:
    try:
        return bytes(blobs.get(REFS)[0][: len(SEALED_MAGIC)]) == SEALED_MAGIC
    except BlobAbsent:
        return False


def seal(blobs: Blobs, recipients: Sequence[str], identity: str | None) -> bool:
    """Makes an empty bucket one that is sealed, to the recipients; gives a sealed one these recipients instead.
    Returns True for the former.

    Raises Failure(kind="not-empty") for a bucket with a store in the clear, Conflict where somebody else does
    that at the same time, UsageError, AuthError.
    """
    agekey, sealed = _libraries()
    try:
        data, tag = blobs.get(KEY)
    except BlobAbsent:
        _require_empty(blobs)
        made = agekey.wrap(secrets.token_bytes(sealed.KEY_BYTES), recipients)
        try:
            blobs.create(KEY, made)
        except BlobChanged:
            raise _raced(blobs) from None
        return True
    key = agekey.unwrap(data, identity, os.environ)
    try:
        blobs.swap(KEY, agekey.wrap(key, recipients), tag)
    except BlobChanged:
        raise _raced(blobs) from None
    return False


def _require_empty(blobs: Blobs) -> None:
    try:
        blobs.get_ranges(REFS, [(0, 1)])
    except BlobAbsent:
        return
    raise Failure(
        f"{blobs.url} has a repository already, which is not encrypted",
        kind="not-empty",
        cause="what is there stays readable for whoever has the bucket",
        help="mvc remote add OTHER URL, mvc remote encrypt OTHER RECIPIENT..., mvc push OTHER",
    )


def _raced(blobs: Blobs) -> Conflict:
    return Conflict(
        f"somebody else gave {blobs.url} its key just now",
        kind="key-changed",
        help="run the command again",
    )


def _libraries() -> tuple[ModuleType, ModuleType]:
    try:
        from mvcd.store.bucket import agekey, sealed  # late: an extra
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in ("pyrage", "cryptography"):
            raise
        raise Failure(
            "encrypted buckets need libraries that are not installed",
            kind="missing-extra",
            cause=f"{error.name} is not there",
            help="pip install 'mvcd[encrypt]'",
        ) from None
    return agekey, sealed
