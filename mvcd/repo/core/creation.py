"""Repositories made: whole, or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mvcd.errors import Failure
from mvcd.monitor import Monitor
from mvcd.process import require_utf8
from mvcd.repo.core import location
from mvcd.repo.core.core import Clock, Core
from mvcd.repo.core.location import Location
from mvcd.repo.records.refs import DEFAULT_BRANCH, HEADS, HeadValue, head_name
from mvcd.store.api import RefUpdate, Store
from mvcd.store.stores import create_store, open_store

if TYPE_CHECKING:
    from mvcd.repo.records.committed import Context


def create(
    root: str,
    *,
    context: Context,
    store: str | None = None,
    monitor: Monitor | None = None,
    clock: Clock = time.time_ns,
    group: bool = False,
    more: Mapping[str, str | None] | None = None,
) -> Core:
    """Makes a repository in the directory `root`: `.mvc/`, its store there or at `store` (on a local disk), an
    unborn branch. The settings, `more` among them, come last and make it one.

    So a creation that was cut short is no repository yet, and creating it again completes it. With `group`, the
    people of the directory's group may write it too (mvcd/disk/group.py).
    """
    from mvcd.repo.records import operations  # late: start-up

    require_utf8()
    place = location.prepare(root, group=group)
    settings, again = location.new_settings(place, store)
    workspace = settings["workspace.id"]
    assert workspace is not None
    opened = _empty_store(place, settings.get("store.path"), workspace, again=again, group=group)
    try:
        start = RefUpdate(head_name(workspace), None, HeadValue(DEFAULT_BRANCH).encode())
        stale = [RefUpdate(name, value, None) for name, value in opened.refs().items()]
        record = operations.encode(context, "init", "init", [start])
        opened.update_refs([*stale, start], operation=record)
        config = place.config()
        config.write(settings | dict(more or {}))
        os.unlink(place.beginning)
        return Core(place, opened, config, monitor=monitor, lock_timeout=60.0, clock=clock)
    except BaseException:
        opened.close()
        raise


def _empty_store(
    place: Location, store: str | None, workspace: str, *, again: bool, group: bool
) -> Store:
    """A new store, or the one that an unfinished creation of this repository left, which begins `again`. Raises
    Failure where another's is, however little it holds."""
    path = place.store_named(store)
    try:
        return create_store(path, group=group)
    except Failure as error:
        if error.kind != "store-exists":
            raise
        found = open_store(path)
        empty = not found.stats().objects and not found.refs(HEADS)
        if empty and (store is None or (again and found.refs().keys() <= {head_name(workspace)})):
            return found
        found.close()
        os.unlink(place.beginning)
        error.cause = "it is another repository's: two that wrote HEAD there would each lose it"
        error.help = (
            "mvc init --store ANOTHER-DIRECTORY  (or, in its workspace: mvc workspace add DIR)"
        )
        raise
