"""The parser of SSHSIG blobs: strict, bounded, and afraid of nothing."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.repo.trust import sshsig


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


KEY = string(b"ssh-ed25519") + string(bytes(32))
MADE = string(b"ssh-ed25519") + string(bytes(64))


def blob(
    *,
    version: int = 1,
    key: bytes = KEY,
    namespace: bytes = b"mvc-version",
    reserved: bytes = b"",
    hash: bytes = b"sha512",
    signature: bytes = MADE,
    rest: bytes = b"",
) -> bytes:
    fields = b"".join(map(string, (key, namespace, reserved, hash, signature)))
    return b"SSHSIG" + struct.pack(">I", version) + fields + rest


def test_what_is_read() -> None:
    found = sshsig.parse(blob())
    assert (found.key_type, found.namespace, found.algorithm) == (
        "ssh-ed25519", "mvc-version", "ssh-ed25519",
    )  # fmt: skip
    assert found.hash_algorithm == "sha512" and not found.certified
    assert sshsig.shown(found.fingerprint) == "SHA256:kmYcvdi2GkPeWxB6XLjrZB8JHsy2Hm8luHMFp9GMvqk"


RSA = string(b"ssh-rsa") + string(b"\x01\x00\x01")


@pytest.mark.parametrize("algorithm", [b"rsa-sha2-256", b"rsa-sha2-512"])
def test_rsa_signs_with_sha2(algorithm: bytes) -> None:
    assert sshsig.parse(blob(key=RSA, signature=string(algorithm) + b"x")).key_type == "ssh-rsa"


@pytest.mark.parametrize("kind", [b"sk-ssh-ed25519", b"sk-ecdsa-sha2-nistp256"])
def test_hardware_keys_with_and_without_certificate(kind: bytes) -> None:
    made = string(kind + b"@openssh.com") + b"x"
    for name in (kind + b"@openssh.com", kind + b"-cert-v01@openssh.com"):
        assert sshsig.parse(blob(key=string(name) + b"x", signature=made)).certified is (
            b"cert" in name
        )


@pytest.mark.parametrize(
    "wrong",
    [
        blob(version=2),
        blob(namespace=b""),
        blob(namespace=b"a\nb"),
        blob(namespace=b"\xff"),
        blob(reserved=b"x"),
        blob(hash=b"sha1"),
        blob(hash=b"md5"),
        blob(rest=b"\0"),
        blob(key=string(b"ssh-ed25519")),
        blob(key=string(b"ssh-dss") + b"x", signature=string(b"ssh-dss") + b"x"),
        blob(key=RSA, signature=string(b"ssh-rsa") + b"x"),
        blob(key=RSA, signature=string(b"rsa-sha1") + b"x"),
        blob(signature=string(b"rsa-sha2-512") + b"x"),
        blob(signature=b""),
        blob(key=KEY + bytes(sshsig.MAX_SIGNATURE_BYTES)),
        b"",
        b"SSHSIG",
    ],
)
def test_what_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        sshsig.parse(wrong)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, b"SSHSIG" + data, b"SSHSIG\0\0\0\x01" + data):
        try:
            found = sshsig.parse(candidate)
        except ValueError:
            continue
        assert found.namespace and len(found.fingerprint) == 32


@given(st.integers(0, len(blob()) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_read_as_another(at: int, change: int) -> None:
    good = blob()
    bad = good[:at] + bytes([good[at] ^ change]) + good[at + 1 :]
    try:
        found = sshsig.parse(bad)
    except ValueError:
        return
    assert found.key_type == "ssh-ed25519"


@given(st.binary(max_size=300))
def test_armor_and_back(data: bytes) -> None:
    text = sshsig.armor(data)
    assert max(map(len, text.splitlines())) <= 70
    if data:
        assert sshsig.dearmor(text) == data
        assert sshsig.dearmor(text.replace("\n", "\r\n")) == data


@given(st.text(max_size=200))
def test_any_text_is_dearmored_or_refused(text: str) -> None:
    for candidate in (text, sshsig.armor(b"abc").replace("YWJj", text)):
        with contextlib.suppress(ValueError):
            sshsig.dearmor(candidate)
