"""A copy of a team server's directory, made while it serves, and the way back (`mvc admin backup|restore`); the
same team at another place, a directory or a bucket (`mvc admin copy`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mvc.api.credentials import kept_for
from mvc.api.public import made_from, public
from mvcd.daemon.serve import backup as engine
from mvcd.daemon.serve.copyroot import RootPlace, copy_root
from mvcd.monitor import Silent
from mvcd.store.stores import is_bucket
from mvcd.team.root import require_directory

if TYPE_CHECKING:
    from mvc.api.results import Monitor


@made_from(refs="ref_count")
@dataclass(frozen=True, slots=True)
class StoreBackup:
    """One store of a backup or a copy, every object of which was read. `path` is its place below the directory,
    in a copy the repository's name; `audit` the digest (hex) of the newest row of its audit log."""

    path: str
    refs: int
    objects: int
    bytes: int
    audit_rows: int
    audit: str


def backup(
    target: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    monitor: Monitor | None = None,
) -> list[StoreBackup]:
    """Copies the server directory (`root`, else `MVC_ROOT`, else the current one) to `target`, a new or empty
    directory."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    source = os.fspath(root or os.environ.get("MVC_ROOT") or ".")
    require_directory(source, "backed up")
    made = engine.back_up_root(source, os.fspath(target), time=now, monitor=monitor)
    return [public(StoreBackup, copy) for copy in made]


def restore(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    monitor: Monitor | None = None,
) -> list[StoreBackup]:
    """Makes the server directory `target`, absent or empty, from a backup, and compares the two."""
    require_directory(target, "restored to")
    made = engine.restore_root(os.fspath(source), os.fspath(target), monitor=monitor)
    return [public(StoreBackup, copy) for copy in made]


def copy(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    read_data: bool = True,
    dry_run: bool = False,
    monitor: Monitor | None = None,
) -> list[StoreBackup]:
    """Copies the root of a team server to a place where nothing is, or where such a copy was cut short; each of
    the two is a directory or the address of a bucket. No server may write `source` meanwhile. With `dry_run`
    it answers what would be copied, and finds out whether it could be."""
    made = copy_root(
        _place(source), _place(target), read_data=read_data, dry_run=dry_run,
        monitor=monitor or Silent(),
    )  # fmt: skip
    return [public(StoreBackup, copied) for copied in made]


def _place(address: str | os.PathLike[str]) -> RootPlace:
    text = os.fspath(address)
    return RootPlace.of(text, kept_for(text) if is_bucket(text) else {})
