"""`clone`: a new repository that has what another one has.

One that was cut short is a repository with a remote and without versions; the same command goes on there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from mvcd.disk.directories import make_directories
from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.monitor import Monitor, Silent
from mvcd.objects.version import SubPart
from mvcd.repo.change import moves
from mvcd.repo.core import connecting, remotes
from mvcd.repo.core.configkeys import require_known
from mvcd.repo.core.core import Clock, Core, open_at
from mvcd.repo.core.creation import create
from mvcd.repo.core.location import DIRECTORY
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import DEFAULT_BRANCH, EMPTY_ID, HEADS, HeadValue, target_of
from mvcd.repo.records.results import CheckoutResult
from mvcd.repo.restore.early import EarlyFiles
from mvcd.repo.share.fetching import FetchResult, fetch_from
from mvcd.repo.workspace import left_out
from mvcd.store.peer import SEALED, STANDS, WORKSPACES

_UNFINISHED = "clone.unfinished"


@dataclass(frozen=True, slots=True)
class CloneResult:
    """What came. `checkout` is None when there are no versions yet, `branch` also when HEAD is on none."""

    root: str
    branch: str | None
    fetched: FetchResult
    checkout: CheckoutResult | None


def clone(
    url: str,
    directory: str,
    *,
    context: Context,
    secret: remotes.Secret,
    options: Mapping[str, str] | None = None,
    wanted: Wanted | None = None,
    monitor: Monitor | None = None,
    lock_timeout: float = 60.0,
    clock: Clock = time.time_ns,
) -> tuple[Core, CloneResult]:
    """Makes a repository in `directory` with all that the one at `url` has, or, of content, what is `wanted`.

    Answers the open repository and what came. Raises Failure(kind="not-empty"), and what remotes raise."""
    wanted = wanted or Wanted()
    found = remotes.remote_at(remotes.DEFAULT, url, options)
    for key, value in found.options.items():
        require_known(f"remote.{remotes.DEFAULT}.{key}", value)
    peer = connecting.connect(found, secret, clock, (monitor or Silent()).warn)
    try:
        hello = peer.hello()  # before anything is made here
        core = _prepared(directory, found, wanted, context, monitor, clock, lock_timeout)
        try:
            core.secret = secret
            if SEALED in hello.features:
                core.config.write({f"remote.{remotes.DEFAULT}.encrypt": "true"})
            refs = peer.refs()
            stands = _stands(refs, peer.refs(WORKSPACES) if STANDS in hello.features else {})
            with EarlyFiles(core.place.directory, stands.version) as early:
                also = [] if stands.version is None else [stands.version]
                fetched = fetch_from(core, found, [peer], refs, early, also)
                done = _check_out(core, stands, wanted, context, early)
            core.config.write({_UNFINISHED: None})
            return core, CloneResult(core.root, stands.branch, fetched, done)
        except BaseException:
            core.close()
            raise
    finally:
        peer.close()


def _prepared(
    directory: str,
    remote: remotes.Remote,
    wanted: Wanted,
    context: Context,
    monitor: Monitor | None,
    clock: Clock,
    lock_timeout: float,
) -> Core:
    """An empty repository with its remote; or the one that an unfinished clone of the same left."""
    make_directories(directory)
    inside = set(os.listdir(directory))
    if os.path.isfile(os.path.join(directory, DIRECTORY, "config.toml")):
        core = open_at(directory, monitor=monitor, lock_timeout=lock_timeout, clock=clock)
        known = remotes.remotes(core.config).get(remotes.DEFAULT)
        if core.config.get(_UNFINISHED) and known is not None and known.url == remote.url:
            core.config.write({**_reached(remote), **wanted.settings(remotes.DEFAULT)})
            return core
        core.close()
    if inside - {DIRECTORY} or os.path.isfile(os.path.join(directory, DIRECTORY, "config.toml")):
        raise Failure(
            f"{directory} is not empty",
            kind="not-empty",
            help=f"mvc clone {remote.url} ANOTHER-DIRECTORY",
        )
    settings = {
        _UNFINISHED: "yes",  # from the first moment on: a crash must not leave a repository that is no clone
        **_reached(remote),
        **wanted.settings(remotes.DEFAULT),
    }
    return create(directory, context=context, monitor=monitor, clock=clock, more=settings)


def _reached(remote: remotes.Remote) -> dict[str, str]:
    """The settings by which the remote is reached."""
    options = {"url": remote.url, **remote.options}
    return {f"remote.{remotes.DEFAULT}.{key}": value for key, value in options.items()}


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a clone is to stand: on `version`, which is the newest of `branch` if that is not None."""

    branch: str | None = None
    version: VersionId | None = None


def _stands(refs: Mapping[str, bytes], workspaces: Mapping[str, bytes]) -> _Stand:
    """Where the workspace stands that is cloned; of what is none, main, or the first branch there is."""
    names = [name.removeprefix(HEADS) for name in refs if name.startswith(HEADS)]
    chosen = DEFAULT_BRANCH if DEFAULT_BRANCH in names else min(names, default=None)
    for name, value in workspaces.items():
        if name.endswith("/head"):
            head = HeadValue.decode(value)
            if head.branch is None:
                return _Stand(None, None if head.version == EMPTY_ID else head.version)
            chosen = head.branch if head.branch in names else chosen
    return _Stand() if chosen is None else _Stand(chosen, target_of(refs[HEADS + chosen]))


def _check_out(
    core: Core, stands: _Stand, wanted: Wanted, context: Context, early: EarlyFiles
) -> CheckoutResult | None:
    """Moves HEAD there; the files of components whose content did not come are left out."""
    if stands.version is None:
        return None
    leaving = left_out.NONE if wanted.only is None else left_out.ALL - wanted.only
    if wanted.only is not None and not wanted.state:
        leaving |= {SubPart.STATE}
    return moves.forward(
        core, stands.branch, stands.version, context,
        f"clone {stands.branch or stands.version.short()}", leaving=leaving, early=early.ready(),
    )  # fmt: skip
