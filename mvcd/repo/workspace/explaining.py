"""`explain`: which part a file is, by which rule, how it was read, and what was not understood."""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from io import BufferedReader
from typing import BinaryIO

from mvcd.errors import Failure
from mvcd.inspect import understood
from mvcd.inspect.company import COMPANY
from mvcd.inspect.kinds import UNKNOWN, ContentKind, kind_of
from mvcd.inspect.spans import ReadAt, reading
from mvcd.inspect.tensorfile import Beside
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.version import Component
from mvcd.repo.contents import flatvalues
from mvcd.repo.contents.content import VersionFile
from mvcd.repo.contents.drafts import shape_of
from mvcd.repo.contents.files import ABSENT, VersionFiles
from mvcd.repo.contents.tensors import beside_of
from mvcd.repo.core.core import Core
from mvcd.repo.ondisk.reading import unread
from mvcd.repo.records.results import Explained
from mvcd.repo.workspace.left_out import is_out
from mvcd.repo.workspace.settings import component_rules, current
from mvcd.repo.workspace.sorting import Kinds, PartSorter, PathsCame
from mvcd.repo.workspace.workspace import ScannedWorkspace

_BUFFER_BYTES = 1 << 20
_NO_FORMAT = "no format that is read: compared by its bytes"


def explain(core: Core, paths: Sequence[str], rev: str | None = None) -> Iterator[Explained]:
    """The files at and below `paths` (relative to the root; "." is all) of a version, or (None) of the
    workspace, in the order of the paths. Raises Failure (kind "no-such-path") for one that names nothing, and
    for a file that cannot be read; MissingObject where a version's list of files is not here."""
    look = _InWorkspace(core) if rev is None else _InVersion(core, rev)
    for path in paths:
        found = look.below("" if path in (".", "") else path.rstrip("/"))
        if not found:
            raise _nothing(path, rev, left_out=rev is None and bool(core.left_out()))
        for name in found:
            yield look.explain(name)


def _nothing(path: str, rev: str | None, *, left_out: bool) -> Failure:
    where = "the workspace" if rev is None else rev
    help = f"mvc ls {rev}"
    if rev is None:
        help = f"mvc explain HEAD:{path}  for what is left out here" if left_out else "mvc status"
    return Failure(f"{where} has no {path}", kind="no-such-path", help=help)


class _InVersion:
    """By today's rules, and the company that the version has."""

    def __init__(self, core: Core, rev: str) -> None:
        version = core.version(core.resolve(rev))
        self._fetch = core.fetch
        self._files = VersionFiles(version, core.fetch)
        kinds = Kinds(core.store, core.fetch)
        self._kinds = kinds
        self._sorter = PartSorter(component_rules(current(core)), version, core.fetch, kinds)
        self._placed: dict[str, tuple[Component, Entry]] = {}

    def below(self, path: str) -> Collection[str]:
        self._placed = {
            p.entry.path: (p.component, p.entry) for p in self._files.all(prefix=path or None)
        }
        return sorted(self._placed)

    def explain(self, path: str) -> Explained:
        component, entry = self._placed[path]
        if entry.mode is Mode.SYMLINK:
            return _explained(self._sorter, path, UNKNOWN, component, entry.size, None)
        kind = self._kinds.of(entry)
        if kind is None:
            rule = "its content is not here"
            return Explained(path, component, False, rule, component, problem=rule)
        try:
            file = VersionFile(entry, self._fetch)
            beside = beside_of(self._files, self._fetch, path)
            return _explained(self._sorter, path, kind, component, entry.size, file, beside)
        except ABSENT:
            return _explained(self._sorter, path, kind, component, entry.size, None)


