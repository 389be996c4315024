"""Choice of keys: the one that signs and those that are trusted, by settings of the repository, the person,
then git.

    signing.key               a key file (private, or public if an agent has it), or a public key itself
    signing.allowed_signers   an allowed-signers file (ssh-keygen(1)); git's gpg.ssh.allowedSignersFile
    signing.revoked           a revocation file; git's gpg.ssh.revocationFile
    commit.sign               true: every commit and rollback is signed

git's user.signingKey counts if its gpg.format is ssh. Paths may begin with ~; relative ones begin at the
workspace's root.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mvc.api.context import git_settings
from mvc.api.opened import Opened
from mvc.api.settings import user_setting
from mvcd.errors import AuthError, Failure, UsageError

if TYPE_CHECKING:
    from mvc.api.signatures import SignatureReport, SignatureStatus
    from mvcd.repo.change.signing import Signer
    from mvcd.repo.core.config import Config
    from mvcd.repo.trust.judging import Trust
    from mvcd.repo.trust.keygen import Keygen

_MAX_ALLOWED_BYTES = 4 << 20
_USUAL = ("id_ed25519", "id_ecdsa", "id_ed25519_sk", "id_rsa")
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0", ""}


class SignatureVerbs(Opened):
    """Methods of `Repo` that sign and check signatures."""

    def sign(self, rev: str = "HEAD", *, key: str | None = None) -> SignatureStatus:
        """Signs an existing version, with `key` or the one that `signing.key` names.

        Raises AuthError when there is no key or it does not open.
        """
        from mvcd.repo.change import signing  # late: start-up

        chosen = _signer(self.config, self.root, key)
        id, fingerprint = signing.sign(self._core, rev, context=self._context(), signer=chosen)
        found = self.signatures(id.hex())
        return next(s for s in found.signatures if s.fingerprint == fingerprint)

    def verify_signature(self, rev: str = "HEAD") -> SignatureReport:
        """Checks each signature of a version; if `rev` is a tag's name, those of the tag itself.

        Raises Failure(kind="no-allowed-signers") when nothing says whose keys are trusted.
        """
        return self._judged(rev, required=True)

    def signatures(self, rev: str = "HEAD") -> SignatureReport:
        """Reads signatures like `verify_signature`; without an allowed-signers file the state of a key is
        "unknown-key"."""
        return self._judged(rev, required=False)

    def signed_versions(self) -> dict[str, int]:
        """Counts the signatures that each version has, by its id, whether they hold or not; reads no key."""
        from collections import Counter  # late: start-up

        from mvcd.repo.records.refs import SIGNATURES

        names = (name.removeprefix(SIGNATURES) for name in self._core.store.refs(SIGNATURES))
        return dict(Counter(name.partition("/")[0] for name in names if name[:5] != "tags/"))

    def _trust(self, *, required: bool) -> Trust:
        """Whose keys are trusted here."""
        return trust_for(self.config, self.root, required=required)

    def _judged(self, rev: str, *, required: bool) -> SignatureReport:
        from mvc.api.signatures import SignatureReport  # late: start-up
        from mvcd.repo.records.names import known_name, read_as
        from mvcd.repo.records.refs import SIGNATURES, TAGS

        store, id = self._core.store, self._core.resolve(rev)
        name = known_name(rev, TAGS, self._core.revisions.has)
        free = rev.startswith(TAGS) or read_as(name) is None
        tag = name if free and self._core.revisions.has(TAGS + name) else None
        found: list[SignatureStatus] = []
        if store.refs(f"{SIGNATURES}tags/{tag}/" if tag else f"{SIGNATURES}{id}/"):
            from mvcd.repo.trust import judging  # late: start-up

            trusted = self._trust(required=required)
            if tag is not None:
                found = judging.tag_signature_status(store, tag, trusted)
            else:
                found = judging.signature_status(store, id, trusted)
        return SignatureReport(id.hex(), self._core.version(id).generation, tag, tuple(found))


def signer_for(repo: Opened, sign: bool | None) -> Signer | None:
    """Returns the signer of what `repo` is about to make; `None` for `sign` means what `commit.sign` says."""
    wanted = _wants_signature(repo.config) if sign is None else sign
    return _signer(repo.config, repo.root) if wanted else None


def _wants_signature(config: Config) -> bool:
    """Whether `commit.sign` says that every version made by hand is signed."""
    value = (_setting(config, "commit.sign") or "").lower()
    if value not in _TRUE | _FALSE:
        raise UsageError(
            f"commit.sign is {value!r}, neither true nor false",
            help="mvc config set commit.sign true",
        )
    return value in _TRUE


def _signer(config: Config, root: str, key: str | None = None) -> Signer:
    """Raises AuthError(kind="no-signing-key")."""
    from mvcd.repo.change.signing import Signer  # late: start-up

    found = key or _setting(config, "signing.key") or _git_key(root)
    if not found:
        raise AuthError(
            "there is no key to sign with", kind="no-signing-key",
            cause="neither signing.key nor git's user.signingKey (with gpg.format ssh) is set",
            help=_key_help(),
        )  # fmt: skip
    literal = found.startswith(("key::", "ssh-", "ecdsa-sha2-", "sk-"))
    return Signer(found if literal else _path(found, root), _keygen())


def trust_for(config: Config, root: str, *, required: bool) -> Trust:
    """Returns the keys that are trusted. Raises Failure(kind="no-allowed-signers") if no setting names them and
    they are `required`."""
    from mvcd.repo.trust.judging import Trust  # late: start-up

    git = git_settings(root, "gpg.ssh")
    allowed = _setting(config, "signing.allowed_signers") or git.get("gpg.ssh.allowedsignersfile")
    revoked = _setting(config, "signing.revoked") or git.get("gpg.ssh.revocationfile")
    if not allowed and required:
        raise Failure(
            "there is no allowed-signers file", kind="no-allowed-signers",
            cause="it says whose key is whose: a line is a mail address and a public key",
            help='mkdir -p ~/.config/mvc && echo "you@example.org $(cat ~/.ssh/id_ed25519.pub)" '
            ">> ~/.config/mvc/allowed_signers && "
            "mvc config set --user signing.allowed_signers ~/.config/mvc/allowed_signers",
        )  # fmt: skip
    return Trust(
        allowed=_read(_path(allowed, root)) if allowed else None,
        revoked=_path(revoked, root) if revoked else None,
        keygen=_keygen(),
    )


def _keygen() -> Keygen:
    from mvcd.repo.trust.keygen import Keygen  # late: start-up

    return Keygen(os.environ)


def _setting(config: Config, key: str) -> str | None:
    return config.get(key) or user_setting(key)


def _git_key(root: str) -> str | None:
    git = git_settings(root, "user.signingkey", "gpg.format")
    return git.get("user.signingkey") if git.get("gpg.format") == "ssh" else None


def _path(path: str, root: str) -> str:
    return os.path.join(root, os.path.expanduser(path))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(_MAX_ALLOWED_BYTES + 1)
    except OSError as error:
        raise Failure(
            f"cannot read the allowed-signers file {path}", kind="no-allowed-signers",
            cause=os.strerror(error.errno or 0).lower(),
            help="mvc config set signing.allowed_signers FILE",
        ) from None  # fmt: skip
    if len(text) > _MAX_ALLOWED_BYTES:
        raise Failure(f"{path} is larger than 4 MiB", kind="no-allowed-signers")
    return text


def _key_help() -> str:
    home = os.path.expanduser("~/.ssh")
    for name in _USUAL:
        if os.path.exists(os.path.join(home, name)):
            return f"mvc config set --user signing.key ~/.ssh/{name}"
    return "ssh-keygen -t ed25519 && mvc config set --user signing.key ~/.ssh/id_ed25519"
