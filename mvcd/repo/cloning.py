"""`clone`: a new repository that has what another one has.

One that was cut short is a repository with a remote and without versions; the same command goes on there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from mvcd.errors import Failure
from mvcd.monitor import Monitor, Silent
from mvcd.repo import left_out, moves, remotes
from mvcd.repo.core import Clock, Core, create, open_at
from mvcd.repo.early import EarlyFiles
from mvcd.repo.fetching import FetchResult, fetch_from
from mvcd.repo.location import DIRECTORY
from mvcd.repo.partial import Wanted
from mvcd.repo.refs import DEFAULT_BRANCH, HEADS, target_of, tracking_name
from mvcd.repo.results import CheckoutResult, Context

_UNFINISHED = "clone.unfinished"


@dataclass(frozen=True, slots=True)
class CloneResult:
    """What came. `branch` and `checkout` are None when there are no versions yet."""

    root: str
    branch: str | None
    fetched: FetchResult
    checkout: CheckoutResult | None


def clone(
    url: str,
    directory: str,
    wanted: Wanted,
    context: Context,
    *,
    monitor: Monitor | None,
    clock: Clock,
    secret: remotes.Secret,
    lock_timeout: float,
) -> tuple[Core, CloneResult]:
    """The open repository and what came. Raises Failure(kind="not-empty"), and what remotes raise."""
    address = remotes.absolute(url)
    found = remotes.Remote(remotes.DEFAULT, address)
    peer = remotes.connect(found, secret, clock, (monitor or Silent()).warn)
    try:
        peer.hello()  # before anything is made here
        core = _prepared(directory, address, wanted, context, monitor, clock, lock_timeout)
        try:
            core.secret = secret
            refs = peer.refs()
            branch = _default(refs)
            tip = None if branch is None else target_of(refs[HEADS + branch])
            with EarlyFiles(core.place.directory, tip) as early:
                fetched = fetch_from(core, found, [peer], refs, early)
                done = _check_out(core, branch, wanted, context, early)
            core.config.write({_UNFINISHED: None})
            return core, CloneResult(core.root, branch, fetched, done)
        except BaseException:
            core.close()
            raise
    finally:
        peer.close()


def _prepared(
    directory: str,
    url: str,
    wanted: Wanted,
    context: Context,
    monitor: Monitor | None,
    clock: Clock,
    lock_timeout: float,
) -> Core:
    """An empty repository with its remote; or the one that an unfinished clone of the same left."""
    os.makedirs(directory, exist_ok=True)
    inside = set(os.listdir(directory))
    if os.path.isfile(os.path.join(directory, DIRECTORY, "config.toml")):
        core = open_at(directory, monitor=monitor, lock_timeout=lock_timeout, clock=clock)
        known = remotes.remotes(core.config).get(remotes.DEFAULT)
        if core.config.get(_UNFINISHED) and known is not None and known.url == url:
            core.config.write(wanted.settings(remotes.DEFAULT))
            return core
        core.close()
    if inside - {DIRECTORY} or os.path.isfile(os.path.join(directory, DIRECTORY, "config.toml")):
        raise Failure(
            f"{directory} is not empty",
            kind="not-empty",
            help=f"mvc clone {url} ANOTHER-DIRECTORY",
        )
    settings = {
        _UNFINISHED: "yes",  # from the first moment on: a crash must not leave a repository that is no clone
        f"remote.{remotes.DEFAULT}.url": url,
        **wanted.settings(remotes.DEFAULT),
    }
    return create(directory, None, context, monitor=monitor, clock=clock, settings=settings)


def _default(refs: Mapping[str, bytes]) -> str | None:
    """main, or the first branch there is."""
    names = [name.removeprefix(HEADS) for name in refs if name.startswith(HEADS)]
    return DEFAULT_BRANCH if DEFAULT_BRANCH in names else min(names, default=None)


def _check_out(
    core: Core,
    branch: str | None,
    wanted: Wanted,
    context: Context,
    early: EarlyFiles,
) -> CheckoutResult | None:
    """Moves HEAD to the branch; the files of components whose content did not come are left out."""
    if branch is None:
        return None
    tip = core.store.ref(tracking_name(remotes.DEFAULT, HEADS + branch))
    assert tip is not None
    leaving = left_out.NONE if wanted.only is None else left_out.ALL - wanted.only
    return moves.forward(
        core,
        branch,
        target_of(tip),
        context,
        f"clone {branch}",
        leaving=leaving,
        early=early.ready(),
    )
