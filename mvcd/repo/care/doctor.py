"""What can be wrong around a repository rather than in it: one line a check, each with its remedy.

Each check stands for itself, and none needs the repository to open: what is damaged is looked at by a child
process, and what cannot be looked at is a finding like any other.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from importlib import metadata

from mvcd.amounts import size
from mvcd.chunking import _cut
from mvcd.disk.filesystem import filesystem_type
from mvcd.errors import MvcError, NoRepository, with_cause
from mvcd.repo.change.captures import Captures
from mvcd.repo.core.configkeys import known
from mvcd.repo.core.core import open_at
from mvcd.repo.core.location import Location, find_remains
from mvcd.repo.core.settingskeys import unknown_keys
from mvcd.repo.records.refs import HEADS, REMOTES, versions_of_refs
from mvcd.repo.records.results import Check
from mvcd.repo.restore.early_home import EARLY, WRITTEN, abandoned
from mvcd.repo.workspace.settings import (
    FILE,
    component_rules,
    followed_links,
    load,
    main_metrics,
    metric_rules,
    stated_bases,
    wanted_digests,
)
from mvcd.store.repair import find_store, survey
from mvcd.store.stores import open_store

_LOW_DISK_BYTES = 1 << 30
_LATE_US = 600_000_000
"""Age of a captured state that nobody makes a version of."""
_REPAIR = "mvc repair"
_SKEW_SECONDS = 60
"""Seconds that clocks of machines which nobody synchronises drift apart in a month or so."""
_FIRST_US = 1_664_582_400_000_000
"""2022-10-01: no version is older than Python 3.11, and a clock without a battery begins at 1970."""
_CLOCK_VERSIONS = 1000
"""Ends of branches that are looked at, 0.1 ms each."""


def checks(path: str) -> Iterator[Check]:
    """Checks the repository in `path`: a workspace there or above, or a store without one. Raises
    NoRepository."""
    place = find_remains(path)
    root = find_store(path) if place is None else place.root
    if root is None:
        raise NoRepository(
            f"no mvc repository at {os.path.realpath(path)} or above", help="mvc init"
        )
    yield Check("repository", True, root)
    store = root
    if place is not None:
        yield from _guarded("settings", lambda: _settings(place))
        if not place.bare:
            yield from _guarded(FILE, lambda: [_project_settings(place.root)])
        store = _store_path(place)
    yield from _guarded("store", lambda: _store(store, root))
    yield from _guarded("disk", lambda: [_disk(store)])
    yield from _installation()
    yield Check("rolling hash", True, f"kernel {_cut.kernels()[0]} of {', '.join(_cut.kernels())}")
    if place is not None:
        yield from _guarded("staging", lambda: [_leftovers(place)])
        yield from _guarded("early files", lambda: [_early_files(place)])
        yield from _guarded("captures", lambda: [_captures(place.root)])


def _installation() -> Iterator[Check]:
    """Another project's distribution is called mvc, and installs a package of that name where ours lies."""
    try:
        other = metadata.distribution("mvc")
    except metadata.PackageNotFoundError:
        return
    if not any(entry.value.startswith("mvc.cli.") for entry in other.entry_points):
        problem = f"another project's package mvc {other.version} is installed over this one's"
        yield Check(
            "installation",
            False,
            problem,
            "pip uninstall mvc && pip install --force-reinstall mvcd",
        )


