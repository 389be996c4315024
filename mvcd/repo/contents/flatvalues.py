"""The settings and metrics of a version, gathered from its hyperparameter and result files.

Parsing is a pure function of a file's name and bytes, so its outcome is cached under the file's recipe:
a commit parses only what changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from mvcd.ids import RecipeId
from mvcd.inspect.company import COUNTERS
from mvcd.inspect.values import merge_values, parse_metrics, parse_settings
from mvcd.objects.entry import Entry
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, Value, Version
from mvcd.repo.contents.files import Placed, VersionFiles, read_entry
from mvcd.store.api import Store

SETTINGS_SUFFIXES = (".yaml", ".yml", ".json", ".toml")
METRICS_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml")
RECORDS = (
    "predictions",
    "prediction",
    "submission",
    "outputs",
    "trainer_state",
    "confusion_matrix",
)
"""How result files begin that hold rows or histories: their last row, or all their rows, are no metrics."""

MAX_FILE_BYTES = 8 << 20
"""Bytes; a larger file is data, not settings or metrics."""

MAX_FILES = 500
"""Files per component whose values go into a version, in path order; the rest are still versioned."""

EDITION = b"2"
"""Part of every cache key: raise it when parsing answers differently."""

MAX_RECORD_BYTES = 256 << 10
"""Most bytes of settings, and again of metrics, in one version record, which may have 1 MiB in all."""


def carries_values(component: Component, path: str, size: int) -> bool:
    """Whether a file's settings or metrics belong into the version record."""
    if not 0 < size <= MAX_FILE_BYTES:
        return False
    if component is Component.HYPERPARAMETERS:
        return path.endswith(SETTINGS_SUFFIXES)
    name = path.rpartition("/")[2].lower()
    return (
        component is Component.RESULTS
        and name.endswith(METRICS_SUFFIXES)
        and not name.startswith(RECORDS)
    )


def component_telling(path: str, component: Component) -> Component:
    """Names the component as whose file it tells values: a Trainer's counters are training state, with a
    history of metrics in it."""
    counters = component is Component.WEIGHTS and path.rpartition("/")[2].lower() == COUNTERS
    return Component.RESULTS if counters else component


def telling(files: VersionFiles, component: Component) -> Iterator[Placed]:
    """The files that may tell settings or metrics: those of the component, and of weights those that
    `component_telling` names."""
    yield from files.all([component])
    if component is Component.RESULTS:
        for placed in files.all([Component.WEIGHTS]):
            if component_telling(placed.entry.path, placed.component) is component:
                yield placed


def parse(component: Component, path: str, data: bytes) -> dict[str, Value]:
    parser = parse_settings if component is Component.HYPERPARAMETERS else parse_metrics
    return dict(parser(path, data).values)


def carriers(version: Version, component: Component, fetch: Fetch) -> Iterator[Placed]:
    """Files that carry settings or metrics, those of the component first, in order of their paths; MAX_FILES of
    them count."""
    for placed in telling(VersionFiles(version, fetch), component):
        if carries_values(component, placed.entry.path, placed.entry.size):
            yield placed


def remembered(store: Store, component: Component, entry: Entry) -> dict[str, Value] | None:
    """Values of a file that were parsed before; None where the cache does not have them."""
    (row,) = store.cache_get([cache_key(component, entry.path, entry.recipe)])
    return None if row is None else unpack(row)


def stored(component: Component, entry: Entry, fetch: Fetch) -> dict[str, Value]:
    """Parses a file of a version. Raises MissingObject where its content is not here."""
    return parse(component, entry.path, read_entry(entry, fetch))


def merged(
    files: Iterable[tuple[str, Mapping[str, Value]]], known: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """All files' values under one set of keys, and `known` ones that none of them has; keys past
    MAX_RECORD_BYTES in their order are left out."""
    found = {**(known or {}), **merge_values(list(files))}
    size, kept = 0, {}
    for key in sorted(found):
        value = found[key]
        size += 16 + len(key.encode()) + (len(value.encode()) if isinstance(value, str) else 8)
        if size > MAX_RECORD_BYTES:
            break
        kept[key] = value
    return kept


def cache_key(component: Component, path: str, recipe: RecipeId) -> bytes:
    suffix = path.rpartition(".")[2]
    return b"/".join((b"values", EDITION, component.value.encode(), suffix.encode(), recipe))


def pack(values: Mapping[str, Value]) -> bytes:
    return json.dumps(values).encode()


def unpack(data: bytes) -> dict[str, Value]:
    values: dict[str, Value] = json.loads(data)
    return values
