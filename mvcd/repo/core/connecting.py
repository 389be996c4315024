"""How the address of a remote becomes a peer (remotes.py says which there are)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mvcd.errors import RemoteUnreachable
from mvcd.repo.core.location import Location
from mvcd.repo.core.remotes import Remote, Secret
from mvcd.repo.core.wanted import is_partial
from mvcd.repo.records.refs import head_name
from mvcd.wire.address import require_no_secret
from mvcd.wire.schemes import Carrier, scheme_of

if TYPE_CHECKING:
    from mvcd.store.peer import Peer

_OPTIONS = ("ca", "insecure", "certificate", "key")


def connect(
    remote: Remote, secret: Secret, clock: Callable[[], int], tell: Callable[[str], object]
) -> Peer:
    """`tell` hears why a call is made again. Raises RemoteUnreachable, UsageError, AuthError."""
    require_no_secret(remote.url)
    scheme = scheme_of(remote.url)
    if scheme.carrier is Carrier.DISK:
        path = unquote(urlsplit(remote.url).path) if scheme.name else remote.url
        return local(path, remote.url, clock)
    from mvcd.wire.client import Patience  # late: start-up
    from mvcd.wire.dial import dial, dial_ssh

    patience = Patience(tell=tell)
    if scheme.carrier is Carrier.SSH:
        program = remote.options.get("mvcd", "mvcd")
        return dial_ssh(remote.url, program=program, patience=patience)
    known = {**secret(remote.url), **remote.options}
    options = {k: v for k, v in known.items() if k in _OPTIONS}
    return dial(remote.url, token=known.get("token"), options=options, patience=patience)


def local(path: str, url: str, clock: Callable[[], int]) -> Peer:
    """The repository in a directory of this machine: a workspace's, or a store without one."""
    from mvcd.repo.trust.receiving import judge, shared  # late: start-up
    from mvcd.store.stores import open_store
    from mvcd.sync.local import LocalPeer

    place = Location(os.path.realpath(path))
    complete, where, head = True, place.root, ""
    if os.path.isfile(place.config_path):
        config = place.config()
        head = head_name(config.get("workspace.id") or "")
        where, complete = place.store_path(config), not is_partial(config)
    if not os.path.isfile(os.path.join(where, "format")):
        raise RemoteUnreachable(
            f"{url} is no repository",
            kind="no-such-repository",
            cause="there is no such directory" if not os.path.isdir(path) else None,
            help=f"check the path; to push to a new one: mvc init --bare {path}",
        )
    store = open_store(where)
    return LocalPeer(
        store, url, repo_id=store.id, visible=lambda name: shared(name) or name == head,
        judge=judge(store, clock), complete=complete,
    )  # fmt: skip
