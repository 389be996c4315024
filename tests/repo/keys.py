"""SSH keys made on the spot, and trust in them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mvcd.repo.change.signing import Signer
from mvcd.repo.trust.judging import Trust
from mvcd.repo.trust.keygen import Keygen

KEYGEN = Keygen({"PATH": os.environ["PATH"]})


@dataclass(frozen=True)
class Key:
    path: Path

    @property
    def public(self) -> str:
        return self.path.with_suffix(".pub").read_text().strip()

    @property
    def signer(self) -> Signer:
        return Signer(str(self.path), KEYGEN)

    def line(self, who: str = "ada@example.org", options: str = "") -> str:
        """Its line in an allowed-signers file."""
        return " ".join(filter(None, [who, options, self.public])) + "\n"


def make_key(
    directory: Path, name: str = "key", kind: str = "ed25519", passphrase: str = ""
) -> Key:
    path = directory / name
    size = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", name, "-f", str(path)],
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Key(path)


def trust(*lines: str, revoked: Path | None = None) -> Trust:
    return Trust("".join(lines), None if revoked is None else str(revoked), KEYGEN)
