"""SSHSIG, the signature format of `ssh-keygen -Y` (OpenSSH PROTOCOL.sshsig), read strictly and within limits.

    "SSHSIG"  uint32 version = 1  string public_key  string namespace  string reserved = ""
    string hash_algorithm  string signature

A string is a uint32 length and that many bytes (RFC 4251). Here nothing is verified: it is found out whose
signature it says to be, and what no key of ours may make is refused (SHA-1, and key types OpenSSH gave up).
"""

from __future__ import annotations

import base64
import binascii
import struct

from mvcd.lateclasses import dataclass

MAX_SIGNATURE_BYTES = 16 << 10
"""Bytes of a signature. One by RSA-16384 has 4.2 KiB, a certificate adds few; a ref's value holds 64 KiB."""

_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_LINE_CHARACTERS = 70  # as ssh-keygen writes it
_CERTIFICATE = "-cert-v01@openssh.com"
_HASHES = frozenset({"sha256", "sha512"})
_ALGORITHMS = {
    "ssh-ed25519": frozenset({"ssh-ed25519"}),
    "ecdsa-sha2-nistp256": frozenset({"ecdsa-sha2-nistp256"}),
    "ecdsa-sha2-nistp384": frozenset({"ecdsa-sha2-nistp384"}),
    "ecdsa-sha2-nistp521": frozenset({"ecdsa-sha2-nistp521"}),
    "ssh-rsa": frozenset({"rsa-sha2-256", "rsa-sha2-512"}),  # not "ssh-rsa", which is SHA-1
    "sk-ssh-ed25519@openssh.com": frozenset({"sk-ssh-ed25519@openssh.com"}),
    "sk-ecdsa-sha2-nistp256@openssh.com": frozenset({"sk-ecdsa-sha2-nistp256@openssh.com"}),
}
"""By type of the key, the algorithms it may sign with."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature says of itself."""

    public_key: bytes  # in SSH's own form, of a certificate the whole
    key_type: str  # "ssh-ed25519", ...; of a certificate the type of its key
    namespace: str
    hash_algorithm: str
    algorithm: str

    @property
    def certified(self) -> bool:
        """Whether the public key is a certificate, which an authority's key vouches for."""
        return _name(self.public_key).endswith(_CERTIFICATE)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the public key: 32 bytes, for a plain key those that `ssh-keygen -l` prints."""
        from hashlib import sha256  # late: start-up, it loads OpenSSL

        return sha256(self.public_key).digest()


def shown(fingerprint: bytes) -> str:
    """A fingerprint as OpenSSH writes it: "SHA256:" and base64."""
    return "SHA256:" + base64.b64encode(fingerprint).decode().rstrip("=")


def parse(blob: bytes) -> Signature:
    """Raises ValueError, with the reason, for anything that `ssh-keygen -Y sign` of today would not write."""
    if len(blob) > MAX_SIGNATURE_BYTES:
        raise ValueError(f"it has {len(blob):,} bytes, more than {MAX_SIGNATURE_BYTES:,}")
    if not blob.startswith(_MAGIC):
        raise ValueError("it is no SSHSIG signature")
    (version,) = _unpack(blob, len(_MAGIC))
    if version != 1:
        raise ValueError(f"SSHSIG version {version} is not known")
    fields, rest = _strings(blob[len(_MAGIC) + 4 :], 5)
    public_key, namespace, reserved, hash_algorithm, signature = fields
    if rest or reserved:
        raise ValueError("it has bytes where none may be")
    if not namespace:
        raise ValueError("its namespace is empty")
    found = Signature(
        public_key=public_key,
        key_type=_name(public_key).removesuffix(_CERTIFICATE),
        namespace=_text(namespace),
        hash_algorithm=_text(hash_algorithm),
        algorithm=_name(signature),
    )
    if found.hash_algorithm not in _HASHES:
        raise ValueError(f"hash algorithm {found.hash_algorithm!r} is not accepted")
    if found.algorithm not in _ALGORITHMS.get(_plain(found.key_type), ()):
        raise ValueError(f"a {found.key_type!r} key may not sign with {found.algorithm!r}")
    return found


def _plain(key_type: str) -> str:
    """Certificates of hardware keys lose their "@openssh.com" in the middle."""
    bare = key_type.startswith("sk-") and "@" not in key_type
    return f"{key_type}@openssh.com" if bare else key_type


def _unpack(data: bytes, offset: int) -> tuple[int]:
    if offset + 4 > len(data):
        raise ValueError("it is cut short")
    found: tuple[int] = struct.unpack_from(">I", data, offset)
    return found


def _strings(data: bytes, count: int) -> tuple[list[bytes], bytes]:
    """The first `count` strings, and what follows them."""
    found, at = [], 0
    for _ in range(count):
        (size,) = _unpack(data, at)
        end = at + 4 + size
        if end > len(data):
            raise ValueError("it is cut short")
        found.append(data[at + 4 : end])
        at = end
    return found, data[at:]


def _name(data: bytes) -> str:
    """The string that a key or a signature begins with; more must follow."""
    (name,), rest = _strings(data, 1)
    if not rest:
        raise ValueError("it is cut short")
    return _text(name)


def _text(data: bytes) -> str:
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text:
        raise ValueError("a name in it is no printable ASCII")
    return text


# ------------------------------------------------------------------ the armored form, of ssh-keygen's files


def armor(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    lines = [text[i : i + _LINE_CHARACTERS] for i in range(0, len(text), _LINE_CHARACTERS)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def dearmor(text: str) -> bytes:
    """Raises ValueError."""
    lines = text.strip().split("\n")
    if len(lines) < 3 or lines[0].strip() != _BEGIN or lines[-1].strip() != _END:
        raise ValueError("it is no armored SSH signature")
    try:
        return base64.b64decode("".join(line.strip() for line in lines[1:-1]), validate=True)
    except binascii.Error as error:
        raise ValueError(f"its base64 is damaged: {error}") from None
