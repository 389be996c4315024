"""The settings and metrics of a version, gathered from the files that record them.

Parsing is a pure function of a file's name and bytes, so its outcome is cached under the file's recipe: a
commit parses only what changed. Of runs that are saved again and again the newest speaks (inspect/runfiles.py).

One name, one source: a short name belongs to the file it belonged to in the version before, as long as that
file has it; a new name, to the file that `main` names, else to the first by rank. The same key of other files
is written `path:key`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import BinaryIO

from blake3 import blake3

from mvcd.ids import RecipeId
from mvcd.inspect import recorded
from mvcd.inspect.recorded import Recorded
from mvcd.inspect.runfiles import (
    Place,
    RunFile,
    dvclive_metric,
    kind_of,
    mlflow_key,
    place_of,
    run_of,
)
from mvcd.inspect.values import merge_values
from mvcd.lateclasses import dataclass
from mvcd.objects.entry import Entry
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, Value
from mvcd.repo.contents.files import Placed
from mvcd.repo.contents.problems import COMPONENTS, EDITION, Problem

MAX_WHOLE_BYTES = 8 << 20
"""Bytes; a larger file is read as a stream."""

MAX_FILES = 2000
"""Files whose values go into a version, in path order; the rest are still versioned, and it is told."""

MAX_RECORD_BYTES = 256 << 10
"""Most bytes of settings, and again of metrics, in one version record, which may have 1 MiB in all."""


def may_carry_values(path: str) -> bool:
    """Whether a file of that path does in any component; asks nobody which it is of."""
    return recorded.may_record(path)


def carries_values(component: Component, path: str, size: int) -> bool:
    """Whether a file's settings or metrics belong into the version record."""
    return size > 0 and component in COMPONENTS and recorded.records(component, path)


def reads_alike(path: str, one: Component, other: Component) -> bool:
    """Whether a file records the same whichever of the components it is of: its name may tell its form."""
    return one is other or kind_of(path) is not None


def parse_file(component: Component, path: str, file: BinaryIO, size: int) -> Recorded:
    return recorded.read(component, path, file, size)


def parse_entry(component: Component, entry: Entry, fetch: Fetch) -> Recorded:
    """Reads a stored file in pieces. What fetching raises passes through."""
    return recorded.read(component, entry.path, _stored(entry, fetch), entry.size)


def _stored(entry: Entry, fetch: Fetch) -> BinaryIO:
    from mvcd.repo.contents.content import VersionFile  # late: start-up; mostly the cache knows

    file = VersionFile(entry, fetch)
    return (
        io.BytesIO(file.read())
        if entry.size <= MAX_WHOLE_BYTES
        else io.BufferedReader(file, 1 << 20)
    )


# ---------------------------------------------------------------- gathering


