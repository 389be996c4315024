"""How the address of a remote becomes a peer (remotes.py says which there are)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mvcd.errors import AuthError, Failure, RemoteUnreachable, with_cause
from mvcd.repo.core.location import Location
from mvcd.repo.core.remotes import Remote, Secret
from mvcd.repo.core.wanted import is_partial
from mvcd.repo.records.refs import head_name
from mvcd.wire.address import require_no_secret
from mvcd.wire.schemes import Carrier, scheme_of

if TYPE_CHECKING:
    from mvcd.store.api import ObjectReader, Store
    from mvcd.store.peer import Peer

WATCH_SECONDS = (2.0, 30.0)
"""Seconds between two looks at a bucket that is watched, at first and at most: 120 requests an hour."""
_OPTIONS = ("ca", "insecure", "certificate", "key")


def connect(
    remote: Remote,
    secret: Secret,
    clock: Callable[[], int],
    tell: Callable[[str], object],
    *,
    nearby: ObjectReader | None = None,
    begin: bool = False,
) -> Peer:
    """`tell` hears why a call is made again, or waited for. `nearby` is a store here, which saves asking a
    bucket for what both have; with `begin`, a bucket that has no repository yet gets one when something is
    pushed to it. Raises RemoteUnreachable, UsageError, AuthError."""
    require_no_secret(remote.url)
    scheme = scheme_of(remote.url)
    if scheme.carrier is Carrier.BUCKET:
        options = {**secret(remote.url), **remote.options}
        return in_bucket(remote, options, clock, tell, nearby=nearby, begin=begin)
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
    chosen = {k: v for k, v in known.items() if k in _OPTIONS}
    return dial(remote.url, token=known.get("token"), options=chosen, patience=patience)


def look_at(remote: Remote, secret: Secret, tell: Callable[[str], object]) -> None:
    """Finds out, of a bucket alone, whether it holds a repository or can: what a store ignores would be noticed
    when two push at once, and then it is too late. What keeps us from looking is told to `tell`. Raises
    NotPermitted, UsageError, Failure."""
    if scheme_of(remote.url).carrier is not Carrier.BUCKET:
        return
    from mvcd.store.stores import probe_bucket  # late: start-up

    try:
        probe_bucket(remote.url, {**secret(remote.url), **remote.options}, tell)
    except (RemoteUnreachable, AuthError) as error:
        way = f"; help: {error.help}" if error.help else ""
        tell(f"{remote.url} was not looked at: {with_cause(error)}{way}")


def store_of(
    remote: Remote,
    secret: Secret,
    tell: Callable[[str], object],
    *,
    nearby: ObjectReader | None = None,
) -> Store:
    """The store behind a remote, where this process may open it: for what no peer can be asked. Raises
    Failure(kind="not-supported") for a server's, and what `connect` raises."""
    require_no_secret(remote.url)
    scheme = scheme_of(remote.url)
    if scheme.carrier is Carrier.BUCKET:
        options = {**secret(remote.url), **remote.options}
        return _bucket(remote, options, nearby, tell, begin=False)
    if scheme.carrier is not Carrier.DISK:
        raise Failure(
            f"{remote.url} belongs to a server, which looks after it",
            kind="not-supported",
            help="mvc admin repo gc NAME  (where the server runs)",
        )
    from mvcd.store.stores import open_store  # late: start-up

    path = unquote(urlsplit(remote.url).path) if scheme.name else remote.url
    return open_store(_place(path, remote.url)[0])


def local(path: str, url: str, clock: Callable[[], int]) -> Peer:
    """The repository in a directory of this machine: a workspace's, or a store without one."""
    from mvcd.repo.trust.receiving import judge, shared  # late: start-up
    from mvcd.store.stores import open_store
    from mvcd.sync.local import LocalPeer

    where, complete, head = _place(path, url)
    store = open_store(where)
    return LocalPeer(
        store, url, repo_id=store.id, visible=lambda name: shared(name) or name == head,
        judge=judge(store, clock), complete=complete,
    )  # fmt: skip


def _place(path: str, url: str) -> tuple[str, bool, str]:
    """The directory of the store in or at `path`, whether it has all content, and the ref of its workspace's
    HEAD. Raises RemoteUnreachable."""
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
    return where, complete, head


def in_bucket(
    remote: Remote,
    options: Mapping[str, str],
    clock: Callable[[], int],
    tell: Callable[[str], object],
    *,
    nearby: ObjectReader | None,
    begin: bool,
) -> Peer:
    """The repository in a bucket. Looking at it costs a request, so who watches it looks more seldom the longer
    nothing happens."""
    from mvcd.repo.trust.receiving import judge, shared  # late: start-up
    from mvcd.store.peer import SEALED
    from mvcd.store.stores import beginning, is_sealed
    from mvcd.sync.local import LocalPeer, Pauses

    store = _bucket(remote, options, nearby, tell, begin=begin)
    return LocalPeer(
        store, remote.url, repo_id=store.id, visible=shared, judge=judge(store, clock),
        server="a bucket", pauses=Pauses(*WATCH_SECONDS), features=[SEALED] if is_sealed(store) else (),
        begin=beginning(store),
    )  # fmt: skip


def _bucket(
    remote: Remote,
    options: Mapping[str, str],
    nearby: ObjectReader | None,
    tell: Callable[[str], object],
    *,
    begin: bool,
) -> Store:
    from mvcd.store.stores import open_bucket  # late: start-up

    try:
        return open_bucket(remote.url, options, nearby=nearby, begin=begin, tell=tell)
    except Failure as error:
        if begin or error.kind not in ("no-store", "no-such-bucket"):
            raise
        raise RemoteUnreachable(
            f"{remote.url} is no repository",
            kind="no-such-repository",
            cause=error.cause,
            help=_way_to_a_repository(remote),
        ) from error


def _way_to_a_repository(remote: Remote) -> str:
    if scheme_of(remote.url).name == "links":
        return "mvc remote presign REMOTE --to FILE  (where the keys of the bucket are)"
    return f"mvc push {remote.name or remote.url}  (in a repository; makes one there)"
