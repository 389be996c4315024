"""The keys of `.mvc/config.toml` and of a person's own settings: what each means, its kind and its default.

A key that is not here is a mistake, and `mvc config set` says so with the nearest one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from mvcd.errors import UsageError

TRUE, FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


class ConfigKey(NamedTuple):
    """A setting. In `name` a part in capitals stands for any text; `internal` keys are written by verbs."""

    name: str
    help: str
    default: str = ""
    flag: bool = False
    internal: bool = False

    @property
    def glob(self) -> str:
        return ".".join("*" if part.isupper() else part for part in self.name.split("."))


KEYS: tuple[ConfigKey, ...] = (
    ConfigKey("user.name", "who you are in versions", "git's, or the login"),
    ConfigKey("user.email", "your mail address in versions", "git's, or login@host"),
    ConfigKey("signing.key", "the SSH key of mvc commit -S, mvc tag -s, mvc sign", "git's"),
    ConfigKey("signing.allowed_signers", "a file that says whose signatures are good", "git's"),
    ConfigKey("signing.revoked", "a file of keys whose signatures are not good", "git's"),
    ConfigKey("commit.sign", "sign every version that you make", "false", flag=True),
    ConfigKey("store.path", "where the content of this repository is", ".mvc/store"),
    ConfigKey("gc.auto", "mvcd frees by itself what nothing reaches", "true", flag=True),
    ConfigKey(
        "optimize.auto", "mvcd stores anew, when idle, what that makes smaller", "true", flag=True
    ),
    ConfigKey("watch.hook", "a command that mvcd runs after each version that it saves"),
    ConfigKey("watch.push", "the remote that mvcd pushes its versions to"),
    ConfigKey("alias.NAME", "a verb of your own: words that NAME stands for"),
    ConfigKey("remote.NAME.url", "the address of a remote: mvc remote add"),
    ConfigKey("remote.NAME.mvcd", "how ssh starts mvcd on that machine", "mvcd"),
    ConfigKey(
        "remote.NAME.ca", "a file of certificates that its server's is checked by", "the system's"
    ),
    ConfigKey("remote.NAME.certificate", "your certificate for its server"),
    ConfigKey("remote.NAME.key", "the key of that certificate"),
    ConfigKey(
        "remote.NAME.encrypt",
        "accept only an encrypted bucket: mvc remote encrypt",
        "false",
        flag=True,
    ),
    ConfigKey(
        "remote.NAME.identity",
        "your private age or SSH key, for an encrypted bucket",
        "~/.ssh/id_ed25519",
    ),
    ConfigKey("remote.NAME.insecure", "talk to it without TLS", "false", flag=True),
    ConfigKey(
        "remote.NAME.grace", "how long mvc gc --remote leaves things alone in a bucket", "1d"
    ),
    ConfigKey("remote.NAME.endpoint", "where the bucket's store is, of others than AWS"),
    ConfigKey("remote.NAME.region", "the region of the bucket"),
    ConfigKey("remote.NAME.profile", "the AWS profile that has the bucket's keys"),
    ConfigKey("remote.NAME.account", "the account of an Azure container"),
    ConfigKey("remote.NAME.encryption", "how the bucket encrypts: AES256, aws:kms, ..."),
    ConfigKey("remote.NAME.kms-key", "the key by which the bucket encrypts"),
    ConfigKey("remote.NAME.etags", "how tags are sent to the bucket: quoted, unquoted", "quoted"),
    ConfigKey("remote.NAME.virtual-hosted", "the bucket is in the host's name", "false", flag=True),
    ConfigKey("remote.NAME.allow-http", "talk to the bucket without TLS", "false", flag=True),
    ConfigKey("remote.NAME.anonymous", "read the bucket without keys", "false", flag=True),
    ConfigKey("remote.NAME.requester-pays", "pay for what is read", "false", flag=True),
    ConfigKey("remote.NAME.bulk-delete", "delete many objects at once", "true", flag=True),
    ConfigKey("partial.remote", "where content comes from that a clone left out", "origin"),
    ConfigKey("partial.KEY", "what a partial clone leaves out", internal=True),
    ConfigKey("workspace.id", "which workspace this is", internal=True),
    ConfigKey("clone.KEY", "a clone that has not ended yet", internal=True),
    ConfigKey("import.KEY", "what an import has done so far", internal=True),
)


def known(key: str) -> ConfigKey | None:
    """The setting of this name, None if there is none."""
    return next((one for one in KEYS if fnmatchcase(key, one.glob)), None)


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant."""
    from difflib import get_close_matches  # late: start-up

    return next(iter(get_close_matches(name, names, 1, 0.6)), None)


_SECRET = re.compile(
    r"secret|password|token|credential|sas\b|(access|account)[-_]?key", re.IGNORECASE
)


def require_known(key: str, value: str) -> None:
    """Raises UsageError: kind "unknown-key" for a key that is none, "bad-config" for a value that cannot be."""
    found = known(key)
    if found is None:
        if key.startswith("remote.") and _SECRET.search(key.rpartition(".")[2]):
            raise UsageError(
                f"a secret is no setting: {key}",
                kind="secret-in-address",
                cause="settings are read and copied by many",
                help="mvc login URL  (for a server), or aws configure  (for a bucket)",
            )
        names = [one.name for one in KEYS if not one.internal]
        near = nearest(key, names)
        raise UsageError(
            f"no setting is called {key!r}",
            kind="unknown-key",
            cause=f"did you mean {near}?" if near else "mvc.toml has the settings of a project",
            help="mvc config --help  (lists all)",
        )
    if found.flag and value.lower() not in TRUE | FALSE:
        raise UsageError(
            f"{key} is true or false, not {value!r}",
            kind="bad-config",
            help=f"mvc config set {key} true",
        )
