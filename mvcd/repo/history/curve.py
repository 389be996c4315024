"""One metric of one version over the steps of its training, from the file that has it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping

from mvcd.inspect import recorded
from mvcd.inspect.axes import is_same_figure
from mvcd.inspect.recorded import Recorded
from mvcd.inspect.runfiles import RunFile, dvclive_metric, kind_of, place_of, steps_beside
from mvcd.objects.version import Value, Version
from mvcd.repo.contents import flatvalues
from mvcd.repo.contents.content import VersionFile
from mvcd.repo.contents.files import ABSENT, Placed, VersionFiles
from mvcd.repo.contents.problems import COMPONENTS
from mvcd.repo.core.core import Core


def history(core: Core, version: Version, metric: str) -> tuple[tuple[float, float], ...]:
    """(step, value), steps ascending; empty where the metric's files keep only the last value, or are not here.

    `metric` is a key of the version's record, `metrics.` before it or not. There are at most
    MAX_POINTS_VALUES points (inspect/lastrows.py).
    """
    name = metric if metric in version.metrics else metric.removeprefix("metrics.")
    if name not in version.metrics:
        return ()
    try:
        return _history(core, version, name)
    except ABSENT:
        return ()


def _history(core: Core, version: Version, name: str) -> tuple[tuple[float, float], ...]:
    files = list(VersionFiles(version, core.fetch).all(COMPONENTS))
    gathered = flatvalues.gather(files, lambda placed: _recorded(core, placed))
    sources = gathered.metrics
    path, _, key = name.partition(":")
    source = place_of(path).source
    if key not in sources.get(source, ()):  # the name is short, or has a colon of its own
        having = (known for known, found in sources.items() if name in found)
        source = next((s for s in having if f"{s}:{name}" not in version.metrics), "")
        key = name
    value = version.metrics[name]
    for one in (source, *_others(sources, source, key, value)):
        mine = [placed for known, placed in gathered.measuring if known == one]
        points = _points(core, mine, key)
        points = (
            points if len(points) > 1 else _points(core, _beside(core, version, mine, key), key)
        )
        if points:
            return tuple(sorted(points.items()))
    return ()


def _points(core: Core, files: Iterable[Placed], key: str) -> dict[float, float]:
    return dict(point for placed in files for point in _read(core, placed, key))


def _others(
    sources: Mapping[str, Mapping[str, Value]], source: str, key: str, value: Value
) -> Iterator[str]:
    """Further files that say the same of the metric: `eval_results.json` keeps the last value, the state of the
    trainer beside it all of them."""
    for known, found in sources.items():
        if known != source and key in found and is_same_figure(found[key], value):
            yield known


def _recorded(core: Core, placed: Placed) -> Recorded | None:
    component, entry = placed
    (row,) = core.store.cache_get([flatvalues.cache_key(component, entry.path, entry.recipe)])
    try:
        return (
            flatvalues.parse_entry(component, entry, core.fetch)
            if row is None
            else flatvalues.unpack(row)
        )
    except ABSENT:
        return None


def _read(core: Core, placed: Placed, key: str) -> tuple[tuple[float, float], ...]:
    component, entry = placed
    file = io.BufferedReader(VersionFile(entry, core.fetch), 1 << 20)
    return recorded.read(component, entry.path, file, entry.size, wanted=key).points


def _beside(core: Core, version: Version, files: Iterable[Placed], key: str) -> Iterator[Placed]:
    """The histories that are kept beside a metrics.json, which has the last values alone."""
    every = VersionFiles(version, core.fetch)
    for placed in files:
        beside = steps_beside(placed.entry.path)
        if beside is None:
            continue
        history, directory = beside
        if (found := every.find(history)) is not None:
            yield found
        for found in every.all(prefix=directory):
            path = found.entry.path
            if kind_of(path) is RunFile.DVCLIVE and dvclive_metric(path)[1] == key:
                yield found
