"""Signatures of versions and tags: where they rest, what exactly is signed, and whether they hold (SIGNING.md).

Detached, each in a ref of its own, so that they can be added later and travel with what they sign:

    signatures/VERSION/FINGERPRINT         VERSION: the id, FINGERPRINT: SHA-256 of the public key; both hex
    signatures/tags/NAME/FINGERPRINT

The value is the SSHSIG blob. Such a ref keeps nothing alive: collection takes it with what it signs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Protocol

from mvcd.ids import DIGEST_BYTES, Digest, VersionId
from mvcd.lateclasses import dataclass
from mvcd.repo.records.refs import SIGNATURES, TAGS, target_of
from mvcd.repo.trust import sshsig
from mvcd.store.api import RefUpdate, Store

TAG_SIGNATURES = SIGNATURES + "tags/"
VERSION_NAMESPACE = "mvc-version"
TAG_NAMESPACE = "mvc-tag"


class SignatureState(StrEnum):
    GOOD = "good"
    BAD = "bad"  # it is not by that key, not of this version, or no signature at all
    UNKNOWN_KEY = "unknown-key"  # made by its key, which may not sign here
    EXPIRED = "expired"  # its key was not valid when the version was made
    REVOKED = "revoked"
    UNCHECKED = "unchecked"  # nobody here could tell


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    """One signature and what became of it. `principal` is who the allowed-signers file says the key is."""

    state: SignatureState
    principal: str | None
    fingerprint: str  # "SHA256:...", as ssh-keygen -l prints it; "" where there is no telling
    key_type: str  # "ssh-ed25519", ...
    reason: str = ""  # why it is not good

    @property
    def good(self) -> bool:
        return self.state is SignatureState.GOOD


class Refs(Protocol):
    """What is asked of a store here."""

    def get(self, id: Digest) -> bytes: ...
    def ref(self, name: str) -> bytes | None: ...
    def refs(self, prefix: str = "") -> dict[str, bytes]: ...
    def has(self, ids: list[Digest]) -> list[bool]: ...


@dataclass(frozen=True, slots=True)
class Signable:
    """Something that can be signed: the bytes under a signature, the namespace, and where signatures rest."""

    prefix: str
    namespace: str
    message: bytes

    def ref(self, blob: bytes) -> str:
        """Where this signature rests. Raises ValueError when it is none, or is of another namespace."""
        found = sshsig.parse(blob)
        if found.namespace != self.namespace:
            raise ValueError(f"its namespace is {found.namespace!r}, not {self.namespace!r}")
        return self.prefix + found.fingerprint.hex()


def of_version(id: VersionId) -> Signable:
    return Signable(f"{SIGNATURES}{id}/", VERSION_NAMESPACE, f"mvc version {id}\n".encode())


def of_tag(name: str, value: bytes) -> Signable:
    """`value` is the tag's ref: what it points to and its message are signed, and its name."""
    head = f"mvc tag {name}\nversion {target_of(value)}\n\n".encode()
    return Signable(f"{TAG_SIGNATURES}{name}/", TAG_NAMESPACE, head + value[DIGEST_BYTES:])


def blobs(store: Refs, what: Signable) -> dict[str, bytes]:
    """By the fingerprint in the ref's name. Those of a tag `a/b` begin like those of `a`."""
    found = store.refs(what.prefix)
    return {
        rest: blob
        for name, blob in found.items()
        if "/" not in (rest := name.removeprefix(what.prefix))
    }


def signer_of(update: RefUpdate) -> str:
    """The fingerprint of the key behind a new signature, as people see it."""
    return sshsig.shown(bytes.fromhex(update.name.rpartition("/")[2]))


def travelling(
    store: Refs, versions: Collection[VersionId], tags: Collection[str]
) -> dict[str, bytes]:
    """The signature refs that go where these versions and tags go."""
    wanted = {f"{SIGNATURES}{id}" for id in versions} | {TAG_SIGNATURES + name for name in tags}
    return {
        name: value
        for name, value in store.refs(SIGNATURES).items()
        if name.rpartition("/")[0] in wanted
    }


def stale(store: Store, refs: Mapping[str, bytes]) -> Iterator[RefUpdate]:
    """Removals of the signatures whose version, or whose tag, is gone."""
    for name, value in refs.items():
        signed = _signed_by_name(name)
        gone = (
            store.ref(TAGS + signed) is None
            if isinstance(signed, str)
            else signed is None or not store.infos([signed])
        )
        if gone:
            yield RefUpdate(name, value, None)


def _signed_by_name(name: str) -> VersionId | str | None:
    """The version's id, or the tag's name, that a signature ref is about; None if it is about nothing."""
    above = name.rpartition("/")[0]
    if above.startswith(TAG_SIGNATURES):
        return above.removeprefix(TAG_SIGNATURES)
    try:
        return VersionId.parse(above.removeprefix(SIGNATURES))
    except ValueError:
        return None


def removals(store: Refs, tag: str) -> Iterable[RefUpdate]:
    """A tag's signatures go with it."""
    prefix = f"{TAG_SIGNATURES}{tag}/"
    for name, value in store.refs(prefix).items():
        if "/" not in name.removeprefix(prefix):
            yield RefUpdate(name, value, None)
