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

    The repository's settings come before your own. Settings of a project, which are versioned with it, are in
    mvc.toml.

    \b
    user.name, user.email    who you are in versions [git's, or the login]
    signing.key              the SSH key of mvc commit -S, mvc tag -s,
                             mvc sign [git's]
    signing.allowed_signers  a file that says whose signatures are good
                             [git's]
    signing.revoked          a file of keys whose signatures are not good
                             [git's]
    commit.sign              sign every version that you make [false]
    store.path               where the content is [.mvc/store]
    gc.auto                  mvcd frees by itself what nothing reaches [true]
    optimize.auto            mvcd stores anew, when idle, what that makes
                             smaller [true]
    watch.hook               a command that mvcd runs after each version
    watch.push               the remote that mvcd pushes its versions to
    alias.NAME               a verb of your own: words that NAME stands for
    remote.NAME.url          the address of a remote: mvc remote add
    remote.NAME.mvcd         how ssh starts mvcd on that machine [mvcd]
    remote.NAME.ca           certificates that its server's is checked by
                             [the system's]
    remote.NAME.certificate, remote.NAME.key
                             your certificate for its server, and its key
    remote.NAME.insecure     talk to it without TLS [false]
    remote.NAME.grace        how long mvc gc --remote waits in a bucket [1d]
    remote.NAME.endpoint, remote.NAME.region, remote.NAME.profile,
    remote.NAME.account      where a bucket is, and whose keys are used
    remote.NAME.encrypt      only an encrypted bucket will do [false]
    remote.NAME.identity     your private key, for an encrypted bucket
                             [~/.ssh/id_ed25519]
    remote.NAME.encryption, remote.NAME.kms-key
                             how the bucket encrypts by itself
    remote.NAME.etags        how tags are sent to the bucket [quoted]
    remote.NAME.virtual-hosted, remote.NAME.allow-http,
    remote.NAME.anonymous, remote.NAME.requester-pays
                             how the bucket is spoken to [false]
    remote.NAME.bulk-delete  delete many objects at once [true]
    partial.remote           where content comes from that a clone left out
                             [origin]
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
@click.option(
    "--show-origin",
    is_flag=True,
    help="Print the file that each is from; of one key the first counts.",
)
@click.pass_obj
def list_(face: Face, user: bool, show_origin: bool) -> None:
    """Print all settings; with --show-origin, your own too."""
    if show_origin:
        _origins(face, user=user)
        return
    settings = dict(_chosen(face, user=user).items())
    face.answer({"settings": settings}, (f"{k} = {text.safe(v)}" for k, v in settings.items()))


def _origins(face: Face, *, user: bool) -> None:
    from mvc.api.settings import user_config, user_config_path  # late: start-up

    configs = [] if user else [face.repo.config]
    if user_config_path() is not None:
        configs.append(user_config())
    rows = [(c.path, key, value) for c in configs for key, value in c.items()]
    document = [{"origin": path, "key": key, "value": value} for path, key, value in rows]
    lines = text.table(
        [(text.safe(path), f"{key} = {text.safe(value)}") for path, key, value in rows]
    )
    face.answer({"settings": document}, lines)
