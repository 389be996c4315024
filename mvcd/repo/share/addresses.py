"""Names of remotes given, changed and taken away, and the refs that stand at an address.

What a name means is in mvcd/repo/core/remotes.py.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from mvcd.errors import Failure, UsageError
from mvcd.monitor import Monitor, Silent
from mvcd.repo.core.config import Config
from mvcd.repo.core.configkeys import require_known
from mvcd.repo.core.connecting import connect, look_at
from mvcd.repo.core.core import Clock, Core
from mvcd.repo.core.remotes import Remote, Secret, absolute, remote, remote_at, remotes
from mvcd.repo.records.refs import HEADS, REMOTES, tracking_name
from mvcd.repo.share.fetching import connected
from mvcd.store.api import RefUpdate
from mvcd.store.stores import seal_bucket
from mvcd.wire.schemes import Carrier, scheme_of

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")


def add_remote(core: Core, name: str, url: str, options: Mapping[str, str] | None = None) -> Remote:
    """Gives an address a name, and writes down the options by which it is reached. A bucket is looked at
    first. Raises UsageError; Failure(kind="remote-exists"); NotPermitted for a bucket that cannot hold a
    repository."""
    given = remote_at(name, url, options)
    for key, value in given.options.items():
        require_known(f"remote.{name}.{key}", value)
    with core.lock.hold():
        _require_free(core.config, name)
        look_at(given, core.secret, core.monitor.warn)
        core.config.write(_keys(given, ""))
        return given


def set_remote_url(core: Core, name: str, url: str) -> Remote:
    """Changes the address of a remote. Raises Failure(kind="unknown-remote")."""
    with core.lock.hold():
        found = _existing(core.config, name)
        core.config.write({f"remote.{name}.url": absolute(url)})
        return Remote(name, absolute(url), found.options)


def rename_remote(core: Core, old: str, new: str) -> Remote:
    """Gives a remote another name, and its refs here with it. Raises what `add_remote` does."""
    with core.lock.hold():
        found = _existing(core.config, old)
        _require_free(core.config, new)
        renamed = Remote(new, found.url, found.options)
        core.config.write({**_keys(found, None), **_keys(renamed, "")})
        moved = core.store.refs(tracking_name(old, ""))
        updates = [RefUpdate(ref, value, None) for ref, value in moved.items()]
        prefix = f"{REMOTES}{old}/"
        updates += [
            RefUpdate(tracking_name(new, ref.removeprefix(prefix)), None, value)
            for ref, value in moved.items()
        ]
        core.store.update_refs(updates)
        return renamed


def encrypt_remote(core: Core, name: str, recipients: Sequence[str]) -> bool:
    """Seals the bucket of a remote to public keys, or gives a sealed one these instead; from then on nothing
    goes there in the clear. Returns True for one that was empty. Raises UsageError for a remote that is no
    bucket, and what `seal_bucket` does."""
    with core.lock.hold():
        found = _existing(core.config, name)
        if scheme_of(found.url).carrier is not Carrier.BUCKET:
            raise UsageError(
                f"{found.url} is no bucket",
                cause="only what lies in a bucket is encrypted before it goes there",
                help="a server's or a machine's disk is encrypted by its system",
            )
        options = {**core.secret(found.url), **found.options}
        fresh = seal_bucket(found.url, options, recipients)
        core.config.write({f"remote.{name}.encrypt": "true"})
        return fresh


def remove_remote(core: Core, name: str) -> Remote:
    """Forgets the address and where its refs were. Raises Failure(kind="unknown-remote")."""
    with core.lock.hold():
        found = _existing(core.config, name)
        core.config.write(_keys(found, None))
        gone = core.store.refs(tracking_name(name, ""))
        core.store.update_refs([RefUpdate(ref, value, None) for ref, value in gone.items()])
        return found


def remote_refs(core: Core, name: str | None = None) -> dict[str, bytes]:
    """Asks a remote for its refs, as they are now. Raises what `connect` does."""
    with connected(core, [remote(core.config, name)]) as (peer,):
        return peer.refs()


def refs_at(
    url: str, *, secret: Secret, monitor: Monitor | None = None, clock: Clock = time.time_ns
) -> dict[str, bytes]:
    """Asks the repository at an address for its refs, as they are now. Raises what `connect` does."""
    peer = connect(Remote("", absolute(url)), secret, clock, (monitor or Silent()).warn)
    try:
        peer.hello()
        return peer.refs()
    finally:
        peer.close()


def fetched_branches(core: Core) -> tuple[str, ...]:
    """Lists revisions that name the branches of remotes as they were when last heard of: "origin/main"."""
    names = (name.removeprefix(REMOTES) for name in core.store.refs(REMOTES))
    return tuple(n.replace(f"/{HEADS}", "/", 1) for n in names if f"/{HEADS}" in n)


def _require_free(config: Config, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a remote", cause="names use letters, digits, _ and -"
        )
    if name in remotes(config):
        raise Failure(
            f"remote {name!r} exists", kind="remote-exists", help=f"mvc remote set-url {name} URL"
        )


def _keys(of: Remote, value: str | None) -> dict[str, str | None]:
    """The settings of a remote: with `value` None those that remove it."""
    options = {"url": of.url, **of.options}
    return {
        f"remote.{of.name}.{key}": None if value is None else text for key, text in options.items()
    }


def _existing(config: Config, name: str) -> Remote:
    found = remotes(config)
    if name not in found:
        raise Failure(f"there is no remote {name!r}", kind="unknown-remote", help="mvc remote")
    return found[name]
