"""`mvc config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import VerbGroup

if TYPE_CHECKING:
    from mvc.api.settings import Config

_USER = click.option(
    "--user", is_flag=True, help="Use your own settings, for all repositories. [env: MVC_CONFIG]"
)


@click.group("config", cls=VerbGroup)
def command() -> None:
    """Read and write settings of this repository, or with --user your own.

    \b
    user.name, user.email    who you are in versions; the repository's
                             setting comes before your own
    signing.key              the SSH key of mvc commit -S, mvc tag -s, mvc sign
    signing.allowed_signers  a file that says whose signatures are good
    signing.revoked          a file of keys whose signatures are not good
    commit.sign              true: sign every version that you make
    store.path               where the content of this repository is
    """


def _chosen(face: Face, *, user: bool, create: bool = False) -> Config:
    if not user:
        return face.repo.config
    from mvc.api.settings import user_config  # late: start-up

    return user_config(create=create)


@command.command("get")
@click.argument("key")
@_USER
@click.pass_obj
def get(face: Face, key: str, user: bool) -> int:
    """Print the value of KEY; exit with 1 if it is not set."""
    value = _chosen(face, user=user).get(key)
    if value is None:
        face.answer({"key": key, "value": None})
        return 1
    face.answer({"key": key, "value": value}, [value])
    return 0


@command.command("set")
@click.argument("key")
@click.argument("value")
@_USER
@click.pass_obj
def set_(face: Face, key: str, value: str, user: bool) -> None:
    """Set KEY to VALUE."""
    _chosen(face, user=user, create=True).set(key, value)
    if face.json:
        face.answer({"key": key, "value": value})


@command.command("unset")
@click.argument("key")
@_USER
@click.pass_obj
def unset(face: Face, key: str, user: bool) -> None:
    """Remove KEY."""
    _chosen(face, user=user).unset(key)
    if face.json:
        face.answer({"key": key, "value": None})


@command.command("list")
@_USER
@click.pass_obj
def list_(face: Face, user: bool) -> None:
    """Print all settings."""
    settings = dict(_chosen(face, user=user).items())
    face.answer({"settings": settings}, (f"{k} = {text.safe(v)}" for k, v in settings.items()))
