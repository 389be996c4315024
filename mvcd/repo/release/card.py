"""What a model card says of a version, gathered from its records and recipes; of content, tables at most."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeVar, cast

from mvcd.ids import VersionId
from mvcd.inspect.checkpoints import leading
from mvcd.inspect.layers import Layer, layers_in, model_of
from mvcd.inspect.modelnotes import NO_NOTES, ModelNotes
from mvcd.inspect.shardsets import MAX_STATE_BYTES, ShardSet, by_member, problem_of, shard_sets
from mvcd.inspect.table import Table
from mvcd.inspect.tables import format_of, read_shards, read_table
from mvcd.inspect.tensorfile import StoredTensor
from mvcd.inspect.trainingstate import all_state, is_state_file
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Recipe
from mvcd.objects.version import Component, Version
from mvcd.repo.compare.dumped import background
from mvcd.repo.compare.sides import Side
from mvcd.repo.contents.content import VersionFile
from mvcd.repo.contents.files import ABSENT, Placed, VersionFiles, recipe_of
from mvcd.repo.contents.overlaps import SplitOverlaps, overlaps
from mvcd.repo.contents.tensors import beside_of, held, read_at_of
from mvcd.repo.core.core import Core
from mvcd.repo.history import history
from mvcd.repo.records import stages
from mvcd.repo.records.annotations import texts_of
from mvcd.repo.records.refs import STAGES, TAGS, target_of
from mvcd.repo.records.stages import StageRecord
from mvcd.repo.records.versionentry import HistoryEntry
from mvcd.repo.release.cardnotes import card_notes

MAX_MODULES = 40
"""Rows of a network's table; past it the table goes less deep."""

MAX_TABLES = 20
MAX_TABLE_BYTES = 64 << 20
"""Bytes of the tables that are read for a card, all together: half a second."""

MAX_LISTED_FILES = 100
"""Files named per component; a card that lists 100,000 images is read by nobody."""


@dataclass(frozen=True, slots=True)
class CardFile:
    """A file of a version. `recipe` is hex."""

    path: str
    size: int
    recipe: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of weights; without `format` it is plain bytes, and nothing is known of its tensors. `state`:
    it holds training state, not the model."""

    path: str
    size: int
    recipe: str
    format: str
    tensors: int
    state: bool = False


@dataclass(frozen=True, slots=True)
class ModuleSummary:
    """A part of a network, like "layers.*.attention": numbers are one, so a row stands for all its blocks."""

    module: str
    tensors: int
    parameters: int


@dataclass(frozen=True, slots=True)
class NetworkSummary:
    """The layers of one model, whatever files they are in. `parameters`: elements by dtype, most first."""

    name: str  # the files' path less shard numbers and suffix
    tensors: int
    parameters: Mapping[str, int]
    modules: tuple[ModuleSummary, ...]

    def __hash__(self) -> int:
        return hash((self.name, self.tensors, self.modules))

    @property
    def size(self) -> int:
        return sum(self.parameters.values())


@dataclass(frozen=True, slots=True)
class DataKind:
    """The data files of one kind, by the end of their names: "csv", "jpg"; "" for names without one."""

    kind: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table among the data. `problem` says why it was not counted; `shards` counts the files of one that has
    several."""

    path: str
    rows: int | None
    columns: tuple[str, ...]
    problem: str | None
    shards: int | None = None


@dataclass(frozen=True, slots=True)
class CardFacts:
    """`tables` were counted, and looked for what splits share, where that was asked for. `stages` has the
    records by which the version came to a stage or left it, newest first by stage. Of components in `absent` no
    files are named: their lists are not here, pruned or never fetched. `background`: settings that only a
    library wrote down (compare/dumped.py). `notes` is what people wrote (cardnotes.py).
    """

    history: HistoryEntry
    architecture: tuple[CardFile, ...]
    networks: tuple[NetworkSummary, ...]  # largest first, then other checkpoints of them
    weights: tuple[WeightFile, ...]
    data: tuple[DataKind, ...]
    tables: tuple[DataTable, ...]
    shared: SplitOverlaps
    stages: tuple[StageRecord, ...]
    absent: tuple[Component, ...] = ()
    background: frozenset[str] = frozenset()
    notes: ModelNotes = NO_NOTES


