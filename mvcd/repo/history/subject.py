"""What one can ask the history of: a path, a tensor, a hyperparameter or a metric.

    model.safetensors           a file, or a directory with all below it
    encoder.0.weight            a tensor, in whatever file
    model.safetensors:bias      the tensor of one file
    lr  params.lr  val.loss     a key as it is recorded

A name is looked up in the version asked from, then, for what is gone meanwhile, in history: keys and paths.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from itertools import chain, islice

from mvcd.errors import Failure
from mvcd.ids import NodeId, RecipeId, VersionId
from mvcd.inspect.spans import TOLD_BY_RECIPES
from mvcd.objects.glance import MISSING, Glance, TensorGlance, entries_at, tensor_in
from mvcd.objects.manifest import entries
from mvcd.objects.recipe import Recipe, Tensor
from mvcd.objects.version import Component, Value
from mvcd.repo.contents.files import ABSENT, recipe_of
from mvcd.repo.contents.tensors import alone, held, read_at_of
from mvcd.repo.core.core import Core
from mvcd.repo.history.query.evaluate import value_finder
from mvcd.repo.history.walk import ancestors

_MAX_NAMES = 10_000
"""Paths of a component, and tensors, among which a mistyped name is looked for."""


class SubjectKind(StrEnum):
    PATH = "path"
    TENSOR = "tensor"
    HYPERPARAMETER = "hyperparameter"
    METRIC = "metric"


State = Hashable
"""What a version has of a subject; equal states mean unchanged."""


@dataclass(frozen=True, slots=True)
class Untold:
    """The state where what would tell is not here: pruned, or never fetched. Equal `roots`, equal state."""

    roots: tuple[NodeId | None, ...]


class Subject(ABC):
    """A thing with a state in each version; `shown` is what people see of a state."""

    def __init__(self, kind: SubjectKind, name: str) -> None:
        self.kind = kind
        self.name = name
        self.undecided: list[VersionId] = []  # by `touching`, for want of content

    @abstractmethod
    def state(self, version: Glance) -> State: ...

    @abstractmethod
    def shown(self, state: State) -> Value: ...

    def exists(self, version: Glance) -> bool:
        return self.shown(self.state(version)) is not None

    def touching(self, core: Core, versions: Iterable[Glance]) -> Iterator[Glance]:
        """Returns those of `versions` that are known to have changed it against all of their parents."""
        states: dict[VersionId, State] = {}

        def state(id: VersionId, version: Glance | None = None) -> State:
            if id not in states:
                states[id] = self.state(version or core.glance(id))
            return states[id]

        for version in versions:
            mine = state(version.id, version)
            before = [state(parent) for parent in version.parents or (VersionId.of(b""),)]
            if mine in before:
                continue
            if any(isinstance(found, Untold) for found in (mine, *before)):
                self.undecided.append(version.id)
            else:
                yield version


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A value with its type: True is not 1 here, and one NaN equals another."""

    value: Value | object = field(compare=False)
    key: str


class ValueSubject(Subject):
    def __init__(self, kind: SubjectKind, name: str) -> None:
        super().__init__(kind, name)
        self._find = value_finder(name)

    def state(self, version: Glance) -> State:
        value = self._find(version)
        return _Recorded(value, "" if value is MISSING else repr(value))

    def shown(self, state: State) -> Value:
        assert isinstance(state, _Recorded)
        return None if state.value is MISSING else state.value  # type: ignore[return-value]

    def exists(self, version: Glance) -> bool:
        return self._find(version) is not MISSING


@dataclass(frozen=True, slots=True)
class _Files:
    """Entries at or below a path, as one digest: a directory of many files times many versions is much."""

    content: bytes  # empty where there are none
    count: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)
    recipe: str = field(default="", compare=False)  # of a single file

    @property
    def directory(self) -> bool:
        return bool(self.content) and not self.recipe


_NOTHING = _Files(b"")


