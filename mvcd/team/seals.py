"""Seals: signed lines that say how far an audit log went, to be kept where the server's disk is not.

A hash chain shows what was changed within it, not that its end was cut off, nor that all of it was written
anew. A seal that was kept elsewhere shows both. One line of JSON each:

    {"seal": 1, "log": "accounts", "id": store's id, "rows": 41, "digest": hex, "time": "2026-11-28T17:00:00Z",
     "key": "SHA256:...", "signature": base64 of an SSHSIG}

Signed (namespace `mvc-audit-seal`) is the text `seal 1`, log, id, rows, digest and time, each followed by a
newline. The key is the server's own, `seal.key` in its directory, made by ssh-keygen at the first seal, or
another that the operator names.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mvcd.errors import Failure
from mvcd.repo.trust import sshsig
from mvcd.repo.trust.keygen import Keygen
from mvcd.store.api import AuditHead

NAMESPACE = "mvc-audit-seal"
ACCOUNTS = "accounts"
"""What the log of the accounts is called; a repository's has its name."""
MAX_LINE_BYTES = 64 << 10
"""Bytes; a seal has 600."""


@dataclass(frozen=True, slots=True)
class Seal:
    """How far the log of a store (`id`) went at a time."""

    log: str
    id: str
    rows: int
    digest: str  # hex
    time: str

    def message(self) -> bytes:
        fields = ("seal 1", self.log, self.id, str(self.rows), self.digest, self.time)
        return "".join(f"{field}\n" for field in fields).encode()


@dataclass(frozen=True, slots=True)
class SignedSeal:
    """A seal as it was read, with its signature."""

    seal: Seal
    signature: bytes
    line: int

    @property
    def key(self) -> str:
        """The fingerprint of the key that made the signature."""
        return sshsig.shown(sshsig.parse(self.signature).fingerprint)


def seal_of(log: str, id: str, head: AuditHead, now: float) -> Seal:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return Seal(log, id, head.sequence, head.digest.hex(), moment)


def line_of(seal: Seal, key: str, keygen: Keygen) -> str:
    """Signed by the key in a file. Raises AuthError, Failure(kind="no-ssh-keygen")."""
    blob = keygen.sign(seal.message(), NAMESPACE, key)
    return json.dumps(
        {
            "seal": 1, "log": seal.log, "id": seal.id, "rows": seal.rows, "digest": seal.digest,
            "time": seal.time, "key": sshsig.shown(sshsig.parse(blob).fingerprint),
            "signature": base64.b64encode(blob).decode(),
        },
        separators=(",", ":"),
    )  # fmt: skip


def read(lines: Iterable[str]) -> Iterator[SignedSeal]:
    """The seals among lines; others, as a collector of logs puts between them, are passed over. A line may have
    words before its `{`, and hold the seal's line as `message`. Raises Failure where there is none."""
    found = 0
    for number, text in enumerate(lines, 1):
        signed = _read(text, number)
        if signed is not None:
            found += 1
            yield signed
    if not found:
        raise Failure(
            "there is no seal in what was given",
            kind="no-seals",
            cause='a seal is a line of JSON with "seal": 1',
            help="mvcd serve --root DIR --seal-to FILE  (writes some)",
        )


def _read(text: str, number: int) -> SignedSeal | None:
    if len(text) > MAX_LINE_BYTES or '"seal"' not in text:
        return None
    try:
        value: dict[str, Any] = json.loads(text[text.index("{") :])
        if value["seal"] != 1:
            return None
        seal = Seal(
            str(value["log"]),
            str(value["id"]),
            int(value["rows"]),
            str(value["digest"]),
            str(value["time"]),
        )
        blob = base64.b64decode(str(value["signature"]), validate=True)
        sshsig.parse(blob)
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        return SignedSeal(Seal("", "", 0, "", ""), b"", number)
    return SignedSeal(seal, blob, number)


def problem_of(signed: SignedSeal, keys: Iterable[str], keygen: Keygen) -> str | None:
    """Why a seal does not count. `keys` are fingerprints of those that may seal."""
    where = f"line {signed.line} of the seals"
    if not signed.signature:
        return f"{where} is damaged"
    if signed.key not in set(keys):
        return f"{where} is signed by another key: {signed.key}"
    reason = keygen.check(signed.seal.message(), NAMESPACE, signed.signature)
    return None if reason is None else f"the signature of {where} is not good: {reason}"


# ---------------------------------------------------------------------- the server's own key


def key_path(root: str) -> str:
    return os.path.join(root, "seal.key")


def fingerprint_of(path: str) -> str:
    """Returns the fingerprint of a public key in a file, or of the private one beside it. Raises Failure."""
    public = path if path.endswith(".pub") else f"{path}.pub"
    try:
        with open(public, encoding="ascii", errors="replace") as file:
            words = file.read(16 << 10).split()
        return sshsig.shown(hashlib.sha256(base64.b64decode(words[1], validate=True)).digest())
    except (OSError, IndexError, ValueError) as error:
        raise Failure(
            f"cannot read the public key {public}", kind="no-seal-key", cause=str(error),
            help="--seal-key FILE  (the .pub of the key that seals)",
        ) from None  # fmt: skip
