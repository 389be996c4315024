"""A directory that a training with TensorFlow or Keras wrote, like those of the Model Garden.

    ckpt-STEP.index, ckpt-STEP.data-00000-of-00001    a checkpoint; also model.ckpt-STEP, cp-EPOCH.ckpt
    ckpt-STEP_temp/                                   parts of one that is being written
    checkpoint                                        names the newest checkpoint beside it
    model-0042.keras, weights.05-0.32.weights.h5      one of Keras, with a number that counts
    params.yaml, train/events.out.tfevents.*          what all checkpoints have in common

TensorFlow writes the index of a checkpoint last: parts without one are still being written.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from mvc.api.errors import Failure
from mvc.api.import_verbs import unfit_path

STATE = "checkpoint"
"""The file that names the newest checkpoint beside it."""
_PART = re.compile(
    r"""(?P<stem> [^/]*? (?: ckpt-(?P<step>\d{1,18}) | [-_.](?P<epoch>\d{1,18})(?:-[^/]*)?\.ckpt ) )
        \. (?P<kind> index | meta | data-\d+-of-(?P<all>\d+) )""",
    re.VERBOSE,
)
_BEGUN = re.compile(r"(?:.*/)?[^/]*ckpt[^/]*_temp/.*", re.DOTALL)
_KERAS = re.compile(r"[^/]*\d[^/]*\.(?:keras|h5|hdf5)")
_COUNTED = re.compile(r"(?:[-_.]|epoch|step)(\d{1,18})(?=[-_.])")


@dataclass(frozen=True, slots=True)
class TfStep:
    """One step: the paths of its checkpoints, the last one of TensorFlow's by directory, and the time of the
    newest index."""

    step: int
    time: datetime
    paths: list[str]
    stems: dict[str, str]


@dataclass(frozen=True, slots=True)
class TfDirectory:
    """What a training left at `top`: its steps in order, paths that all have in common, state files, and why
    others are in no version."""

    top: str
    steps: list[TfStep]
    common: list[str]
    states: list[str]
    left_out: dict[str, str]


def read_checkpoints(source: str) -> TfDirectory:
    """Finds the checkpoints in a directory. Raises Failure: kind "no-checkpoints"."""
    top, left_out = os.path.abspath(source), dict[str, str]()
    if not os.path.isdir(top):
        raise Failure(f"{source} is no directory", kind="no-checkpoints")
    paths = set(_paths(top, left_out))
    found = {**_of_tensorflow(paths, left_out), **_of_keras(paths)}
    if not found:
        raise Failure(
            f"{source} has no checkpoints", kind="no-checkpoints",
            cause="there is no ckpt-STEP.index, and no file of Keras with a number that counts",
            help=f"mvc import folders {source} --to NEW  (for directories that are versions)",
        )  # fmt: skip
    numbered: dict[int, list[str]] = defaultdict(list)
    for path, (number, _) in sorted(found.items()):
        numbered[number].append(path)
    steps = {number: _step(top, number, files, found) for number, files in numbered.items()}
    common = sorted(paths - found.keys() - left_out.keys())
    at = {directory for step in steps.values() for directory in step.stems}
    states = [p for p in common if posixpath.basename(p) == STATE and posixpath.dirname(p) in at]
    common = [path for path in common if path not in states]
    return TfDirectory(top, [steps[n] for n in sorted(steps)], common, states, left_out)


def _paths(top: str, left_out: dict[str, str]) -> Iterator[str]:
    """Paths of all files and links, but for those in repositories below."""
    for directory, below, names in os.walk(top):
        linked = {name for name in below if os.path.islink(os.path.join(directory, name))}
        for name in sorted([*names, *below]):
            place = os.path.join(directory, name)
            path = os.path.relpath(place, top)
            if (why := unfit_path(path) or _why_not(place, path)) is not None:
                left_out[os.fsencode(path).decode("utf-8", "backslashreplace")] = why
            elif name not in below or name in linked:
                yield path
        below[:] = [name for name in below if _enters(os.path.join(directory, name))]


def _enters(place: str) -> bool:
    own = os.path.lexists(os.path.join(place, ".mvc"))
    return not own and unfit_path(os.path.basename(place)) is None


def _why_not(place: str, path: str) -> str | None:
    if _BEGUN.fullmatch(path) is not None and not os.path.isdir(place):
        return "it is part of a checkpoint that is not whole"
    if os.path.islink(place) or os.path.isfile(place) or os.path.isdir(place):
        return None
    return "it is no regular file"


def _step(top: str, number: int, paths: list[str], found: Mapping[str, tuple[int, str]]) -> TfStep:
    """A step, of the time of the newest index, or of the newest file where there is none."""
    dated = [path for path in paths if path.endswith(".index")] or paths
    stems = {posixpath.dirname(path): stem for path in paths if (stem := found[path][1])}
    return TfStep(number, max(_time(top, path) for path in dated), paths, stems)


def _time(top: str, path: str) -> datetime:
    time_ns = os.lstat(os.path.join(top, path)).st_mtime_ns
    return datetime.fromtimestamp(time_ns // 1000 / 1_000_000).astimezone()


# -------------------------------------------------------------------- which files are checkpoints


def _of_tensorflow(paths: set[str], left_out: dict[str, str]) -> dict[str, tuple[int, str]]:
    """(step, stem) of the files of whole checkpoints; puts those of others into `left_out`."""
    parts: dict[tuple[str, str], dict[str, re.Match[str]]] = defaultdict(dict)
    for path in paths:
        if match := _PART.fullmatch(posixpath.basename(path)):
            parts[posixpath.dirname(path), match["stem"]][path] = match
    found: dict[str, tuple[int, str]] = {}
    for (_, stem), files in parts.items():
        kinds = {match["kind"] for match in files.values()}
        shards = {kind for kind in kinds if kind.startswith("data-")}
        wanted = max((int(match["all"]) for match in files.values() if match["all"]), default=1)
        if "index" not in kinds:
            left_out |= dict.fromkeys(files, f"{stem}.index is not there")
        elif len(shards) < wanted:
            why = f"{stem} has {len(shards)} of {wanted} files of data"
            left_out |= dict.fromkeys(files, why)
        else:
            number = next(int(match["step"] or match["epoch"]) for match in files.values())
            found |= dict.fromkeys(files, (number, stem))
    return found


def _of_keras(paths: set[str]) -> dict[str, tuple[int, str]]:
    """(step, "") of files of Keras. Of files whose names differ in numbers only, the first that differs in all
    of them counts; in a name that stands alone, the first after a dash, underscore or dot."""
    alike: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        if _KERAS.fullmatch(posixpath.basename(path)):
            name = posixpath.basename(path)
            alike[posixpath.join(posixpath.dirname(path), _without_numbers(name))].append(path)
    found: dict[str, tuple[int, str]] = {}
    for group in alike.values():
        if len(group) == 1:
            counted = _COUNTED.search(posixpath.basename(group[0]))
            if counted:
                found[group[0]] = int(counted[1]), ""
            continue
        rows = [_numbers(posixpath.basename(path)) for path in group]
        for column in zip(*rows, strict=True):
            if len(set(column)) == len(column):
                found |= {path: (n, "") for path, n in zip(group, column, strict=True)}
                break
    return found


def _without_numbers(name: str) -> str:
    stem, suffix = _cut(name)
    return re.sub(r"\d+", "#", stem) + suffix


def _numbers(name: str) -> list[int]:
    return [int(run[:18]) for run in re.findall(r"\d+", _cut(name)[0])]


def _cut(name: str) -> tuple[str, str]:
    """A name and its suffix, in which numbers do not count: `.h5`."""
    stem, dot, suffix = name.rpartition(".")
    return stem, dot + suffix