@dataclass(slots=True)
class Gathered:
    """Values by source, and what could not be read. `measuring` are the files that metrics are from, with their
    sources; `partial`: the content of some file is not here."""

    settings: dict[str, dict[str, Value]] = field(default_factory=dict)
    metrics: dict[str, dict[str, Value]] = field(default_factory=dict)
    measuring: list[tuple[str, Placed]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    partial: bool = False


def carrying(files: Iterable[Placed]) -> list[tuple[Place, Placed]]:
    """Files that record something, in path order, without those of older members of a counted run."""
    found = [
        (place_of(placed.entry.path), placed)
        for placed in files
        if carries_values(placed.component, placed.entry.path, placed.entry.size)
    ]
    newest: dict[str, tuple[tuple[float, ...], str]] = {}
    for place, _ in found:
        newest[place.source] = max(newest.get(place.source, ((), "")), (place.order, place.member))
    kept = [(p, f) for p, f in found if not p.order or p.member == newest[p.source][1]]
    return sorted(kept, key=lambda pair: (pair[0].member, pair[0].order, pair[1].entry.path))


def gather(files: Iterable[Placed], told: Callable[[Placed], Recorded | None]) -> Gathered:
    """`told` answers what a file records, None where its content is not here."""
    result = Gathered()
    moments: dict[str, tuple[int, str]] = {}  # the newest MLflow run of each experiment
    read: list[tuple[Place, Placed, Recorded]] = []
    all_files = carrying(files)
    for place, placed in all_files[:MAX_FILES]:
        found = told(placed)
        if found is None:
            result.partial = True
            continue
        if found.problem is not None:
            result.problems.append((placed.entry.path, found.problem))
        if not place.order and place.member != placed.entry.path:
            at = (found.moment, place.member)
            moments[place.source] = max(moments.get(place.source, at), at)
        read.append((place, placed, found))
    if len(all_files) > MAX_FILES:
        first = all_files[MAX_FILES][1].entry.path
        more = len(all_files) - MAX_FILES - 1
        result.problems.append((first, f"not read, nor {more:,} more: {MAX_FILES:,} files were"))
    _sort_in(read, moments, result)
    return result


def _sort_in(
    read: Sequence[tuple[Place, Placed, Recorded]],
    moments: Mapping[str, tuple[int, str]],
    result: Gathered,
) -> None:
    arguments = _run_directories(read, RunFile.TRAINING_ARGS)
    states = _run_directories(read, RunFile.TRAINER_STATE)
    runs: dict[str, tuple[str, tuple[float, ...]]] = {}
    told = {RunFile.TRAINER_STATE: arguments, RunFile.EVENTS: _beside_hparams(read)}
    measured = {placed.entry.path: found.metrics for _, placed, found in read}
    for place, placed, found in read:
        path = placed.entry.path
        directory = path.rpartition("/")[0]
        if place.source in moments and moments[place.source][1] != place.member:
            continue
        kind = kind_of(path)
        runs[place.source] = run_of(path)
        if found.settings and (kind is None or directory not in told.get(kind, ())):
            result.settings.setdefault(place.source, {}).update(found.settings)
        if kind is RunFile.DVCLIVE and _repeats(path, found, measured):
            continue
        if found.metrics and not (kind is RunFile.EVENTS and _is_trainers_own(directory, states)):
            result.metrics.setdefault(place.source, {}).update(found.metrics)
            result.measuring.append((place.source, placed))
    for values in (result.settings, result.metrics):
        _leave_newest(values, runs)


def _repeats(path: str, found: Recorded, measured: Mapping[str, Mapping[str, Value]]) -> bool:
    """Whether a file of DVCLive's says nothing but what the metrics.json above it says."""
    summary, key = dvclive_metric(path)
    return found.metrics.keys() <= {key} and key in measured.get(summary, ())


def _leave_newest(
    values: Mapping[str, dict[str, Value]], runs: Mapping[str, tuple[str, tuple[float, ...]]]
) -> None:
    """Takes away keys that a newer run of the same family has too, in whichever file: `version_1/metrics.csv`
    speaks, and not `version_0/events...`, which another logger wrote before."""
    newest: dict[tuple[str, str], tuple[float, ...]] = {}
    for source, found in values.items():
        family, order = runs[source]
        for key in found if family else ():
            newest[family, key] = max(newest.get((family, key), order), order)
    for source, found in values.items():
        family, order = runs[source]
        for key in [key for key in found if family and order < newest[family, key]]:
            del found[key]


def _run_directories(read: Sequence[tuple[Place, Placed, Recorded]], kind: RunFile) -> set[str]:
    """Where a Trainer's files of this kind lie, and the directories above their `checkpoint-*`."""
    found = set()
    for place, placed, _ in read:
        if kind_of(placed.entry.path) is kind:
            directory = placed.entry.path.rpartition("/")[0]
            found |= {directory, directory.rpartition("/")[0] if place.order else directory}
    return found


def _beside_hparams(read: Sequence[tuple[Place, Placed, Recorded]]) -> set[str]:
    """Directories whose event files repeat the settings of Lightning's `hparams.yaml`, classes as text."""
    paths = (placed.entry.path.rpartition("/") for _, placed, found in read if found.settings)
    return {directory for directory, _, name in paths if name == "hparams.yaml"}


def _is_trainers_own(directory: str, states: set[str]) -> bool:
    """Whether a Trainer logs there: `OUT/runs/DATE_HOST` says under other names what its state beside says."""
    parent, _, _ = directory.rpartition("/")
    above, _, runs = parent.rpartition("/")
    return runs == "runs" and above in states


# ---------------------------------------------------------------- one name, one source


class Before:
    """To which source each short name belonged in the version before: what its record and files say."""

    def __init__(
        self, record: Mapping[str, Value], sources: Callable[[], Mapping[str, Mapping[str, Value]]]
    ) -> None:
        """`sources` reads the version's files; it is asked only where a name is ambiguous."""
        self._record = record
        self._ask = sources

    @cached_property
    def _sources(self) -> Mapping[str, Mapping[str, Value]]:
        return self._ask()

    @cached_property
    def _apart(self) -> set[tuple[str, str]]:
        """(source, key) of what stands under `path:key`."""
        pairs = (key.split(":", 1) for key in self._record if ":" in key)
        return {(place_of(path).source, key) for path, key in pairs}

    def owner(self, key: str, sources: Sequence[str]) -> str | None:
        """Which of `sources` had the short name, if any of them did."""
        if key not in self._record:
            return None
        left = [source for source in sources if (source, key) not in self._apart]
        return next((source for source in left if key in self._sources.get(source, ())), None)


def merged(
    found: Mapping[str, Mapping[str, Value]],
    *,
    absent: Mapping[str, Value] | None = None,
    before: Before | None = None,
    main: Sequence[str] = (),
) -> tuple[dict[str, Value], int]:
    """All sources' values under one set of keys, and `absent` ones that none of them has; and how many had no
    room: keys past MAX_RECORD_BYTES, short names first. `main` are globs of the files whose names are short
    whatever was before."""

    def rank(source: str) -> tuple[int, str]:
        apart = kind_of(source) in (RunFile.EVENTS, RunFile.GENERATION)
        resolved = kind_of(source) is RunFile.HYDRA_CONFIG
        return (1 << 20 if apart else -1 if resolved else source.count("/")), source

    def owner(key: str, sources: Sequence[str]) -> str:
        for glob in main:
            if settled := next((s for s in sources if fnmatchcase(s, glob)), None):
                return settled
        earlier = None if before is None else before.owner(key, sources)
        return sources[0] if earlier is None else earlier

    values = {**(absent or {}), **merge_values(list(found.items()), rank=rank, owner=owner)}
    size, kept = 0, {}
    for key in sorted(values, key=lambda key: (":" in key, key)):
        value = values[key]
        size += 16 + len(key.encode()) + (len(value.encode()) if isinstance(value, str) else 8)
        if size > MAX_RECORD_BYTES:
            break
        kept[key] = value
    return dict(sorted(kept.items())), len(values) - len(kept)


def no_room(what: str, count: int) -> Iterator[Problem]:
    """Tells that a version's record was too small."""
    if count:
        limit = f"{MAX_RECORD_BYTES >> 10} KiB"
        yield f"{count:,} {what}", f"not recorded: a version has room for {limit} of them"


# ---------------------------------------------------------------- the cache


def cache_key(component: Component, path: str, recipe: RecipeId) -> bytes:
    kind = kind_of(path)
    name = mlflow_key(path) if kind is not None else path.rpartition("/")[2].lower()
    form = blake3(f"{component.value}/{kind}/{name}".encode()).digest(length=16)
    return b"/".join((b"values", EDITION, form, recipe))


def pack(found: Recorded) -> bytes:
    row = {"s": found.settings, "m": found.metrics, "p": found.problem, "t": found.moment}
    return json.dumps(row).encode()


def unpack(data: bytes) -> Recorded:
    row = json.loads(data)
    return Recorded(row["s"], row["m"], row["p"], row["t"])