def facts(core: Core, ids: Sequence[VersionId], *, tables: bool) -> Iterator[CardFacts]:
    """In the order of the ids. `tables` reads the data's tables, the smaller ones, to count their rows."""
    names = history.names_by_version(core)
    steps = _steps(core)
    for id in ids:
        version = core.version(id)
        here = _Here(core, version)
        texts = texts_of(core.store, id)
        none: tuple[tuple[NetworkSummary, ...], tuple[WeightFile, ...]] = ((), ())
        networks, weights = here.look(Component.WEIGHTS, _weights, none)
        yield CardFacts(
            history=HistoryEntry(id, version, tuple(names.get(id, ())), annotations=texts),
            architecture=here.look(Component.ARCHITECTURE, _architecture, ()),
            networks=networks,
            weights=weights,
            data=here.look(Component.DATA, _data, ()),
            tables=here.look(Component.DATA, _tables, ()) if tables else (),
            shared=here.look(Component.DATA, _shared, SplitOverlaps())
            if tables
            else SplitOverlaps(),
            stages=tuple(steps.get(id, ())),
            absent=tuple(c for c in Component if c in here.absent),
            notes=card_notes(core, version, texts),
            background=background(core, Side(id, version, core.fetch), version.hyperparameters),
        )


_T = TypeVar("_T")


class _Here:
    """A version of which some content may not be here."""

    def __init__(self, core: Core, version: Version) -> None:
        self._core, self._version = core, version
        self.absent = set[Component]()

    def look(self, component: Component, find: Callable[[Core, Version], _T], nothing: _T) -> _T:
        try:
            return find(self._core, self._version)
        except ABSENT:
            self.absent.add(component)
            return nothing


def _steps(core: Core) -> dict[VersionId, list[StageRecord]]:
    """The records of all stages by version."""
    found: dict[VersionId, list[StageRecord]] = defaultdict(list)
    if core.store.refs(STAGES):
        for name in stages.names(core.store):
            for record in stages.records(core.store, name):
                id = record.promotion.version
                found[id].append(replace(record, generation=core.version(id).generation))
    return found


def _files(core: Core, version: Version, component: Component) -> list[Placed]:
    return list(VersionFiles(version, core.fetch).all([component]))


def _architecture(core: Core, version: Version) -> tuple[CardFile, ...]:
    found = _files(core, version, Component.ARCHITECTURE)[:MAX_LISTED_FILES]
    return tuple(CardFile(p.entry.path, p.entry.size, p.entry.recipe.hex()) for p in found)


def _weights(
    core: Core, version: Version
) -> tuple[tuple[NetworkSummary, ...], tuple[WeightFile, ...]]:
    files_of = VersionFiles(version, core.fetch)
    files: list[WeightFile] = []
    layers: dict[str, dict[str, Layer]] = defaultdict(dict)
    for placed in _files(core, version, Component.WEIGHTS):
        entry = placed.entry
        if entry.mode is Mode.SYMLINK:
            continue
        recipe = recipe_of(entry, core.fetch)
        found = _tensors(core, files_of, entry, recipe)
        names = [t.name for t in found]
        state = is_state_file(entry.path) or all_state(names)
        id, count = entry.recipe.hex(), len(found)
        files.append(WeightFile(entry.path, entry.size, id, recipe.format, count, state))
        model = model_of(entry.path)
        if model is not None:
            keep = layers_in(names)
            network = {
                t.name: Layer(t.name, t.dtype, t.shape, not t.repeats)
                for t in found
                if t.name in keep
            }
            layers[model].update(network)
    networks = [_network(name, list(below.values())) for name, below in layers.items() if below]
    models = leading(f"{network.name}.ckpt" for network in networks)
    networks.sort(key=lambda n: (f"{n.name}.ckpt" not in models, -n.size, n.name))
    return tuple(networks), tuple(files)


