"""Runs: a command, recorded with what it read and wrote, that can be run again and compared.

A version that a run made holds `mvc-run.log` in its results: one JSON object, canonical (sorted keys, two
spaces), all of these keys:

    schema_version  1
    command         list of words, as given
    directory       where it ran, relative to the workspace root; "." is the root
    environment     the variables that were recorded, by name; values are text
    seed            an integer, or null
    seconds         how long it ran
    status          its exit status
    inputs          paths named as inputs, or null: everything tracked that the run did not change
    outputs         paths named as outputs, or null: everything tracked that it changed
    edited          files that no version had when the run began: path -> recipe id (hex) they had then

and, which records of before have not, and readers of before pass over:

    program         the command's first word relative to the root, where it is a path below it; else null
    packages        what was installed for the Python that it ran on: name -> version; null: not known

It is a file and no field of the version record, so that ids of versions stay what they are and any reader can
keep it. What a file was before the run overwrote it comes from the parent version, unless `edited` says that
the parent had something else; then that content is lost, and `reproduce` says so. The engine starts no
process: it prepares a directory, and compares it afterwards.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mvcd.errors import CorruptObject, Failure, MissingObject
from mvcd.ids import Digest, VersionId
from mvcd.objects.entry import Entry
from mvcd.objects.tree import Fetch
from mvcd.objects.version import EMPTY, Component, Version
from mvcd.repo.contents.files import Placed, VersionFiles, changes, read_entry, recipe_of
from mvcd.repo.core.core import Core
from mvcd.repo.core.creation import create
from mvcd.repo.ondisk.folding import FoldedNames, refuse_twins
from mvcd.repo.records.committed import Context
from mvcd.repo.restore.checkout import Checkout
from mvcd.repo.workspace.workspace import ScannedWorkspace

NAME = "mvc-run.log"
SCHEMA = 1
MAX_RECORD_BYTES = 4 << 20
"""Bytes of a record that is read."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What `mvc-run.log` says; see above."""

    command: tuple[str, ...]
    directory: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    seconds: float = 0.0
    status: int = 0
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    edited: Mapping[str, str] = field(default_factory=dict)
    program: str | None = None
    packages: Mapping[str, str] | None = None

    def encode(self) -> bytes:
        document = {"schema_version": SCHEMA, **asdict(self)}
        text = json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        # A word that is not UTF-8 has lone surrogates for its bytes (PEP 383), which JSON writes as \\udcXX.
        return text.encode("utf-8", "backslashreplace") + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> RunRecord:
        """Raises CorruptObject; records are files that people can edit, and other people's."""
        try:
            found: dict[str, Any] = json.loads(data)
            if found["schema_version"] != SCHEMA:
                raise ValueError(f"schema_version {found['schema_version']}")
            record = cls(
                _words(found["command"]), found["directory"], _texts(found["environment"]),
                found["seed"], float(found["seconds"]), found["status"],
                None if found["inputs"] is None else _words(found["inputs"]),
                None if found["outputs"] is None else _words(found["outputs"]),
                _texts(found["edited"]), found.get("program"),
                None if found.get("packages") is None else _texts(found["packages"]),
            )  # fmt: skip
            if not record.command or not isinstance(record.directory, str):
                raise ValueError("no command")
            if not isinstance(record.status, int) or not isinstance(record.seed, int | None):
                raise ValueError("seed and status are integers")
            if not isinstance(record.program, str | None):
                raise ValueError("the program is no path")
            for path in (record.directory, record.program or ""):
                if os.path.isabs(path) or ".." in path.split("/") or "\0" in path:
                    raise ValueError(f"{path!r} is outside the workspace")
            return record
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise CorruptObject(f"{NAME} cannot be read", cause=str(error)) from error


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(w, str) and "\0" not in w for w in value):
        raise ValueError("a list of texts is wanted")
    return tuple(value)


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError("an object of texts is wanted")
    return value


def edited(core: Core) -> dict[str, str]:
    """Tracked files that HEAD does not have as they are: path -> recipe id, "" for a deleted one."""
    found = ScannedWorkspace(core).differences(core.head().version)
    return {p: "" if now is None else now.entry.recipe.hex() for p, (_, now) in found.items()}


def record_of(core: Core, id: VersionId) -> RunRecord:
    """Raises Failure when no run made this version."""
    version = core.version(id)
    placed = VersionFiles(version, core.fetch).find(NAME)
    if placed is None or placed.entry.size > MAX_RECORD_BYTES:
        raise Failure(
            f"v{version.generation} {id.short(10)} was not made by a run",
            kind="no-run", cause=f"it has no {NAME}", help=f"mvc log -- {NAME}  (lists those that were)",
        )  # fmt: skip
    return RunRecord.decode(read_entry(placed.entry, core.fetch))


