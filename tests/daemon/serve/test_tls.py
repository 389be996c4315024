from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mvcd.daemon.serve.tls import CertificateFiles, Certificates
from mvcd.errors import UsageError
from tests.daemon.serve.authority import Authority, Pair


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def placed(authority: Authority, tmp_path: Path) -> Pair:
    """Where the server looks; renewals are put there."""
    pair = Pair(tmp_path / "server.pem", tmp_path / "server.key")
    place(authority.issue("first"), pair)
    return pair


def place(new: Pair, where: Pair) -> None:
    for source, target in ((new.certificate, where.certificate), (new.key, where.key)):
        shutil.copy(source, f"{target}.new")
        os.replace(f"{target}.new", target)


def loaded(pair: Pair, ca: Path | None = None) -> Certificates:
    return Certificates(
        CertificateFiles(str(pair.certificate), str(pair.key), str(ca) if ca else None)
    )


def test_nothing_new_is_nothing(placed: Pair) -> None:
    assert loaded(placed).renewed() is None


def test_a_renewal_is_taken_once(authority: Authority, placed: Pair) -> None:
    certificates = loaded(placed)
    place(authority.issue("second", "second"), placed)
    assert certificates.renewed() is not None
    assert certificates.renewed() is None


def test_half_a_renewal_waits_for_the_other_half(authority: Authority, placed: Pair) -> None:
    certificates = loaded(placed)
    second = authority.issue("second", "second")
    place(Pair(second.certificate, placed.key), placed)
    assert certificates.renewed() is None
    place(second, placed)
    assert certificates.renewed() is not None


@pytest.mark.parametrize("content", [b"", b"nonsense", b"x" * (2 << 20)])
def test_a_damaged_or_absent_file_changes_nothing(
    authority: Authority, placed: Pair, content: bytes
) -> None:
    certificates = loaded(placed)
    placed.certificate.write_bytes(content)
    assert certificates.renewed() is None
    placed.certificate.unlink()
    assert certificates.renewed() is None
    place(authority.issue("third", "third"), placed)
    assert certificates.renewed() is not None


def test_files_of_no_use_are_refused_at_the_start(authority: Authority, tmp_path: Path) -> None:
    one, other = authority.issue("one", "one"), authority.issue("other", "other")
    with pytest.raises(UsageError) as raised:
        loaded(Pair(one.certificate, other.key))
    assert raised.value.kind == "bad-certificate"
    with pytest.raises(UsageError):
        loaded(Pair(tmp_path / "absent", one.key))
    with pytest.raises(UsageError):
        loaded(one, ca=one.key)
