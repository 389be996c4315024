"""The system's `ssh-keygen`, run with fixed argument lists and no shell: signs, and judges signatures.

Keys in files, in an agent and on hardware tokens all work, since ssh-keygen is who uses them. Nothing is read
from this process's environment: who makes a `Keygen` says what the program may see.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mvcd.errors import AuthError, Failure
from mvcd.repo.trust import sshsig

_JUDGE_SECONDS = 20.0
"""For a judgement, which asks nobody. To sign has no limit: a person may be typing or looking for a token."""

_LITERAL = ("ssh-", "ecdsa-sha2-", "sk-")
"""How a public key begins that stands in a setting itself, as git allows it too (with `key::` before it)."""


@dataclass(frozen=True, slots=True)
class Keygen:
    """`environment` is all that the program sees; `PATH`, `HOME`, `SSH_AUTH_SOCK` let it find itself and keys.

    Times without a zone in an allowed-signers file are UTC, so that every machine comes to the same judgement.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    program: str = "ssh-keygen"

    def sign(self, message: bytes, namespace: str, key: str) -> bytes:
        """The SSHSIG blob by `key`: a path (private or public: the agent signs then), or a public key itself.

        Raises AuthError when there is no key or it does not open, Failure(kind="no-ssh-keygen").
        """
        with tempfile.TemporaryDirectory(prefix="mvc-sign-") as directory:
            literal = key.removeprefix("key::")
            agent = literal != key or literal.startswith(_LITERAL)
            path = _write(directory, "key.pub", literal + "\n") if agent else key
            words = ["sign", "-n", namespace, "-f", path, *(["-U"] if agent else [])]
            done = self._run(words, message, timeout=None)
        if done.returncode != 0:
            raise _refused(key, done.stderr)
        try:
            blob = sshsig.dearmor(done.stdout.decode("ascii", "replace"))
            found = sshsig.parse(blob)
        except ValueError as error:
            raise AuthError(
                "ssh-keygen made a signature that is not accepted", kind="bad-signature",
                cause=str(error), help="ssh-keygen -t ed25519  (makes a key that is)",
            ) from None  # fmt: skip
        assert found.namespace == namespace
        return blob

    def principals(self, blob: bytes, allowed: str, at: str) -> tuple[list[str], str]:
        """Whom the allowed-signers file (a path) names for the key, at a time; and what stood in the way."""
        with tempfile.TemporaryDirectory(prefix="mvc-sign-") as directory:
            path = _write(directory, "signature", sshsig.armor(blob))
            words = ["find-principals", "-s", path, "-f", allowed, "-O", f"verify-time={at}"]
            done = self._run(words, b"")
        found = os.fsdecode(done.stdout).splitlines() if done.returncode == 0 else []
        return found, _reason(done.stderr)

    def verify(
        self,
        message: bytes,
        namespace: str,
        blob: bytes,
        *,
        allowed: str,
        principal: str,
        at: str,
        revoked: str | None,
    ) -> str | None:
        """None when the signature is good and `principal` may make it, else ssh-keygen's reason."""
        more = ["-f", allowed, "-I", principal, "-O", f"verify-time={at}"]
        return self._check("verify", message, namespace, blob, more + _revoked(revoked))

    def check(self, message: bytes, namespace: str, blob: bytes) -> str | None:
        """None when the key of the signature made it for this message, whoever has that key."""
        return self._check("check-novalidate", message, namespace, blob, [])

    def _check(
        self, what: str, message: bytes, namespace: str, blob: bytes, more: Sequence[str]
    ) -> str | None:
        with tempfile.TemporaryDirectory(prefix="mvc-sign-") as directory:
            path = _write(directory, "signature", sshsig.armor(blob))
            done = self._run([what, "-n", namespace, "-s", path, *more], message)
        return None if done.returncode == 0 else _reason(done.stderr) or "it does not fit"

    def _run(
        self, words: Sequence[str], message: bytes, *, timeout: float | None = _JUDGE_SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [self.program, "-Y", *words],
                input=message,
                env={**self.environment, "TZ": "UTC0", "LC_ALL": "C"},
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise Failure(
                f"there is no {self.program} on this machine", kind="no-ssh-keygen",
                cause="signatures are made and checked by OpenSSH's own program",
                help="apt install openssh-client  (or your system's OpenSSH 8.9 or newer)",
            ) from None  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Failure(
                f"{self.program} does not answer", kind="no-ssh-keygen",
                cause=f"it took longer than {_JUDGE_SECONDS:.0f} s", help=f"{self.program} -Y {words[0]}",
            ) from None  # fmt: skip


def _write(directory: str, name: str, text: str) -> str:
    path = os.path.join(directory, name)
    with open(path, "w", encoding="ascii", errors="replace") as file:
        file.write(text)
    return path


def _revoked(path: str | None) -> list[str]:
    return [] if path is None else ["-r", path]


def _refused(key: str, stderr: bytes) -> AuthError:
    reason = _reason(stderr)
    if "incorrect passphrase" in reason:
        help = f"ssh-add {key}  (asks for the passphrase once; then run it again)"
    elif "agent" in reason or "No private key" in reason or key.endswith(".pub"):
        help = 'eval "$(ssh-agent)" && ssh-add  (then ssh-add -l must list the key)'
    elif "No such file" in reason:
        help = f"ssh-keygen -t ed25519 -f {key}  (or: mvc config set signing.key FILE)"
    else:
        help = "mvc config set signing.key FILE  (the key to sign with)"
    return AuthError(f"cannot sign with {key}", kind="cannot-sign", cause=reason, help=help)


def _reason(stderr: bytes) -> str:
    """What ssh-keygen complained of first, in one line of bounded length."""
    lines = stderr.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    said = [s for line in lines if (s := line.strip()) and not s.startswith("Signing data")]
    return said[0].removeprefix("Enter passphrase: ")[:300] if said else ""
