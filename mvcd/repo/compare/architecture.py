"""What changed in the network itself: layers, its configuration, its source, its environment.

Layers come from the recipes of changed weight files, or from the headers of formats that recipes do not know
(modelfiles.py), so no weight is read. Configurations, source and lock files are small and are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from mvcd.inspect import kerasconfig, notebook
from mvcd.inspect.environment import PackageChange, compare_packages, is_environment, packages
from mvcd.inspect.layers import Keyed, ModelChange, compare_layers, model_of
from mvcd.inspect.textdiff import is_text, line_counts
from mvcd.inspect.values import parse_settings
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.version import Component, Value
from mvcd.repo.compare.diff import value_changes
from mvcd.repo.compare.modelfiles import ModelFiles
from mvcd.repo.compare.sides import Side, Sides
from mvcd.repo.contents.files import ABSENT, FULL_SCAN_LOOKUPS, Placed
from mvcd.repo.records.differences import ValueChange

MAX_SOURCE_BYTES = 1 << 20
"""Bytes of a text file whose lines are counted."""

MAX_SOURCE_FILES = 500
"""Files whose lines are counted; a whole source tree that came or went is not read for its line count."""

_MAX_CONFIG_BYTES = 1 << 20
_CONFIG_SUFFIXES = (".json", ".yaml", ".yml", ".toml")
_CANDIDATE_MODELS = 16  # models that are gone, weighed for each that came
_SAME_MODEL_SHARE = 0.5
"""Share of equal layer names from which two models under different paths are one that moved."""


@dataclass(frozen=True, slots=True)
class SourceChange:
    """A text file that changed, with its lines; None where they were not counted."""

    path: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class ArchitectureChange:
    """`config` has, per file, the keys that differ; `packages_differ` tells that the recorded digests of all
    installed packages do (None: not recorded on both sides). `absent`: changed files whose content is not here,
    pruned or never fetched; with weights among them, `models` is empty."""

    models: tuple[ModelChange, ...] = ()
    config: Mapping[str, Mapping[str, ValueChange]] = field(default_factory=dict)
    source: tuple[SourceChange, ...] = ()
    environment: tuple[PackageChange, ...] = ()
    packages_differ: bool | None = None
    absent: tuple[str, ...] = ()

    @property
    def layers(self) -> tuple[ModelChange, ...]:
        """The models whose layers changed their form, came, went or were renamed."""
        return tuple(model for model in self.models if model.changed)

    @property
    def changed(self) -> bool:
        return bool(self.layers or self.config or self.source or self.environment)


def compare_architecture(sides: Sides) -> ArchitectureChange:
    """Compares architectures; content that is not here (pruned, never fetched) is told as far as the rest tells
    it. Raises CorruptObject."""
    found = _Gathered(environment=_recorded(sides))
    old_files, new_files = ModelFiles(sides.old), ModelFiles(sides.new)
    for path, change in sorted(sides.changes.items()):
        try:
            _gather(found, sides, (old_files, new_files), path, *change)
        except ABSENT:
            found.absent.append(path)
    try:
        models = tuple(_models(sides, old_files, new_files))
    except ABSENT:
        models = ()
    return ArchitectureChange(
        models,
        found.config,
        tuple(found.source),
        tuple(found.environment),
        _packages_differ(sides),
        tuple(found.absent),
    )


@dataclass(slots=True)
class _Gathered:
    environment: list[PackageChange]
    config: dict[str, dict[str, ValueChange]] = field(default_factory=dict)
    source: list[SourceChange] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def _gather(
    found: _Gathered,
    sides: Sides,
    files: tuple[ModelFiles, ModelFiles],
    path: str,
    before: Placed | None,
    after: Placed | None,
) -> None:
    component = (after or before).component  # type: ignore[union-attr]  # one of them is there
    config, asked = found.config, list[PackageChange]()
    if is_environment(path):
        asked = compare_packages(path, _packages(sides.old, before), _packages(sides.new, after))
        found.environment += asked
    elif component is Component.WEIGHTS and path.endswith(".keras"):
        _put(config, path, _keras(sides.old, before), _keras(sides.new, after))
    elif component is Component.WEIGHTS and before is not None and after is not None:
        _put(config, path, _metadata(files[0], before), _metadata(files[1], after))
    elif component is not Component.ARCHITECTURE:
        return
    elif path.endswith(_CONFIG_SUFFIXES) and before is not None and after is not None:
        _put(config, path, _settings(sides.old, before), _settings(sides.new, after))
    if component is Component.ARCHITECTURE and path not in config and not asked:
        count = len(found.source) < MAX_SOURCE_FILES
        found.source.append(_source(sides, path, before, after, count=count))


# ---------------------------------------------------------------- layers


def _models(sides: Sides, old_files: ModelFiles, new_files: ModelFiles) -> Iterator[ModelChange]:
    touched = {
        model
        for path, change in sides.changes.items()
        for placed in change
        if placed is not None and placed.component is Component.WEIGHTS
        if (model := model_of(path)) is not None
    }
    if not touched:
        return
    also = sides.weights_on_one_side
    old = _layers(sides.old, old_files, touched, also)
    new = _layers(sides.new, new_files, touched, also)
    for before, after in _pairs(old, new):
        yield compare_layers(old.get(before or "", {}), new.get(after or "", {}), before, after)


def _layers(
    side: Side, files: ModelFiles, models: set[str], also: Collection[str]
) -> dict[str, dict[str, Keyed]]:
    """By model; of each all shards, also those that did not change, and those (`also`) that are weights only on
    the other side. Files without tensors make no model."""
    found: dict[str, dict[str, Keyed]] = defaultdict(dict)
    others = [placed for path in also if (placed := side.files.find(path)) is not None]
    for placed in dict.fromkeys([*_beside(side, models), *others]):
        model = model_of(placed.entry.path)
        if model is None or model not in models or placed.entry.mode is Mode.SYMLINK:
            continue
        if layers := files.layers(placed.entry):
            found[model].update(layers)
    return dict(found)


def _beside(side: Side, models: Collection[str]) -> Iterator[Placed]:
    """The weight files in the directories of these models, where the files of each lie; all, if these are
    many."""
    directories = {model.rpartition("/")[0] for model in models}
    if len(directories) > FULL_SCAN_LOOKUPS:
        yield from side.files.all([Component.WEIGHTS])
        return
    for directory in sorted(directories):
        listed = side.files.directory(directory, [Component.WEIGHTS]).values()
        yield from (placed for placed in listed if placed is not None)


def _pairs(
    old: Mapping[str, Mapping[str, Keyed]], new: Mapping[str, Mapping[str, Keyed]]
) -> list[tuple[str | None, str | None]]:
    """Models under one path, those that moved (to where most names agree), and what only one side has."""
    pairs: list[tuple[str | None, str | None]] = [(m, m) for m in sorted(old.keys() & new.keys())]
    gone, came = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    for model in came:
        found = _nearest(new[model], {other: old[other] for other in gone[-_CANDIDATE_MODELS:]})
        if found is not None:
            gone.remove(found)
        pairs.append((found, model))
    return pairs + [(model, None) for model in gone]


def _nearest(model: Mapping[str, Keyed], others: Mapping[str, Mapping[str, Keyed]]) -> str | None:
    """The last of the most similar ones, if they are similar enough: `checkpoint-900` goes before `-800`."""
    best = max(others, key=lambda other: (_alike(others[other], model), other), default=None)
    return best if best is not None and _alike(others[best], model) >= _SAME_MODEL_SHARE else None


def _alike(a: Mapping[str, Keyed], b: Mapping[str, Keyed]) -> float:
    return len(a.keys() & b.keys()) / len(a.keys() | b.keys())


# ---------------------------------------------------------------- configuration


def _put(
    config: dict[str, dict[str, ValueChange]],
    path: str,
    old: Mapping[str, Value] | None,
    new: Mapping[str, Value] | None,
) -> None:
    if old is not None and new is not None and (differing := value_changes(old, new)):
        config[path] = differing


def _settings(side: Side, placed: Placed) -> Mapping[str, Value] | None:
    """Flat keys of a configuration file; None for what has none (a tokenizer's vocabulary has too many)."""
    if placed.entry.size > _MAX_CONFIG_BYTES or placed.entry.mode is Mode.SYMLINK:
        return None
    parsed = parse_settings(placed.entry.path, side.read(placed.entry, _MAX_CONFIG_BYTES))
    return None if parsed.problem else parsed.values


def _metadata(files: ModelFiles, placed: Placed) -> Mapping[str, Value] | None:
    """What the header of a GGUF or ONNX file says besides tensors."""
    return None if placed.entry.mode is Mode.SYMLINK else files.metadata(placed.entry)


def _keras(side: Side, placed: Placed | None) -> Mapping[str, Value] | None:
    """The network in the configuration of a Keras 3 archive; how it was compiled is a setting."""
    if placed is None:
        return None
    with side.open(placed.entry) as file:
        document = kerasconfig.read(file)
    return None if document is None else kerasconfig.network(document)


# ---------------------------------------------------------------- source and environment


def _source(
    sides: Sides, path: str, before: Placed | None, after: Placed | None, *, count: bool
) -> SourceChange:
    present = [p.entry for p in (before, after) if p is not None]
    if not count or any(entry.size > MAX_SOURCE_BYTES for entry in present):
        return SourceChange(path, None, None)
    old = _text(sides.old, None if before is None else before.entry)
    new = _text(sides.new, None if after is None else after.entry)
    if not (is_text(old) and is_text(new)):
        return SourceChange(path, None, None)
    return SourceChange(path, *line_counts(old, new))


def _text(side: Side, entry: Entry | None) -> bytes:
    """Of a notebook what is in its cells: outputs change at each run."""
    if entry is None:
        return b""
    data = side.read(entry, MAX_SOURCE_BYTES)
    return notebook.source(data) or data if entry.path.endswith(".ipynb") else data


def _packages(side: Side, placed: Placed | None) -> dict[str, str]:
    if placed is None or placed.entry.size > _MAX_CONFIG_BYTES * 8:
        return {}
    return packages(placed.entry.path, side.read(placed.entry, _MAX_CONFIG_BYTES * 8))


def _recorded(sides: Sides) -> list[PackageChange]:
    """Python, as it was when the versions were made; the workspace has not been made yet."""
    if sides.new.id is None:
        return []
    old, new = sides.old.version.provenance.python, sides.new.version.provenance.python
    return [PackageChange("python", old, new, "")] if old and new and old != new else []


def _packages_differ(sides: Sides) -> bool | None:
    old, new = sides.old.version.provenance, sides.new.version.provenance
    if sides.new.id is None or not (old.packages_digest and new.packages_digest):
        return None
    return old.packages_digest != new.packages_digest