class PathSubject(Subject):
    """Reads nodes of manifests whose root differs from all it has seen."""

    def __init__(self, core: Core, name: str) -> None:
        super().__init__(SubjectKind.PATH, name)
        self._fetch = core.fetch
        self._seen: dict[NodeId, _Files] = {}
        self._home: Component | None = None

    def state(self, version: Glance) -> State:
        """A file is in one component only: where it was last, else in any. A directory may be in several."""
        if self._home is not None and (root := version.root(self._home)) is not None:
            home = self._below(root)
            if home is not None and home.recipe:
                return home
        found, unlisted = [], False
        for component in Component:
            root = version.root(component)
            files = _NOTHING if root is None else self._below(root)
            if files is None:
                unlisted = True
            elif files.content:
                self._home = component
                found.append(files)
        if unlisted and not (found and found[0].recipe):
            return Untold(tuple(version.root(component) for component in Component))
        if len(found) <= 1:
            return found[0] if found else _NOTHING
        content = b"".join(files.content for files in found)
        return _Files(content, sum(f.count for f in found), sum(f.size for f in found))

    def _below(self, root: NodeId) -> _Files | None:
        """None where the list is not here."""
        known = self._seen.get(root)
        if known is None:
            path = self.name.rstrip("/") or "."
            try:
                listed = entries_at(root, path, self._fetch)
            except ABSENT:
                return None
            if not listed:
                known = _NOTHING
            else:
                hasher = blake2b(digest_size=16)
                for name, recipe, mode, _ in listed:
                    hasher.update(b"%d %s %s\0" % (mode, recipe, name.encode()))
                only = listed[0][1].hex() if listed[0][0] == path else ""
                size = sum(size for _, _, _, size in listed)
                known = _Files(hasher.digest(), len(listed), size, only)
            self._seen[root] = known
        return known

    def shown(self, state: State) -> Value:
        if isinstance(state, Untold):
            return None
        assert isinstance(state, _Files)
        if not state.content:
            return None
        if state.directory:
            return f"{state.count:,} file{'s' if state.count != 1 else ''}, {state.size:,} B"
        return f"{state.recipe[:10]}, {state.size:,} B"


class TensorSubject(Subject):
    """`path` limits the search to one file."""

    def __init__(self, core: Core, name: str, path: str | None) -> None:
        super().__init__(SubjectKind.TENSOR, name if path is None else f"{path}:{name}")
        self._tensor, self._path = name, path
        self._fetch = core.fetch
        self._by_root: dict[NodeId, tuple[str, ...]] = {}
        self._by_recipe: dict[RecipeId, str | None] = {}
        self._hint = 0

    def state(self, version: Glance) -> State:
        root = version.root(Component.WEIGHTS)
        if root is None:
            return ()
        if root not in self._by_root:
            try:
                listed = entries_at(root, self._path or ".", self._fetch)
                found = [self._in(path, recipe) for path, recipe, _, _ in listed]
            except ABSENT:
                return Untold((root,))
            self._by_root[root] = tuple(sorted(text for text in found if text is not None))
        return self._by_root[root]

    def _in(self, path: str, recipe: RecipeId) -> str | None:
        """Its dtype, shape and the beginning of a digest of what names its content."""
        if recipe not in self._by_recipe:
            data = self._fetch(recipe)
            found = tensor_in(data, self._tensor, self._hint)
            self._by_recipe[recipe] = None
            if found is not None:
                self._hint = found.place
            else:
                found = self._by_header(path, Recipe.decode(data))
            if found is not None:
                digest = blake2b(found.content, digest_size=5).hexdigest()
                self._by_recipe[recipe] = f"{found.dtype} {list(found.shape)} {digest}"
        return self._by_recipe[recipe]

    def _by_header(self, path: str, recipe: Recipe) -> TensorGlance | None:
        """The same of a tensor that the recipe does not name: tied to another, or of another format."""
        if recipe.format in TOLD_BY_RECIPES:
            return None
        read_at = read_at_of(recipe, self._fetch)
        listed = held(recipe, read_at, path.rpartition("/")[2])
        for tensor, segment in listed:
            if tensor.name == self._tensor:
                known = segment or alone(tensor, read_at)
                if known is None:
                    return None
                mine = known._replace(tensor=Tensor(tensor.name, tensor.dtype, tensor.shape))
                return tensor_in(Recipe(mine.size, "", (mine,)).encode(), tensor.name)
        return None

    def shown(self, state: State) -> Value:
        if isinstance(state, Untold):
            return None
        assert isinstance(state, tuple)
        return ", ".join(state) or None


