"""Signed statements: a DSSE envelope in a Sigstore bundle, by an ECDSA key in a file.

DSSE: https://github.com/secure-systems-lab/dsse, protocol 1.0.0. Bundle: sigstore/protobuf-specs, media type
v0.3. model_signing and cosign read and write such ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mvc.api.errors import AuthError, Failure, IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_BUNDLE_BYTES = 256 << 20
"""A statement of a million files has about 150 MB, and a bundle a third more."""
_MAX_KEY_BYTES = 64 << 10
_MAKE_KEY = (
    "openssl ecparam -name prime256v1 -genkey -noout -out signing.pem && "
    "openssl ec -in signing.pem -pubout -out signing.pub"
)

Password = Callable[[], str]
"""Asks for the password of a key, once it is clear that it has one."""


# -------------------------------------------------------------------- keys


def private_key(path: str, password: Password | None = None) -> EllipticCurvePrivateKey:
    """Reads a key to sign with, in the form of OpenSSL (PEM) or OpenSSH.

    Raises AuthError: kind "no-signing-key" for what cannot be read, "odd-key" for what is no ECDSA key of
    P-256, P-384 or P-521, "wrong-password". Failure: kind "missing-extra" without cryptography.
    """
    return _private(path, _bytes_of(path), password)


def _private(path: str, data: bytes, password: Password | None) -> EllipticCurvePrivateKey:
    serialization, ec = _cryptography()
    if b" COSIGN PRIVATE KEY" in data or b" SIGSTORE PRIVATE KEY" in data:
        raise AuthError(
            f"{path} is a key that only cosign opens", kind="odd-key",
            help=f"{_MAKE_KEY}  (cosign import-key-pair --key signing.pem takes that one too)",
        )  # fmt: skip
    ssh = b" OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if ssh else serialization.load_pem_private_key
    key: Any = None
    try:
        key = load(data, None)
    except TypeError:  # it has a password
        key = _with_password(load, data, path, password)
    except ValueError as error:
        if ssh and "password" in str(error).lower():
            key = _with_password(load, data, path, password)
        else:
            raise _odd(path, str(error)) from error
    except (
        Exception
    ) as error:  # of a form that this cryptography does not know: it has several classes
        raise _odd(path, str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _odd(path, "it is of another kind")
    _hash_of(path, key)
    signer: EllipticCurvePrivateKey = key
    return signer


def _with_password(load: Any, data: bytes, path: str, password: Password | None) -> Any:
    """Opens a key that has a password. Raises AuthError."""
    if password is None:
        raise AuthError(f"{path} has a password, which nobody gave", kind="wrong-password")
    try:
        return load(data, password().encode("utf-8", "surrogateescape"))
    except (ValueError, TypeError) as error:
        raise AuthError(
            f"the password does not open {path}", kind="wrong-password", cause=str(error)
        ) from error


def public_key(path: str) -> EllipticCurvePublicKey:
    """Reads a public key, in the form of OpenSSL (PEM) or OpenSSH. Raises like `private_key`."""
    serialization, ec = _cryptography()
    data = _bytes_of(path)
    if b" PRIVATE KEY" in data:
        raise _odd(path, "it is a private key; give the public half")
    ssh = data.startswith((b"ecdsa-", b"ssh-"))
    load = serialization.load_ssh_public_key if ssh else serialization.load_pem_public_key
    try:
        key = load(data)
    except (
        Exception
    ) as error:  # of a form that this cryptography does not know: it has several classes
        raise _odd(path, str(error)) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _odd(path, "it is of another kind")
    _hash_of(path, key)
    verifier: EllipticCurvePublicKey = key
    return verifier


def _odd(path: str, cause: str) -> AuthError:
    return AuthError(
        f"{path} is no ECDSA key of P-256, P-384 or P-521", kind="odd-key", cause=cause, help=_MAKE_KEY
    )  # fmt: skip


def _bytes_of(path: str) -> bytes:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            return file.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise AuthError(
            f"cannot read the key {path}", kind="no-signing-key",
            cause=os.strerror(error.errno or 0).lower(), help=_MAKE_KEY,
        ) from error  # fmt: skip


def _hash_of(path: str, key: Any) -> HashAlgorithm:
    """The hash that goes with the key's curve."""
    from cryptography.hazmat.primitives import hashes  # late: an extra

    found: dict[str, HashAlgorithm] = {
        "secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512(),
    }  # fmt: skip
    if key.curve.name not in found:
        raise _odd(path, f"its curve is {key.curve.name}")
    return found[key.curve.name]


def fingerprint(key: EllipticCurvePublicKey) -> str:
    """Returns the SHA-256 over the public key in PEM, hex, by which model_signing names it in a bundle."""
    serialization, _ = _cryptography()
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(pem).hexdigest()


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization  # late: an extra
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise Failure(
            "signing with such a key needs cryptography, which does not import", kind="missing-extra",
            cause=str(error), help="pip install 'mvcd[sign]'",
        ) from error  # fmt: skip
    return serialization, ec


# -------------------------------------------------------------------- bundles


def _encoded(payload: bytes) -> bytes:
    """What is signed: the pre-authentication encoding of DSSE."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def sealed(statement: bytes, key: EllipticCurvePrivateKey) -> bytes:
    """Returns the bundle of a statement that is signed by `key`."""
    _, ec = _cryptography()
    signature = key.sign(_encoded(statement), ec.ECDSA(_hash_of("", key)))
    document = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": fingerprint(key.public_key())},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(document, separators=(",", ":")).encode()


def opened(bundle: bytes, key: EllipticCurvePublicKey) -> bytes:
    """Returns the statement of a bundle, after its signature was checked; of the rest nothing is believed.

    Raises IntegrityError: kind "odd-bundle" for what is no bundle by a key, "bad-signature".
    """
    payload, signature, hint = _taken_apart(bundle)
    from cryptography.exceptions import InvalidSignature  # late: an extra

    _, ec = _cryptography()
    try:
        key.verify(signature, _encoded(payload), ec.ECDSA(_hash_of("", key)))
    except InvalidSignature:
        mine = fingerprint(key)
        named = "no key" if not hint else "this key" if hint == mine else f"the key {hint[:80]!a}"
        raise IntegrityError(
            "the signature is not by this key, or the statement was changed", kind="bad-signature",
            cause=f"the bundle names {named}; this one is {mine}",
        ) from None  # fmt: skip
    return payload


def _taken_apart(bundle: bytes) -> tuple[bytes, bytes, str]:
    """Payload, signature, and the name of the key."""
    try:
        document = json.loads(bundle)
        if document["mediaType"] != BUNDLE_TYPE:
            raise ValueError(f"its media type is {str(document['mediaType'])[:80]!a}")
        envelope, material = document["dsseEnvelope"], document["verificationMaterial"]
        if "publicKey" not in material:
            raise ValueError("it was signed by a certificate and not by a key")
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError(f"it holds {str(envelope['payloadType'])[:80]!a}")
        if len(envelope["signatures"]) != 1:
            raise ValueError(f"it has {len(envelope['signatures'])} signatures, where one is legal")
        payload = base64.b64decode(envelope["payload"], validate=True)
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        return payload, signature, str(material["publicKey"].get("hint") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise IntegrityError(
            "this is no Sigstore bundle that a key signed", kind="odd-bundle", cause=why
        ) from error
