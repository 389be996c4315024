"""The tensors of one file, found by what a tensor of another file is: its name, its dtype, its shape.

A name is the same with and without what frameworks put before it: `module.` of data parallel training, `model.`
and `state_dict.` of dictionaries in dictionaries, `_orig_mod.` of compiled models. Tensors that were renamed
otherwise are found by their place among those of their dtype and shape, if there are as many in both files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_BEFORE_NAMES = re.compile(r"^(?:(?:module|model|state_dict|_orig_mod)\.)+")
Kind = tuple[str, tuple[int, ...]]
"""dtype and shape."""


def folded(name: str) -> str:
    """The name without the prefixes above; the name where nothing else is left."""
    return _BEFORE_NAMES.sub("", name) or name


class KindPlace(NamedTuple):
    """A tensor's place among those of its kind in its file, and how many there are."""

    kind: Kind
    number: int
    among: int


class TensorIndex(Generic[T]):
    """What each tensor of a file stands for. Made of (name, dtype, shape, what), in file order. What exact
    names do not need is made when it is first asked for. Thread-safe."""

    def __init__(self, tensors: Iterable[tuple[str, str, tuple[int, ...], T]]) -> None:
        self._named = {name: ((dtype, shape), what) for name, dtype, shape, what in tensors}
        self._folded: dict[str, str | None] | None = None
        self._kinds: dict[Kind, list[str]] | None = None

    def exact(self, name: str, kind: Kind) -> T | None:
        found = self._named.get(name)
        return found[1] if found is not None and found[0] == kind else None

    def named(self, name: str, kind: Kind) -> T | None:
        """By its name or its folded name, if only one has that."""
        if (found := self.exact(name, kind)) is not None:
            return found
        if self._folded is None:
            names: dict[str, str | None] = {}
            for each in self._named:
                key = folded(each)
                names[key] = None if key in names else each
            self._folded = names
        other = self._folded.get(folded(name))
        return None if other is None else self.exact(other, kind)

    def placed(self, place: KindPlace) -> T | None:
        """The one at the same place among as many of its kind."""
        names = self._by_kind().get(place.kind, [])
        return self._named[names[place.number]][1] if len(names) == place.among else None

    def of_kind(self, kind: Kind) -> list[T]:
        """All of a dtype and shape, in file order."""
        return [self._named[name][1] for name in self._by_kind().get(kind, ())]

    def places(self) -> dict[str, KindPlace]:
        """Where each tensor of this file has its place."""
        return {
            name: KindPlace(kind, number, len(names))
            for kind, names in self._by_kind().items()
            for number, name in enumerate(names)
        }

    def _by_kind(self) -> dict[Kind, list[str]]:
        if self._kinds is None:
            kinds: dict[Kind, list[str]] = {}
            for name, (kind, _) in self._named.items():
                kinds.setdefault(kind, []).append(name)
            self._kinds = kinds
        return self._kinds