class _InWorkspace:
    """By what lies there now, tracked or not."""

    def __init__(self, core: Core) -> None:
        self._root = core.root
        self._core = core
        self._workspace = workspace = ScannedWorkspace(core)
        self._came = [candidate.path for candidate in workspace.scan.candidates]
        self._files = VersionFiles(workspace.known.version, workspace.fetch)
        self._recorded: dict[str, Component] = {}
        self._sorter = self._sorting(self._came)

    def _sorting(self, came: Collection[str]) -> PartSorter:
        workspace = self._workspace
        kinds = Kinds(self._core.store, workspace.fetch)
        sorter = PartSorter(
            workspace.rules, workspace.known.version, workspace.fetch, kinds, PathsCame(came),
            workspace.scan.vanished,
        )  # fmt: skip
        for path in came:
            if path.lower().endswith(".onnx"):
                sorter.note(path, self._look(path)[0])
        return sorter

    def below(self, path: str) -> Collection[str]:
        placed = list(self._files.all(prefix=path or None))
        self._recorded = {p.entry.path: p.component for p in placed}
        out = (p.entry.path for p in placed if is_out(p, self._workspace.left_out))
        gone = {*self._workspace.scan.vanished, *(p for p in out if not self._lies_here(p))}
        inside = {p for p in self._came if not path or p == path or p.startswith(path + "/")}
        found = {p for p in {*self._recorded, *inside} if p not in gone}
        if not found and (found := set(_on_disk(self._root, path))):
            self._sorter = self._sorting([*self._came, *sorted(found)])
        return sorted(found)

    def _lies_here(self, path: str) -> bool:
        return os.path.lexists(os.path.join(self._root, path))

    def explain(self, path: str) -> Explained:
        kind, size, file = self._look(path)
        recorded = self._recorded.get(path)
        if file is None:
            return _explained(self._sorter, path, kind, recorded, size, None)
        with file:
            beside = partial(self._beside, path)
            return _explained(self._sorter, path, kind, recorded, size, file, beside)

    def _beside(self, path: str, name: str) -> tuple[ReadAt, int] | None:
        """Opened for each reading, of which there are few: thousands of files cannot be open at once."""
        full = os.path.join(self._root, os.path.dirname(path), name)
        if os.path.islink(full) or not os.path.isfile(full):
            return None

        def read_at(offset: int, length: int) -> bytes:
            try:
                with open(full, "rb") as file:
                    return reading(file)(offset, length)
            except OSError as error:
                raise unread(os.path.relpath(full, self._root), error.errno or 0) from error

        return read_at, os.path.getsize(full)

    def _look(self, path: str) -> tuple[ContentKind, int, BufferedReader | None]:
        full = os.path.join(self._root, path)
        if os.path.islink(full):
            return UNKNOWN, 0, None
        try:
            file = open(full, "rb")  # noqa: SIM115 - the caller closes it
            size = os.fstat(file.fileno()).st_size
            read_at = reading(file)
            return kind_of(read_at, size, shape_of(read_at, size)), size, file
        except OSError as error:
            raise unread(path, error.errno or 0) from error


def _on_disk(root: str, path: str) -> Iterator[str]:
    """Files that nothing tracks, at or below a path."""
    full = os.path.join(root, path)
    if os.path.isfile(full) or os.path.islink(full):
        yield path
        return
    for directory, below, files in os.walk(full):
        below[:] = [name for name in below if name not in (".mvc", ".git")]
        yield from (os.path.relpath(os.path.join(directory, name), root) for name in files)


def _explained(
    sorter: PartSorter, path: str, kind: ContentKind, recorded: Component | None, size: int,
    file: BinaryIO | VersionFile | None, beside: Beside | None = None,
) -> Explained:  # fmt: skip
    component, state, rule = sorter.ruling(path, kind)
    said = Explained(path, component, state, rule, recorded, kind.format)
    if file is None:
        return said
    carries = flatvalues.carries_values(component, path, size)
    if carries and not (component is Component.WEIGHTS and kind.says):
        return _with_values(said, file, size)
    if component in (Component.HYPERPARAMETERS, Component.RESULTS):
        return _with(
            said, problem="its name is none of those that are read for values" if size else "empty"
        )
    if component is not Component.WEIGHTS and not kind.says:
        return said
    found = understood.tensors(reading(file), size, path, kind, beside)
    if found is None:
        needed = component is Component.WEIGHTS and not rule.startswith(COMPANY)
        return _with(said, problem=_NO_FORMAT if needed else None)
    counts = (found.tensors, found.parameters, found.state)
    tensors, parameters, in_state = counts if found.tensors else (None, None, None)
    state = state or (found.tensors > 0 and found.state == found.tensors)
    values = _with_values(said, file, size).values if carries else None
    return Explained(
        path, component, state and component is Component.WEIGHTS, rule, recorded, found.format,
        tensors, parameters, in_state, values=values or None, problem=found.problem,
    )  # fmt: skip


def _with_values(said: Explained, file: BinaryIO | VersionFile, size: int) -> Explained:
    file.seek(0)
    stream = io.BufferedReader(file, _BUFFER_BYTES) if isinstance(file, VersionFile) else file
    found = flatvalues.parse_file(said.component, said.path, stream, size)
    return _with(said, count=len(found.settings) + len(found.metrics), problem=found.problem)


def _with(said: Explained, *, count: int | None = None, problem: str | None) -> Explained:
    return Explained(
        said.path, said.component, said.state, said.rule, said.recorded, said.format,
        values=count, problem=problem,
    )  # fmt: skip
