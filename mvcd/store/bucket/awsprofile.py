"""Keys and settings of a profile in `~/.aws`, as the AWS command line writes them, read with the standard
library.

A profile that names fixed keys is read here. One that needs more to come to its keys (a role, single sign-on, a
program) needs boto3, which the caller may have. The order is botocore's: keys in the environment come before a
profile that the environment names, and after one that was asked for.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass

from mvcd.errors import AuthError

_NEEDS_BOTO3 = ("role_arn", "sso_session", "sso_start_url", "credential_process", "login_session")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile says. Without `keys` it has none that are fixed; `further` is then what it needs for
    them."""

    name: str
    keys: Mapping[str, str]
    region: str | None = None
    endpoint: str | None = None
    ca: str | None = None
    further: str | None = None


def chosen_profile(asked: str | None, environment: Mapping[str, str]) -> Profile | None:
    """The profile whose keys are to be used; None where the environment has keys, or nothing names any. Raises
    AuthError for a profile that is asked for and is not there, or files that cannot be read."""
    named = asked or environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
    if asked is None and environment.get("AWS_ACCESS_KEY_ID"):
        return None
    name = named or "default"
    said = _said(name, environment)
    if said is None:
        if named is None:
            return None
        raise AuthError(
            f"there is no profile {name}",
            kind="credentials",
            cause=f"neither {_credentials(environment)} nor {_config(environment)} has it",
            help=f"aws configure --profile {name}",
        )
    keys = {
        ours: said[theirs]
        for ours, theirs in (
            ("access_key_id", "aws_access_key_id"),
            ("secret_access_key", "aws_secret_access_key"),
            ("session_token", "aws_session_token"),
        )
        if said.get(theirs)
    }
    return Profile(
        name,
        keys if "access_key_id" in keys and "role_arn" not in said else {},
        said.get("region"),
        said.get("endpoint_url"),
        said.get("ca_bundle"),
        next((each for each in _NEEDS_BOTO3 if each in said), None),
    )


def _said(name: str, environment: Mapping[str, str]) -> dict[str, str] | None:
    """All that both files say of a profile; the file of keys comes first, as with the command line."""
    found: dict[str, str] | None = None
    for path, section in (
        (_config(environment), name if name == "default" else f"profile {name}"),
        (_credentials(environment), name),
    ):
        parser = configparser.RawConfigParser()
        try:
            with open(path, encoding="utf-8") as file:
                parser.read_file(file)
        except FileNotFoundError:
            continue
        except (OSError, configparser.Error, UnicodeDecodeError) as error:
            raise AuthError(
                f"{path} cannot be read",
                kind="credentials",
                cause=str(error).splitlines()[0],
                help=f"aws configure --profile {name}",
            ) from error
        if parser.has_section(section):
            found = {
                **(found or {}),
                **{key: value.strip() for key, value in parser.items(section)},
            }
    return found


def _credentials(environment: Mapping[str, str]) -> str:
    return environment.get("AWS_SHARED_CREDENTIALS_FILE") or _at_home("credentials", environment)


def _config(environment: Mapping[str, str]) -> str:
    return environment.get("AWS_CONFIG_FILE") or _at_home("config", environment)


def _at_home(name: str, environment: Mapping[str, str]) -> str:
    return os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".aws", name)