class PathsSubject(Subject):
    """Several files or directories as one subject, which changes when any of them does."""

    def __init__(self, core: Core, names: Sequence[str]) -> None:
        super().__init__(SubjectKind.PATH, ", ".join(names))
        self._each = [PathSubject(core, name) for name in names]

    def state(self, version: Glance) -> State:
        states = [each.state(version) for each in self._each]
        untold = [state.roots for state in states if isinstance(state, Untold)]
        return Untold(tuple(chain.from_iterable(untold))) if untold else tuple(states)

    def shown(self, state: State) -> Value:
        assert isinstance(state, tuple)
        each = zip(self._each, state, strict=True)
        return next((value for one, s in each if (value := one.shown(s)) is not None), None)


def subject_of(core: Core, name: str, rev: str = "HEAD") -> Subject:
    """What `name` means at `rev`. Raises Failure for what neither `rev` nor its history knows."""
    tip = core.glance(core.resolve(rev))
    for subject in _meanings(core, name, tip):
        if subject.exists(tip):
            return subject
    key, path = ValueSubject(SubjectKind.METRIC, name), PathSubject(core, name)
    for version in ancestors(core, [tip.id]):
        if key.exists(version):
            return _value_subject(name, version)
        if path.exists(version):
            return path
    raise _unknown(core, name, rev, tip)


def _meanings(core: Core, name: str, tip: Glance) -> Iterator[Subject]:
    yield _value_subject(name, tip)
    yield PathSubject(core, name)
    yield TensorSubject(core, name, None)
    path, colon, tensor = name.rpartition(":")
    if colon and path:
        yield TensorSubject(core, tensor, path)


def _value_subject(name: str, version: Glance) -> ValueSubject:
    area, _, rest = name.partition(".")
    metric = version.metric(name) is not MISSING or (
        area == "metrics" and version.metric(rest) is not MISSING
    )
    return ValueSubject(SubjectKind.METRIC if metric else SubjectKind.HYPERPARAMETER, name)


def _unknown(core: Core, name: str, rev: str, tip: Glance) -> Failure:
    from difflib import get_close_matches  # late: start-up

    known, absent = set(tip.keys()), list[str]()
    for component in Component:
        try:
            if (root := tip.root(component)) is not None:
                known |= {entry.path for entry in islice(entries(root, core.fetch), _MAX_NAMES)}
            if component is Component.WEIGHTS:
                known |= set(islice(_tensor_names(core, tip), _MAX_NAMES))
        except ABSENT:
            absent.append(component.value)
    near = get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    help = f"did you mean {' or '.join(near)}?" if near else f"mvc show {rev}, or: mvc ls {rev}"
    if absent:
        help = f"{core.way_to_absent()}{f', or: {help}' if near else ''}"
        return Failure(
            f"nothing here tells what {name!r} is in {rev}",
            kind="content-absent",
            cause=f"its {', '.join(absent)} are not here: pruned, or never fetched",
            help=help,
        )
    return Failure(
        f"{rev} has no path, tensor, hyperparameter or metric {name!r}, and never had",
        kind="unknown-subject",
        help=help,
    )


def _tensor_names(core: Core, version: Glance) -> Iterator[str]:
    root = version.root(Component.WEIGHTS)
    for entry in () if root is None else entries(root, core.fetch):
        for segment in recipe_of(entry, core.fetch).segments:
            if segment.tensor is not None:
                yield segment.tensor.name
