"""Comparing the layers of two models: the forms of their tensors, not their values.

A tensor that is gone under one name and there under another is renamed when form and content are equal, which
recipes tell without reading data. Content that several such tensors share (zeros, ones) does not tell which
became which: the names with the longest common end do, and else their order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from mvcd.inspect.trainingstate import is_state_file, state_names

MAX_MODULES = 12
"""Most rows of the table of parameters by module; past it the table goes less deep."""

_CANDIDATE_NAMES = 64
"""New names weighed for an old one: a hostile file has 100,000 equal tensors, a real one a few per block."""

_SHARD = re.compile(r"[-_.](?:\d{5}-of-\d{5}|(?:shard|part|rank|mp_rank)[-_]?\d+)(?=\.|$)")


@dataclass(frozen=True, slots=True)
class Layer:
    """A tensor's form. `shape` in elements. Without `own`, its elements are those of tensors before it, tied to
    them, and count there."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    own: bool = True

    @property
    def parameters(self) -> int:
        return math.prod(self.shape) if self.own else 0


@dataclass(frozen=True, slots=True)
class ModuleParameters:
    """Elements of all tensors below `module` ("" is what stands at the top) before and after."""

    module: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class ModelChange:
    """What became of one model's layers. Pairs are (old, new); one retyped and reshaped counts as retyped."""

    old: str | None  # how its files are called, or None where there was none
    new: str | None
    added: tuple[Layer, ...] = ()
    removed: tuple[Layer, ...] = ()
    renamed: tuple[tuple[Layer, Layer], ...] = ()
    reshaped: tuple[tuple[Layer, Layer], ...] = ()
    retyped: tuple[tuple[Layer, Layer], ...] = ()
    same: int = 0  # layers of equal form
    parameters: tuple[int, int] = (0, 0)
    modules: tuple[ModuleParameters, ...] = ()  # those whose count differs, under their new names
    dtypes: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # parameters by dtype

    @property
    def changed(self) -> bool:
        return bool(self.added or self.removed or self.renamed or self.reshaped or self.retyped)


Keyed = tuple[Layer, Hashable]
"""A layer and the identity of its content."""


def model_of(path: str) -> str | None:
    """The model a weights file is part of: its path less shard numbers and suffix. None for the state of an
    optimizer and its like, which have tensors and are no layers."""
    directory, slash, name = path.rpartition("/")
    if is_state_file(path):
        return None
    stem = _SHARD.sub("", name)
    return directory + slash + (stem.rpartition(".")[0] or stem)


def layers_in(names: Collection[str]) -> frozenset[str]:
    """Chooses the tensors of one file that are the network's, not its training's."""
    return frozenset(names) - state_names(names)


def compare_layers(
    old: Mapping[str, Keyed], new: Mapping[str, Keyed], old_model: str | None, new_model: str | None
) -> ModelChange:
    """Layers by name. Lists are in the order of names; renamed ones by their old name."""
    gone = {name: old[name] for name in sorted(old.keys() - new.keys())}
    came = {name: new[name] for name in sorted(new.keys() - old.keys())}
    renamed = renamed_layers(gone, came)
    for before, after in renamed:
        del gone[before.name], came[after.name]
    reshaped, retyped, same = [], [], 0
    for name in sorted(old.keys() & new.keys()):
        before, after = old[name][0], new[name][0]
        if before.dtype != after.dtype:
            retyped.append((before, after))
        elif before.shape != after.shape:
            reshaped.append((before, after))
        else:
            same += 1
    olds, news = [layer for layer, _ in old.values()], [layer for layer, _ in new.values()]
    now = {before.name: after for before, after in renamed}
    return ModelChange(
        old_model,
        new_model,
        tuple(layer for layer, _ in came.values()),
        tuple(layer for layer, _ in gone.values()),
        tuple(renamed),
        tuple(reshaped),
        tuple(retyped),
        same,
        (_count(olds), _count(news)),
        _modules([now.get(layer.name, layer) for layer in olds], news),
        _dtypes(olds, news),
    )


def _count(layers: Iterable[Layer]) -> int:
    return sum(layer.parameters for layer in layers)


def renamed_layers(
    gone: Mapping[str, Keyed], came: Mapping[str, Keyed]
) -> list[tuple[Layer, Layer]]:
    """(old, new) layers of equal form and content, one to one, in the order of `gone`."""
    places: dict[Hashable, list[Layer]] = {}
    for layer, content in came.values():
        places.setdefault((layer.dtype, layer.shape, content), []).append(layer)
    pairs = []
    for layer, content in gone.values():
        candidates = places.get((layer.dtype, layer.shape, content))
        if candidates:
            near = candidates[:_CANDIDATE_NAMES]
            best = max(near, key=lambda other: _common_tail(layer.name, other.name))
            candidates.remove(best)
            pairs.append((layer, best))
    return pairs


def _common_tail(a: str, b: str) -> int:
    """Parts of dotted names that agree from the end."""
    parts = zip(reversed(a.split(".")), reversed(b.split(".")), strict=False)
    count = 0
    for x, y in parts:
        if x != y:
            break
        count += 1
    return count


def _dtypes(olds: Iterable[Layer], news: Iterable[Layer]) -> dict[str, tuple[int, int]]:
    counts: dict[str, list[int]] = {}
    for side, layers in enumerate((olds, news)):
        for layer in layers:
            counts.setdefault(layer.dtype, [0, 0])[side] += layer.parameters
    return {dtype: (a, b) for dtype, (a, b) in sorted(counts.items())}


def _modules(olds: list[Layer], news: list[Layer]) -> tuple[ModuleParameters, ...]:
    """As deep as MAX_MODULES rows allow, at least one part of the name; only rows that differ."""
    rows: list[ModuleParameters] = []
    for depth in (1, 2, 3, 4):
        counts: dict[str, list[int]] = {}
        for side, layers in enumerate((olds, news)):
            for layer in layers:
                module = ".".join(layer.name.split(".")[:-1][:depth])
                counts.setdefault(module, [0, 0])[side] += layer.parameters
        deeper = [ModuleParameters(m, a, b) for m, (a, b) in sorted(counts.items()) if a != b]
        if len(deeper) > MAX_MODULES and rows:
            break
        if deeper == rows:
            break
        rows = deeper
    return tuple(rows)