def _guarded(name: str, check: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    try:
        yield from check()
    except MvcError as error:
        yield Check(name, False, with_cause(error), error.help or _REPAIR)
    except OSError as error:
        yield Check(name, False, f"cannot be looked at: {error}")


def _settings(place: Location) -> Iterator[Check]:
    path = place.config_path
    if not os.path.exists(path):
        yield Check("settings", False, f"{path} is missing", _REPAIR)
    elif place.config().get("workspace.id") is None:
        yield Check("settings", False, f"{path} has no workspace.id", _REPAIR)
    else:
        yield Check("settings", True, path)
        for key, _ in place.config().items():
            if known(key) is None:
                problem = f"{key} in {path} means nothing"
                yield Check("settings", False, problem, f"mvc config unset {key}")


def _project_settings(root: str) -> Check:
    """Those of `mvc.toml`, its tables as their readers have them."""
    found = load(root)
    for said in unknown_keys(found):
        return Check(FILE, False, said, "correct it: docs/guide/settings.md lists its tables")
    for read in (
        component_rules,
        followed_links,
        metric_rules,
        main_metrics,
        stated_bases,
        wanted_digests,
    ):
        read(found)
    return Check(FILE, True, f"{len(found)} tables" if found else "there is none")


def _store_path(place: Location) -> str:
    try:
        return place.store_path(place.config())
    except (MvcError, OSError):
        return place.store_named(None)


def _store(path: str, root: str) -> Iterator[Check]:
    kind = filesystem_type(path)
    yield Check("file system", True, f"{kind or 'unknown'} below {path}")
    if not os.path.isdir(path):
        yield Check("store", False, f"{path} is missing", f"{_REPAIR} --store DIR")
        return
    found = survey(path)
    for finding in found.findings:
        yield Check(finding.part, False, finding.problem, _REPAIR)
    if found.index or found.format:
        yield Check("store", False, "it cannot be opened", _REPAIR)
        return
    with open_store(path, as_it_is=True) as store:
        stats = store.stats()
        damaged = len(store.damaged())
    if damaged:
        problem = f"{damaged} objects are known to be damaged"
        yield Check("content", False, problem, f"{_REPAIR}, or {_REPAIR} --from REMOTE")
    yield Check(
        "store",
        True,
        f"{stats.objects:,} objects in {stats.packs:,} packs, {size(stats.pack_bytes)}, "
        f"index {size(stats.index_bytes)}",
    )
    yield from _guarded("head", lambda: _head_and_clock(root))


def _head_and_clock(root: str) -> Iterator[Check]:
    with open_at(root, lock_timeout=0) as core:
        head = core.head()
        yield Check("head", True, f"{head.branch or 'detached'} at v{head.number}")
        refs = {**core.store.refs(HEADS), **core.store.refs(REMOTES)}
        ends = list({*versions_of_refs(refs), head.version})[:_CLOCK_VERSIONS]
        yield clock_check((core.version(id).time_us for id in ends), time.time_ns() // 1000)


def clock_check(times_us: Iterable[int], now_us: int) -> Check:
    """Whether this machine's clock is behind versions that exist, its own or a remote's, or before all of
    them. Ages, `@{2h}` and retention count by it."""
    newest = max(times_us, default=0)
    told = datetime.fromtimestamp(now_us / 1e6).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    ahead_seconds = (newest - now_us) / 1e6
    if now_us < _FIRST_US or ahead_seconds > _SKEW_SECONDS:
        amount = f", {_long(ahead_seconds)} before the newest version" if ahead_seconds > 0 else ""
        return Check("clock", False, f"it is {told} here{amount}", "sudo timedatectl set-ntp true")
    return Check("clock", True, told)


def _long(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _disk(path: str) -> Check:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    free = shutil.disk_usage(path).free
    ok = free >= _LOW_DISK_BYTES
    return Check("disk", ok, f"{size(free)} free", "" if ok else "free some space, or: mvc gc")


def _leftovers(place: Location) -> Check:
    if os.path.isdir(place.staging) and os.listdir(place.staging):
        return Check(
            "staging", False, "a checkout was interrupted",
            "mvc status, then run the checkout again (or mvc checkout HEAD)",
        )  # fmt: skip
    return Check("staging", True, "no interrupted checkout")


def _early_files(place: Location) -> Check:
    left = [path for prefix in (EARLY, WRITTEN) for path in abandoned(place.directory, prefix)]
    if not left:
        return Check("early files", True, "no interrupted clone, pull or transaction")
    cause = "a clone, pull or transaction was interrupted and left what it had written so far"
    return Check("early files", False, cause, "rm -r " + " ".join(map(shlex.quote, left)))


def _captures(root: str) -> Check:
    queued = Captures(root).queued()
    if not queued:
        return Check("captures", True, "no captured state waits to be saved")
    told = f"{len(queued)} captured states wait to be saved"
    late = time.time_ns() // 1000 - queued[0].taken_us > _LATE_US
    return Check("captures", not late, told, "mvcd start, or mvc commit" if late else "")