def holds(core: Core, id: VersionId, path: str) -> bool:
    """Whether a version has a file of this path, relative to the root."""
    return VersionFiles(core.version(id), core.fetch).find(path) is not None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A directory as it was when a run began."""

    record: RunRecord
    outputs: tuple[str, ...]
    lost: tuple[str, ...]  # overwritten by the run, and never in a version before it


def prepare(core: Core, id: VersionId, directory: str) -> Prepared:
    """Writes what a run began with into an empty directory: inputs, and outputs as they were before."""
    record, version = record_of(core, id), core.version(id)
    parent = core.version(version.parents[0]) if version.parents else EMPTY
    files = {p.entry.path: p for p in VersionFiles(version, core.fetch).all()}
    changed = changes(parent, version, core.fetch)
    outputs, lost = [], []
    begin: dict[str, Entry] = {path: placed.entry for path, placed in files.items()}
    for path, (before, after) in sorted(changed.items()):
        unchanged = after is not None and record.edited.get(path) == after.entry.recipe.hex()
        if path == NAME or (unchanged and not _named(path, record.outputs)):
            continue
        outputs.append(path)
        begin.pop(path, None)
        if path in record.edited:
            lost.extend([path] if record.edited[path] else [])
        elif before is not None:
            begin[path] = before.entry
    for path in files:
        if path not in changed and _named(path, record.outputs):
            outputs.append(path)
    begin.pop(NAME, None)
    _write(core, list(begin.values()), directory)
    os.makedirs(os.path.join(directory, record.directory), exist_ok=True)
    return Prepared(record, tuple(sorted(outputs)), tuple(lost))


def _named(path: str, names: Sequence[str] | None) -> bool:
    return names is not None and any(path == n or path.startswith(n + "/") for n in names)


def _write(core: Core, entries: Sequence[Entry], directory: str) -> None:
    staging = os.path.join(directory, ".mvc", "staging")
    refuse_twins((e.path for e in entries), FoldedNames(staging), directory)
    Checkout(directory, staging, core.contents, core.monitor).apply(entries, [], expect={})


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """One output, again. `tensors` are those that differ, where both sides list tensors."""

    path: str
    component: Component
    same: bool
    missing: bool = False
    tensors: tuple[str, ...] = ()
    tensor_count: int = 0


@dataclass(frozen=True, slots=True)
class MetricOutcome:
    key: str
    recorded: object
    found: object
    within: bool


def judge(
    core: Core,
    id: VersionId,
    prepared: Prepared,
    directory: str,
    *,
    context: Context,
    tolerance: float,
) -> tuple[tuple[FileOutcome, ...], tuple[MetricOutcome, ...]]:
    """Compares a directory, after the command ran there, with the version it should have become."""
    version = core.version(id)
    with _Look(core, version, directory, context) as (found, fetch):
        differing = changes(version, found, lambda i: _either(core, fetch, i))
        old = VersionFiles(version, core.fetch).lookup(prepared.outputs)
        files = []
        for path in prepared.outputs:
            if path not in old:
                continue
            now = differing.get(path, (None, None))[1]
            files.append(_outcome(old[path], path in differing, now, core, fetch))
        return tuple(files), _metrics(version, found, tolerance)


def _either(core: Core, fetch: Fetch, id: Digest) -> bytes:
    """From the directory, or from the repository that it is compared with."""
    try:
        return fetch(id)
    except MissingObject:
        return core.fetch(id)


class _Look:
    """A directory as a version that is stored nowhere; its own small repository goes with `with`."""

    def __init__(self, core: Core, version: Version, directory: str, context: Context) -> None:
        self._tracked = version.tracked
        self._context = context
        self._core = create(directory, context=context, monitor=core.monitor, clock=core.clock)

    def __enter__(self) -> tuple[Version, Fetch]:
        self._core.record(self._context, "add", "add", [self._core.move_tracked(self._tracked)])
        return ScannedWorkspace(self._core).unsaved

    def __exit__(self, *exc: object) -> None:
        self._core.close()


def _outcome(
    before: Placed, differs: bool, now: Placed | None, core: Core, fetch: Fetch
) -> FileOutcome:
    path, component = before.entry.path, before.component
    if not differs:
        return FileOutcome(path, component, same=True)
    if now is None:
        return FileOutcome(path, component, same=False, missing=True)
    old = _tensors(before.entry, core.fetch)
    new = _tensors(now.entry, fetch)
    unequal = [n for n, key in old.items() if new.get(n) != key] if new else []
    return FileOutcome(
        path, component, same=False, tensors=tuple(unequal), tensor_count=len(old) if new else 0
    )


def _tensors(entry: Entry, fetch: Fetch) -> dict[str, object]:
    recipe = recipe_of(entry, fetch)
    return {s.tensor.name: s.content_key for s in recipe.segments if s.tensor is not None}


def _metrics(version: Version, found: Version, tolerance: float) -> tuple[MetricOutcome, ...]:
    outcomes = []
    for key, recorded in sorted(version.metrics.items()):
        now = found.metrics.get(key)
        outcomes.append(MetricOutcome(key, recorded, now, _within(recorded, now, tolerance)))
    return tuple(outcomes)


def _within(a: object, b: object, tolerance: float) -> bool:
    """Equal, or numbers at most `tolerance` apart, relative to the greater (and absolute below 1)."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        if a != a or b != b:  # noqa: PLR0124 - NaN equals NaN here: it was reproduced
            return a != a and b != b  # noqa: PLR0124
        return abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))
    return a == b