def _tensors(core: Core, files: VersionFiles, entry: Entry, recipe: Recipe) -> list[StoredTensor]:
    """None where only the header tells, and is not here."""
    name = entry.path.rpartition("/")[2]
    try:
        beside = beside_of(files, core.fetch, entry.path)
        return [h.tensor for h in held(recipe, read_at_of(recipe, core.fetch), name, beside)]
    except ABSENT:
        return []


def _network(name: str, layers: list[Layer]) -> NetworkSummary:
    parameters: Counter[str] = Counter()
    for layer in layers:
        parameters[layer.dtype] += layer.parameters
    for depth in (6, 5, 4, 3, 2, 1, 0):
        modules = _modules(layers, depth)
        if len(modules) <= MAX_MODULES:
            break
    return NetworkSummary(name, len(layers), dict(parameters.most_common()), modules)


def _modules(layers: list[Layer], depth: int) -> tuple[ModuleSummary, ...]:
    """By the first `depth` parts of their names, in the order of the file."""
    rows: dict[str, list[int]] = defaultdict(list)
    for layer in layers:
        above = layer.name.split(".")[:-1][:depth]
        rows[".".join("*" if part.isdigit() else part for part in above)].append(layer.parameters)
    return tuple(ModuleSummary(m, len(counts), sum(counts)) for m, counts in rows.items())


def _data(core: Core, version: Version) -> tuple[DataKind, ...]:
    """By kind, most bytes first."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for placed in VersionFiles(version, core.fetch).all([Component.DATA]):
        _, dot, end = placed.entry.path.rpartition("/")[2].rpartition(".")
        kinds[end.lower() if dot else ""].append(placed.entry.size)
    found = [DataKind(kind, len(sizes), sum(sizes)) for kind, sizes in kinds.items()]
    return tuple(sorted(found, key=lambda k: (-k.size, k.kind)))


def _shared(core: Core, version: Version) -> SplitOverlaps:
    files = _files(core, version, Component.DATA)
    return overlaps((p for p in files if p.entry.mode is not Mode.SYMLINK), core.fetch)


def _tables(core: Core, version: Version) -> tuple[DataTable, ...]:
    """In the order of their paths."""
    return tuple(_each_table(core, version))


def _each_table(core: Core, version: Version) -> Iterator[DataTable]:
    found = [p.entry for p in VersionFiles(version, core.fetch).all([Component.DATA])]
    files = {e.path: e for e in found if e.mode is not Mode.SYMLINK}

    def read(path: str) -> bytes | None:
        try:
            with VersionFile(files[path], core.fetch) as file:
                return file.read(MAX_STATE_BYTES + 1)
        except ABSENT:
            return None

    sets = shard_sets(files, read)
    within = by_member(sets)
    tables: dict[str, ShardSet | None] = dict(sets)
    tables |= {p: None for p in files if format_of(p) is not None and p not in within}
    left = MAX_TABLE_BYTES
    for path, shards in sorted(tables.items())[:MAX_TABLES]:
        members = [files[member] for member in (shards.members if shards else (path,))]
        size = sum(entry.size for entry in members)
        problem = problem_of(shards) if shards else None
        if problem is None and size > left:
            problem = "too large to be counted for a card"
        if problem is None:
            left -= size
            table = _counted(core, members, in_shards=shards is not None)
        else:
            table = Table(problem=problem)
        columns = tuple(column.name for column in table.columns)
        count = len(members) if shards else None
        yield DataTable(path, table.rows, columns, table.problem, count)


def _counted(core: Core, members: Sequence[Entry], *, in_shards: bool) -> Table:
    def opened() -> Generator[tuple[str, BinaryIO]]:
        for entry in members:
            with io.BufferedReader(VersionFile(entry, core.fetch)) as file:
                yield entry.path, cast(BinaryIO, file)

    try:
        with closing(opened()) as files:
            return read_shards(files) if in_shards else read_table(*next(files))
    except ABSENT:
        return Table(problem="content not here")


def published(core: Core) -> list[VersionId]:
    """Versions with a tag or that ever were on a stage, newest first."""
    refs = {**core.store.refs(TAGS), **core.store.refs(STAGES)}
    ids = {target_of(value) for value in refs.values()}
    return sorted(ids, key=lambda id: (-core.version(id).time_us, id))
