"""Files that are one table: shards `train-00000-of-00004.parquet`, and directories of Hugging Face's datasets.

    data/train-00000-of-00004.parquet       one of the table data/train-*.parquet
    data/train-00000-of-00004-<hash>.parquet    the same, as the hub once called them
    ds/train/state.json                     what `save_to_disk` writes: the table ds/train, whose files and
    ds/train/data-00000-of-00002.arrow      their order state.json lists (datasets, arrow_dataset.py)

Saving again with fewer shards leaves the old ones beside the new: what state.json does not list is no part of
the dataset. Where no state.json tells, files of two counts in one directory are two tables.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from mvcd.inspect.splits import ABOUT
from mvcd.inspect.tables import format_of

STATE = "state.json"

MAX_STATE_BYTES = 4 << 20
"""Bytes of a state.json: 50,000 shards."""

_SHARD = re.compile(
    r"(?P<stem>.*?)-?(?P<number>\d{5,9})-of-(?P<count>\d{5,9})(?:-[0-9a-f]{8,64})?\.(?P<suffix>[a-z]+)"
)


@dataclass(frozen=True, slots=True)
class ShardSet:
    """A table's files in their order. `missing` counts those that should be there and are not; `unlisted`: the
    state.json beside them does not list them. `about`: files that describe it."""

    path: str
    members: tuple[str, ...]
    missing: int = 0
    unlisted: bool = False
    about: tuple[str, ...] = ()


def may_be_shard(path: str) -> bool:
    """Whether a file of this name can be of a table in shards."""
    name = path.rpartition("/")[2]
    return name in ABOUT or format_of(name) == "arrow" or _SHARD.fullmatch(name) is not None


def shard_sets(paths: Iterable[str], read: Callable[[str], bytes | None]) -> dict[str, ShardSet]:
    """The tables in shards among `paths`, by what they are called. `read` gives up to MAX_STATE_BYTES + 1
    bytes of the file of a path, None where it cannot be had."""
    directories: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        directories[path.rpartition("/")[0]].append(path.rpartition("/")[2])
    found: dict[str, ShardSet] = {}
    for directory, names in directories.items():
        listed = None
        if STATE in names and any(format_of(name) == "arrow" for name in names):
            listed = _listed(read(_joined(directory, STATE)))
        if listed:
            there = set(names)
            members = [_joined(directory, name) for name in listed if name in there]
            about = tuple(_joined(directory, name) for name in sorted(ABOUT & there))
            path = directory or "."
            if members:
                found[path] = ShardSet(
                    path, tuple(members), len(listed) - len(members), about=about
                )
        rest = set(names).difference(listed or ())
        for each in _numbered(directory, rest, unlisted=bool(listed)):
            found[each.path] = each
    return found


def _listed(data: bytes | None) -> list[str] | None:
    """Names of the files that a state.json lists, in order; None for one that does not say."""
    if data is None or len(data) > MAX_STATE_BYTES:
        return None
    try:
        match json.loads(data):
            case {"_data_files": [*files]}:
                names = [each.get("filename") for each in files if isinstance(each, dict)]
            case _:
                return None
    except (ValueError, RecursionError):
        return None
    plain = [name for name in names if isinstance(name, str) and "/" not in name]
    return plain if len(set(plain)) == len(files) else None


def _numbered(directory: str, names: Collection[str], *, unlisted: bool) -> Iterable[ShardSet]:
    """Those whose names count them."""
    sets: dict[tuple[str, str], dict[str, dict[int, list[str]]]] = defaultdict(dict)
    for name in sorted(names):
        shard = _SHARD.fullmatch(name)
        if shard is None or format_of(name) is None or int(shard["number"]) >= int(shard["count"]):
            continue
        counts = sets[shard["stem"], shard["suffix"]]
        counts.setdefault(shard["count"], {}).setdefault(int(shard["number"]), []).append(name)
    for (stem, suffix), counts in sets.items():
        dash = f"{stem}-" if stem else ""
        for count, numbered in counts.items():
            label = f"{dash}*.{suffix}" if len(counts) == 1 else f"{dash}*-of-{count}.{suffix}"
            members = [_joined(directory, name) for at in sorted(numbered) for name in numbered[at]]
            missing = int(count) - len(numbered)
            yield ShardSet(_joined(directory, label), tuple(members), missing, unlisted)


def problem_of(found: ShardSet) -> str | None:
    """Why a table in shards cannot be counted."""
    if found.unlisted:
        return f"left over: {STATE} does not list it"
    if found.missing:
        total = found.missing + len(found.members)
        return f"{found.missing:,} of {total:,} shards are missing"
    return None


def by_member(sets: Mapping[str, ShardSet]) -> dict[str, ShardSet]:
    """The table that each file is part of, or describes."""
    return {path: each for each in sets.values() for path in (*each.members, *each.about)}


def _joined(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
