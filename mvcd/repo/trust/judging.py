"""Whether signatures hold: against an allowed-signers file, a revocation file and the version's own time.

Needs a store and no workspace, so a team server and a promotion gate ask the same function as a person does.
The signature's mathematics, principals, patterns, certificates and windows are ssh-keygen's; here its answers
are put in order, and hostile numbers of signatures are kept from costing a process each.
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.objects.version import Version
from mvcd.repo.records.refs import TAGS, target_of
from mvcd.repo.trust import sshsig
from mvcd.repo.trust.keygen import Keygen
from mvcd.repo.trust.signatures import (
    Refs,
    Signable,
    SignatureState,
    SignatureStatus,
    blobs,
    of_tag,
    of_version,
)

MAX_STRANGER_SIGNATURES = 64
"""Most signatures of a version, by keys that the allowed-signers file does not name, that are checked; as many
again by certificates of an authority that it names."""

_LAST_TIME_SECONDS = 253_402_300_799
"""9999-12-31: beyond it ssh-keygen has no way to write a time."""

_WINDOW = re.compile(r"valid-(after|before)=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may sign. `allowed` is the text of an allowed-signers file, None when there is none: then no
    signature is good. `revoked` is the path of a revocation file (a KRL, or public keys one a line)."""

    allowed: str | None = None
    revoked: str | None = None
    keygen: Keygen = field(default_factory=Keygen)

    def __post_init__(self) -> None:
        if self.revoked is not None and not os.access(self.revoked, os.R_OK):
            raise Failure(
                f"cannot read {self.revoked}", kind="no-revocation-file",
                cause="signing.revoked names it, and without it no key can be called good",
                help="mvc config set signing.revoked FILE  (or: mvc config unset signing.revoked)",
            )  # fmt: skip


def signature_status(store: Refs, id: VersionId, trust: Trust) -> list[SignatureStatus]:
    """What became of each signature of a version, the good ones first; [] when it has none.

    Raises MissingObject when the version is not in the store, Failure(kind="no-ssh-keygen").
    """
    return _judged(store, of_version(id), id, trust)


def tag_signature_status(store: Refs, name: str, trust: Trust) -> list[SignatureStatus]:
    """The same of a tag's signatures; [] as well when there is no such tag."""
    value = store.ref(TAGS + name)
    return [] if value is None else _judged(store, of_tag(name, value), target_of(value), trust)


def _judged(store: Refs, what: Signable, id: VersionId, trust: Trust) -> list[SignatureStatus]:
    found = blobs(store, what)
    if not found:
        return []
    at = _moment(Version.decode(store.get(id)).time_us)
    with _file(trust.allowed) as path:
        judge = _Judge(what, at, trust, path)
        statuses = judge.all(found)
    return sorted(statuses, key=lambda s: (list(SignatureState).index(s.state), s.fingerprint))


def _moment(time_us: int) -> str:
    seconds = min(max(1, time_us // 1_000_000), _LAST_TIME_SECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}"


@contextmanager
def _file(text: str | None) -> Iterator[str | None]:
    """ssh-keygen reads its allowed signers from a file only."""
    if text is None:
        yield None
        return
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", errors="surrogateescape", prefix="mvc-signers-"
    ) as file:
        file.write(text)
        file.flush()
        yield file.name


class _Judge:
    """Judges the signatures of one thing made at one time."""

    def __init__(self, what: Signable, at: str, trust: Trust, allowed: str | None) -> None:
        self._what = what
        self._at = at
        self._trust = trust
        self._allowed = allowed
        self._lines = _key_lines(trust.allowed or "")
        self._seen = Counter[bool]()  # keys without a line: by whether an authority is in them

    def all(self, found: dict[str, bytes]) -> list[SignatureStatus]:
        return [self._one(name, blob) for name, blob in sorted(found.items())]

    def _one(self, name: str, blob: bytes) -> SignatureStatus:
        try:
            signature = sshsig.parse(blob)
            if self._what.ref(blob) != self._what.prefix + name:
                raise ValueError("it is filed under another key's fingerprint")
        except ValueError as error:
            return SignatureStatus(SignatureState.BAD, None, "", "", str(error))
        state, principal, reason = self._verdict(signature, blob)
        fingerprint = sshsig.shown(signature.fingerprint)
        return SignatureStatus(state, principal, fingerprint, signature.key_type, reason)

    def _verdict(
        self, signature: sshsig.Signature, blob: bytes
    ) -> tuple[SignatureState, str | None, str]:
        line = self._lines.get(signature.public_key)
        certified = signature.certified and any(k in signature.public_key for k in self._lines)
        if line is None:
            self._seen[certified] += 1
            if self._seen[certified] > MAX_STRANGER_SIGNATURES:
                return (
                    SignatureState.UNCHECKED,
                    None,
                    f"more than {MAX_STRANGER_SIGNATURES} by keys not named here",
                )
        found = self._by_file(blob, line, certified=certified)
        if (
            found[0] is not SignatureState.GOOD
        ):  # for a good one ssh-keygen has done this sum already
            wrong = self._trust.keygen.check(self._what.message, self._what.namespace, blob)
            if wrong is not None:
                return SignatureState.BAD, None, wrong
        return found

    def _by_file(
        self, blob: bytes, line: str | None, *, certified: bool
    ) -> tuple[SignatureState, str | None, str]:
        """What the files say of a key. Only GOOD and REVOKED tell that it made the signature."""
        if self._allowed is None:
            return SignatureState.UNKNOWN_KEY, None, "no allowed-signers file is set"
        if line is None and not certified:
            return (
                SignatureState.UNKNOWN_KEY,
                None,
                "the allowed-signers file does not have this key",
            )
        principals, reason = self._trust.keygen.principals(blob, self._allowed, self._at)
        if not principals:
            windowed = line is not None and _WINDOW.search(line) is not None
            untimely = (windowed or "expired" in reason) and "bad options" not in reason
            state = SignatureState.EXPIRED if untimely else SignatureState.UNKNOWN_KEY
            return state, _principal(line), _without_place(reason)
        reasons = []
        for principal in principals:
            refused = self._verify(blob, principal, self._trust.revoked)
            if refused is None:
                return SignatureState.GOOD, principal, ""
            reasons.append(refused)
        if self._trust.revoked is not None:
            for principal in principals:
                if self._verify(blob, principal, None) is None:
                    return SignatureState.REVOKED, principal, "the revocation file has this key"
        return SignatureState.UNKNOWN_KEY, principals[0], _without_place(reasons[0])

    def _verify(self, blob: bytes, principal: str, revoked: str | None) -> str | None:
        return self._trust.keygen.verify(
            self._what.message, self._what.namespace, blob,
            allowed=self._allowed or "", principal=principal, at=self._at, revoked=revoked,
        )  # fmt: skip


def _key_lines(allowed: str) -> dict[bytes, str]:
    """Lines of an allowed-signers file by the public key they end with; certificate authorities too."""
    found: dict[bytes, str] = {}
    for line in allowed.splitlines():
        words = line.split()
        for kind, key in pairwise(words):
            if not kind.startswith(("ssh-", "ecdsa-", "sk-")):
                continue
            try:
                found.setdefault(base64.b64decode(key, validate=True), line)
            except ValueError:
                continue
    return found


def _principal(line: str | None) -> str | None:
    return None if line is None else line.split()[0]


def _without_place(reason: str) -> str:
    """ssh-keygen begins with the name and line of the file, which is a temporary one."""
    return re.sub(r"^\S*:\d+: ", "", reason)
