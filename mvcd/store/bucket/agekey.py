"""The key of a sealed bucket, encrypted to people's age or SSH keys (SEALED.md, section Objects)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import pyrage

from mvcd.errors import AuthError, IntegrityError, UsageError
from mvcd.store.bucket.sealed import KEY_BYTES

_MAGIC = b"mvc-bucket-key 1\n"
IDENTITY_VARIABLE = "MVC_AGE_IDENTITY"
_USUAL = ("~/.ssh/id_ed25519", "~/.ssh/id_rsa")


def wrap(key: bytes, recipients: Sequence[str]) -> bytes:
    """Makes the object `key`: the bucket's key, which each recipient can open, a public key or a file of some.
    Raises UsageError for one that is none."""
    read = [found for one in recipients for found in _recipients(one)]
    if not read:
        raise UsageError("no recipient is named", help="mvc remote encrypt NAME RECIPIENT...")
    return bytes(pyrage.encrypt(_MAGIC + key, read))


def unwrap(data: bytes, identity: str | None, environment: Mapping[str, str]) -> bytes:
    """Returns the bucket's key, opened by the private keys in the file `identity`; or else in the one that
    MVC_AGE_IDENTITY names, or the usual ones of SSH.

    Raises AuthError where none fits or none is there, UsageError for a file that holds none, IntegrityError for
    an object that is not of that form.
    """
    named = identity or environment.get(IDENTITY_VARIABLE)
    usual = [path for path in map(os.path.expanduser, _USUAL) if os.path.isfile(path)]
    files = [named] if named else usual
    if not files:
        raise _locked("there is no private key on this machine that could fit")
    identities = [one for path in files for one in _identities(path, told=named is not None)]
    try:
        plain = bytes(pyrage.decrypt(data, identities))
    except pyrage.DecryptError as error:
        raise _locked(f"{' and '.join(files)}: {_small(error)}") from None
    if len(plain) != len(_MAGIC) + KEY_BYTES or not plain.startswith(_MAGIC):
        raise IntegrityError(
            "the object 'key' of this bucket holds no key", kind="sealed-object-changed"
        )
    return plain[len(_MAGIC) :]


def _locked(why: str) -> AuthError:
    return AuthError(
        "this bucket is encrypted, and you cannot open it",
        kind="sealed",
        cause=why,
        help="export MVC_AGE_IDENTITY=FILE  (your private key), or ask who can open it to add you:"
        " mvc remote encrypt",
    )


def _small(error: Exception) -> str:
    """What a library says, as the rest of a sentence."""
    text = str(error)
    return text[:1].lower() + text[1:]


def _recipients(word: str) -> Iterable[pyrage.x25519.Recipient | pyrage.ssh.Recipient]:
    """A public key, or those of a file, a line each."""
    lines = [word]
    if os.path.isfile(path := os.path.expanduser(word)):
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip() and line[0] != "#"]
    for line in lines:
        kind = pyrage.ssh if line.startswith("ssh-") else pyrage.x25519
        try:
            yield kind.Recipient.from_str(line)
        except pyrage.RecipientError as error:
            raise _no_recipient(word, lines, _small(error)) from None


def _no_recipient(word: str, lines: Sequence[str], why: str) -> UsageError:
    """The error for a word that is no recipient; `lines` are those of the file of that name, or itself."""
    cause, help = why, "mvc remote encrypt NAME ~/.ssh/id_ed25519.pub"
    if any("PRIVATE KEY" in line or "AGE-SECRET-KEY-" in line for line in lines):
        cause = "it is a private key, and recipients are public keys"
        if os.path.isfile(f"{os.path.expanduser(word)}.pub"):
            help = f"mvc remote encrypt NAME {word}.pub"
    elif "/" in word and not os.path.exists(os.path.expanduser(word)):
        cause = "there is no such file"
    return UsageError(
        f"{'this' if 'AGE-SECRET-KEY-' in word else repr(word)} is no recipient",
        cause=f"{cause}; one is age1..., ssh-ed25519 ..., or a file of such lines",
        help=help,
    )


def _identities(path: str, *, told: bool) -> Iterable[pyrage.x25519.Identity | pyrage.ssh.Identity]:
    """The private keys in a file. Raises UsageError, if a person named it, for one that cannot be used."""
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read()
        if b"AGE-SECRET-KEY-1" in data:
            lines = (line.strip() for line in data.decode("ascii", "replace").splitlines())
            return [
                pyrage.x25519.Identity.from_str(line) for line in lines if line[:1] not in ("#", "")
            ]
        return [pyrage.ssh.Identity.from_buffer(data)]
    except (OSError, pyrage.IdentityError) as error:
        if not told:
            return []
        raise UsageError(
            f"{path} holds no private key that can be used",
            cause=f"{error}; an SSH key must have no passphrase",
            help="age-keygen -o FILE, then export MVC_AGE_IDENTITY=FILE",
        ) from None
