"""A certificate authority of one's own, made with openssl while the test runs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    def __init__(self, directory: Path, name: str = "mvc test authority") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._pair = Pair(directory / "ca.pem", directory / "ca.key")
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", self._pair.key, "-out", self._pair.certificate, "-days", "2",
            "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    @property
    def certificate(self) -> Path:
        return self._pair.certificate

    def issue(self, name: str, file: str = "server", *, names: str = "IP:127.0.0.1") -> Pair:
        pair = Pair(self._directory / f"{file}.pem", self._directory / f"{file}.key")
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", pair.key, "-out", pair.certificate, "-days", "2", "-subj", f"/CN={name}",
            "-CA", self._pair.certificate, "-CAkey", self._pair.key,
            "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        return pair


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
