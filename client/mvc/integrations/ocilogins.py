"""Logins for registries, as `docker login`, `oras login` and their credential helpers keep them.

They are in `config.json` of the directory that DOCKER_CONFIG names, by default `~/.docker`. Nothing is written
there.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mvc.api.errors import AuthError, Failure

_HELPER_SECONDS = 60.0
"""Seconds that a credential helper has; it may ask a person to unlock their keys."""
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DOCKER_HUB = "https://index.docker.io/v1/"
_OF_A_TOKEN = "<token>"  # noqa: S105 - the name of a user that says: the secret is an identity token


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """A name and password, or an identity token, which the registry's token server exchanges."""

    user: str
    password: str
    identity_token: str | None = None

    def __repr__(self) -> str:
        return f"RegistryLogin({self.user!r})"

    @property
    def header(self) -> str:
        """The value of `Authorization` for Basic."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def login_for(host: str) -> RegistryLogin | None:
    """Finds the login for a registry, by `HOST[:PORT]`. Raises Failure: kind "credentials-damaged"; AuthError
    when a credential helper fails."""
    path = _path()
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        return _found(kept, _DOCKER_HUB if host == "docker.io" else host)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Failure(
            f"{path} cannot be read", kind="credentials-damaged", cause=str(error),
            help="docker login REGISTRY  writes it again, and so does oras login",
        ) from error  # fmt: skip


def _path() -> str:
    directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    return os.path.join(directory, "config.json")


def _found(kept: Mapping[str, Any], server: str) -> RegistryLogin | None:
    helper = (kept.get("credHelpers") or {}).get(server) or kept.get("credsStore")
    if helper:
        login = _asked(str(helper), server)
        if login is not None:
            return login
    for name, entry in (kept.get("auths") or {}).items():
        if _host_of(name) == _host_of(server):
            return _login_of(entry)
    return None


def _host_of(name: str) -> str:
    """The registry that a key of `auths` is for: older programs wrote `https://HOST/v1/`."""
    return re.sub(r"/v[12]/?$", "", re.sub(r"^https?://", "", name)).rstrip("/")


def _login_of(entry: Mapping[str, Any]) -> RegistryLogin | None:
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if coded := entry.get("auth"):
        try:
            pair = base64.b64decode(coded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(f"auth is no base64 of NAME:PASSWORD: {error}") from None
        user, _, password = pair.rstrip("\0").partition(":")
    token = entry.get("identitytoken")
    return RegistryLogin(user, password, str(token) if token else None) if user or token else None


def _asked(helper: str, server: str) -> RegistryLogin | None:
    """What `docker-credential-HELPER get` answers; None where it has nothing for the server."""
    if not _HELPER_NAME.fullmatch(helper):
        raise ValueError(f"{helper!r} is no name of a credential helper")
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            check=False,
            timeout=_HELPER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unhelped(program, str(error)) from error
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        if "not found" in said.lower():
            return None
        raise _unhelped(program, said or f"it ended with {done.returncode}")
    answer = json.loads(done.stdout)
    user, secret = str(answer["Username"]), str(answer["Secret"])
    return RegistryLogin("", "", secret) if user == _OF_A_TOKEN else RegistryLogin(user, secret)


def _unhelped(program: str, why: str) -> AuthError:
    return AuthError(
        f"{program} does not tell the login of the registry", cause=why,
        help=f"{_path()} names it in credsStore or credHelpers; install it, or log in without it",
    )  # fmt: skip
