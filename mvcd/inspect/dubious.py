"""Files that are seldom meant to be versioned, told when they first are: secrets, caches, other tools' records.

They are saved nevertheless: a name proves nothing, and a file that is left out in silence is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SECRET = re.compile(
    r"\.env(\.(?!example$|sample$|template$|dist$).*)?|\.netrc|\.pgpass|\.git-credentials|\.npmrc|\.pypirc"
    r"|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|p12|pfx|key|keystore|jks|kdbx)|.*service[-_]account.*\.json"
    r"|credentials(\.json)?|secrets?\.(json|ya?ml|toml)|kubeconfig",
    re.IGNORECASE,
)
"""Names of files that hold keys and tokens by the conventions of their tools; a public key (.pub) is none."""
_DIRECTORIES = {
    ".aws": "credentials of AWS",
    ".ssh": "keys of SSH",
    ".gnupg": "keys of GnuPG",
    "wandb": "records of Weights & Biases",
    "mlruns": "records of MLflow (mvc import mlflow brings them with their history)",
    ".dvc": "records and cache of DVC (mvc import dvc brings them with their history)",
    ".cache": "a cache",
    ".mypy_cache": "a cache",
    ".pytest_cache": "a cache",
    ".ruff_cache": "a cache",
    ".tox": "virtual environments",
    ".nox": "virtual environments",
    "site-packages": "installed packages",
    ".conda": "installed packages",
}
"""What lies in directories of these names."""


def dubious(paths: Iterable[str]) -> dict[str, str]:
    """Files and directories (with a slash at the end) that are seldom meant, and what they seem to be."""
    found: dict[str, str] = {}
    seen: dict[str, bool] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        inside = seen.get(directory)
        if inside is None:
            inside = seen[directory] = _note_directory(directory, found)
        if not inside and (name[:1] in ".icskIKSC" or "." in name) and _SECRET.fullmatch(name):
            found[path] = "a secret, by its name"
    return found


def _note_directory(directory: str, found: dict[str, str]) -> bool:
    """Whether a directory, or one above it, is seldom meant."""
    above = ""
    for name in directory.split("/"):
        above += f"{name}/"
        if (what := _DIRECTORIES.get(name)) is not None:
            found.setdefault(above, what)
            return True
    return False
