"""Which tensor of one side is which of the other.

By file and name first; those left over by name across the files of one model, then across all, where the name
stands once on each side. What then is gone under one name and there under another, with equal form and content,
was renamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping

from mvcd.inspect.layers import Layer, model_of, renamed_layers
from mvcd.inspect.tensorfile import may_lean_on_others
from mvcd.objects.entry import Entry
from mvcd.repo.tensors.tensortable import TensorRow

Pair = tuple[TensorRow | None, TensorRow | None]


def present(pair: Pair) -> TensorRow:
    row = pair[1] or pair[0]
    assert row is not None
    return row


def matched(old: Iterable[TensorRow], new: Iterable[TensorRow]) -> list[Pair]:
    """Every row of both sides in exactly one pair. In the order of the new side's files, then what is gone."""
    before = {(row.path, row.name): row for row in old}
    after = {(row.path, row.name): row for row in new}
    gone = {key: row for key, row in before.items() if key not in after}
    come = {key: row for key, row in after.items() if key not in before}
    origins: dict[_Place, TensorRow] = {}
    for pair in (_same_model, _same_name, _renamed):
        for lost, found in list(pair(gone, come)):
            origins[found] = gone.pop(lost)
            del come[found]
    pairs: list[Pair] = [(before.get(key) or origins.get(key), row) for key, row in after.items()]
    return pairs + [(row, None) for row in gone.values()]


_Place = tuple[str, str]
"""The path of a file, and the name of a tensor in it."""

_Rows = Mapping[_Place, TensorRow]


def _same_model(gone: _Rows, come: _Rows) -> Iterator[tuple[_Place, _Place]]:
    """Sharded anew."""
    return _by(lambda row: (model_of(row.path), row.name), gone, come)


def _same_name(gone: _Rows, come: _Rows) -> Iterator[tuple[_Place, _Place]]:
    return _by(lambda row: row.name, gone, come)


def _by(
    key: Callable[[TensorRow], Hashable], gone: _Rows, come: _Rows
) -> Iterator[tuple[_Place, _Place]]:
    """Those whose key stands once on each side."""
    there = _once(key, come)
    for value, place in _once(key, gone).items():
        if value in there:
            yield place, there[value]


def _once(key: Callable[[TensorRow], Hashable], rows: _Rows) -> dict[Hashable, _Place]:
    uses = Counter(map(key, rows.values()))
    return {value: place for place, row in rows.items() if uses[value := key(row)] == 1}


def _renamed(gone: _Rows, come: _Rows) -> Iterator[tuple[_Place, _Place]]:
    """Of equal form and content, as layers.py pairs them."""
    places = [_once(lambda row: row.name, rows) for rows in (gone, come)]
    keyed = [
        {
            row.name: (Layer(row.name, row.dtype, row.shape), (row.key, row.order))
            for row in (rows[place] for place in once.values())
            if row.key is not None
        }
        for rows, once in zip((gone, come), places, strict=True)
    ]
    for old, new in renamed_layers(*keyed):
        yield places[0][old.name], places[1][new.name]


def equal_files(
    old: Mapping[str, Entry], new: Mapping[str, Entry], changed: Collection[str]
) -> set[str]:
    """Paths of equal files, but for those whose data may lie beside them, in one of the `changed` paths."""
    return {
        path
        for path, entry in old.items()
        if path in new
        and new[path].recipe == entry.recipe
        and not (may_lean_on_others(path) and _has_changed_neighbours(path, changed))
    }


def _has_changed_neighbours(path: str, changed: Collection[str]) -> bool:
    directory = path[: path.rfind("/") + 1]
    return any(other.startswith(directory) for other in changed)
