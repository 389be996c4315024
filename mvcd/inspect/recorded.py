"""What one file of a version records: settings, metrics, or both.

Files whose form their name tells (runfiles.py) are read in their own way, wherever they lie; all others by
their suffix, hyperparameter files for settings, result files for metrics. Reading never fails and is bounded:
what cannot be understood is told as `problem`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import BinaryIO

from mvcd.inspect import lastrows, yaml12
from mvcd.inspect.flatten import flatten, scalar
from mvcd.inspect.lastrows import LastValues, cell
from mvcd.inspect.runfiles import RunFile, dvclive_metric, kind_of, mlflow_key
from mvcd.inspect.spans import NotThisFormat, reading
from mvcd.inspect.values import (
    MAX_BYTES,
    MAX_ROWS_BYTES,
    Parsed,
    json_document,
    parse_settings,
    read_metrics,
)
from mvcd.lateclasses import dataclass
from mvcd.objects.version import Component, Value

SETTINGS_SUFFIXES = (".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".conf")
METRICS_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".yaml", ".yml", ".log", ".txt")
_SUFFIXES = (*SETTINGS_SUFFIXES, *METRICS_SUFFIXES)

MAX_STATE_BYTES = 64 << 20
"""Bytes of a `trainer_state.json`: a run of 100,000 logged steps has about 15 MB."""

_MAX_EVENTS_BYTES = 4 << 30
_STATE_SETTINGS = (
    "eval_steps", "logging_steps", "save_steps", "max_steps", "num_train_epochs", "train_batch_size",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recorded:
    """`moment` says when an MLflow run wrote this, in milliseconds of Unix time. `points` are (step, value) of
    one metric, where that was asked for."""

    settings: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, Value] = field(default_factory=dict)
    problem: str | None = None
    moment: int = 0
    points: tuple[tuple[float, float], ...] = ()


def may_record(path: str) -> bool:
    """Whether a file of any component may record something, by its name."""
    return path.lower().endswith(_SUFFIXES) or kind_of(path) is not None


def records(component: Component, path: str) -> bool:
    """Whether a file may record something, by its name and component."""
    kind = kind_of(path)
    if kind is not None:
        return kind not in (RunFile.NOTHING, RunFile.STEPS)
    lowered = path.lower()
    if component is Component.HYPERPARAMETERS:
        return lowered.endswith(SETTINGS_SUFFIXES)
    return component is Component.RESULTS and lowered.endswith(METRICS_SUFFIXES)


def read(
    component: Component, path: str, file: BinaryIO, size: int, wanted: str | None = None
) -> Recorded:
    """`file` is seekable and at its start; `wanted` is a metric whose points are gathered. OSError passes."""
    kind = kind_of(path)
    try:
        if kind is not None:
            return _READERS[kind](path, file, size, wanted)
        if component is Component.HYPERPARAMETERS:
            return _settings(parse_settings(path, file.read(MAX_BYTES + 1)))
        found = read_metrics(path, file, size, wanted)
        return Recorded(metrics=found.values, problem=found.problem, points=tuple(found.points))
    except (NotThisFormat, *lastrows.UNREADABLE) as error:
        return Recorded(problem=str(error).split("\n", 1)[0] or type(error).__name__)


def _settings(found: Parsed) -> Recorded:
    return Recorded(settings=found.values, problem=found.problem)


def _text(file: BinaryIO, limit: int = MAX_BYTES) -> str:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"larger than {limit >> 20} MiB")
    return data.decode("utf-8-sig")


# ---------------------------------------------------------------- Hugging Face

_HISTORY = re.compile(r'"log_history"\s*:\s*\[')


def _trainer_state(_path: str, file: BinaryIO, _size: int, wanted: str | None) -> Recorded:
    """`log_history` may have 100,000 entries, so it is decoded one entry at a time, and then the rest."""
    text = _text(file, MAX_STATE_BYTES)
    rows = LastValues(wanted)
    if found := _HISTORY.search(text):
        end = _entries(text, found.end(), rows)
        text = text[: found.end()] + text[end:]
    state = json_document(text)
    if not isinstance(state, dict):
        raise ValueError("no trainer state")
    own = {key: scalar(state[key]) for key in _STATE_SETTINGS if _is_scalar(state.get(key))}
    best = state.get("best_metric")
    metrics = dict(rows.values)
    if isinstance(best, (int, float)) and not isinstance(best, bool):
        metrics["best_metric"] = best
    return Recorded(own, metrics, points=tuple(rows.points))


def _is_scalar(value: object) -> bool:
    return isinstance(value, (int, float, str))


def _entries(text: str, at: int, rows: LastValues) -> int:
    """Adds the objects of the list that began before `at`; answers where its end is."""
    decoder = json.JSONDecoder()
    space = re.compile(r"[\s,]*")
    while True:
        skipped = space.match(text, at)
        assert skipped is not None
        at = skipped.end()
        if text[at : at + 1] != "{":
            return at
        entry, at = decoder.raw_decode(text, at)
        rows.add(lastrows.flat_row(entry))


def _training_args(_path: str, file: BinaryIO, size: int, _wanted: str | None) -> Recorded:
    """A zip file of torch, of which only the pickle is taken: by its opcodes, nothing is run."""
    from mvcd.inspect import pickledargs
    from mvcd.inspect.torchzip import looks_like  # late: start-up
    from mvcd.inspect.zipmembers import directory, located

    read_at = reading(file)
    if not looks_like(read_at(0, 4), size):
        raise NotThisFormat("not a zip file of torch")
    members, end = directory(read_at, size)
    for member, span in located(read_at, members, end):
        if member.stored and member.name.endswith("/data.pkl"):
            if span.size > pickledargs.MAX_PICKLE_BYTES:
                raise NotThisFormat("pickle too large")
            found = pickledargs.attributes(read_at(span.offset, span.size))
            return Recorded(settings=flatten(_told(found)))
    raise NotThisFormat("no pickle in it")


def _told(found: Mapping[str, object]) -> dict[str, object]:
    """Without what the machine decided (`_n_gpu`, cached devices) and what says nothing."""
    return {
        key: value
        for key, value in found.items()
        if not key.startswith("_") and value is not None and value not in ([], {}, "")
    }


def _generation(path: str, file: BinaryIO, _size: int, _wanted: str | None) -> Recorded:
    """How a language model is asked, under a name of its own: it came with the model, nobody set it here. One
    that the library derived from the model's configuration only repeats that, and tells nothing."""
    found = parse_settings(path, file.read(MAX_BYTES + 1))
    if found.values.get("_from_model_config") is True:
        return Recorded()
    apart = {
        f"generation_config.{key}": value
        for key, value in found.values.items()
        if not key.startswith("_") and key != "transformers_version"
    }
    return Recorded(settings=apart, problem=found.problem)


# ---------------------------------------------------------------- Keras


def _keras(_path: str, file: BinaryIO, _size: int, _wanted: str | None) -> Recorded:
    """How the model was compiled. A file of that name that is HDF5, as Keras 2 wrote, says nothing."""
    from mvcd.inspect import kerasconfig  # late: start-up

    document = kerasconfig.read(file)
    return Recorded(settings={} if document is None else kerasconfig.settings(document))


# ---------------------------------------------------------------- trackers


def _events(_path: str, file: BinaryIO, size: int, wanted: str | None) -> Recorded:
    from mvcd.inspect import tfevents  # late: start-up

    if size > _MAX_EVENTS_BYTES:
        raise ValueError(f"larger than {_MAX_EVENTS_BYTES >> 30} GiB")
    found = tfevents.read(io.BufferedReader(_Raw(file), 1 << 20), wanted)
    rows = found.scalars
    if rows.values.get(_PLACEHOLDER) == -1:
        del rows.values[_PLACEHOLDER]
    return Recorded(found.settings, rows.values, found.problem, points=tuple(rows.points))


_PLACEHOLDER = "hp_metric"
"""What Lightning's TensorBoardLogger writes beside hyperparameters, as -1, where no metric was given."""


class _Raw(io.RawIOBase):
    """A file to read through a buffer, which does not close it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _dvclive(path: str, file: BinaryIO, size: int, wanted: str | None) -> Recorded:
    """The column that the file is named after, under the key that metrics.json has it by; `timestamp` and
    `step` are axes. A table of other columns is somebody else's, and read as any."""
    _, key = dvclive_metric(path)
    column = path.rpartition("/")[2].rpartition(".")[0]
    found = read_metrics(path, file, size, column if wanted == key else wanted)
    metrics = dict(found.values)
    if {"step", column} <= metrics.keys() <= {"timestamp", "step", column}:
        metrics = {} if column == "step" else {key: metrics[column]}
    return Recorded(metrics=metrics, problem=found.problem, points=tuple(found.points))


def _steps(_path: str, file: BinaryIO, size: int, wanted: str | None) -> Recorded:
    """Only points: the last values are in the metrics.json beside it."""
    if size > MAX_ROWS_BYTES:
        raise ValueError(f"larger than {MAX_ROWS_BYTES >> 20} MiB")
    rows = LastValues(wanted)
    lastrows.read_json_lines(file, rows)
    return Recorded(points=tuple(rows.points))


def _mlflow_metric(path: str, file: BinaryIO, _size: int, wanted: str | None) -> Recorded:
    """Lines of time in milliseconds, value and step."""
    rows = LastValues(wanted)
    moment = 0
    key = mlflow_key(path)
    for line in _text(file).splitlines():
        time, value, *step = line.split()[:3]
        moment = max(moment, int(time))
        rows.add({key: cell(value), "step": cell(step[0]) if step else None})
    return Recorded(metrics=rows.values, moment=moment, points=tuple(rows.points))


def _mlflow_param(path: str, file: BinaryIO, _size: int, _wanted: str | None) -> Recorded:
    return Recorded(settings={mlflow_key(path): _typed(_text(file))})


def _typed(text: str) -> Value:
    """A number or boolean as such; text, also "None" and "", as it is."""
    found = cell(text)
    return scalar(text) if found is None else found


def _wandb_config(_path: str, file: BinaryIO, _size: int, _wanted: str | None) -> Recorded:
    """Each setting is a table of `value` and `desc`; `_wandb` is W&B's own."""
    found = yaml12.load(_text(file))
    if not isinstance(found, dict):
        raise ValueError("neither a table nor a list")
    own = {
        key: value["value"] if isinstance(value, dict) and "value" in value else value
        for key, value in found.items()
        if key not in ("_wandb", "wandb_version")
    }
    return Recorded(settings=flatten(own))


def _wandb_summary(_path: str, file: BinaryIO, _size: int, _wanted: str | None) -> Recorded:
    found = json_document(_text(file))
    if not isinstance(found, dict):
        raise ValueError("no summary")
    return Recorded(metrics=flatten({k: v for k, v in found.items() if k != "_wandb"}))


# ---------------------------------------------------------------- Hydra

_INTERPOLATION = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")


def _hydra_config(path: str, file: BinaryIO, _size: int, _wanted: str | None) -> Recorded:
    """`${a.b}` becomes what stands there; Hydra writes the file before it resolves them."""
    found = parse_settings(path, file.read(MAX_BYTES + 1))
    values = dict(found.values)
    for key, value in values.items():
        if isinstance(value, str) and (whole := _INTERPOLATION.fullmatch(value)):
            values[key] = found.values.get(whole[1], value)
        elif isinstance(value, str) and "${" in value:
            values[key] = scalar(_INTERPOLATION.sub(lambda m: _inserted(m, found.values), value))
    return Recorded(settings=values, problem=found.problem)


def _inserted(match: re.Match[str], values: Mapping[str, Value]) -> str:
    return str(values[match[1]]) if match[1] in values else match[0]


def _hydra_overrides(_path: str, file: BinaryIO, _size: int, _wanted: str | None) -> Recorded:
    """A list of `key=value` or, for a new key, `+key=value`; `overrides.` stands before each key."""
    found = yaml12.load(_text(file))
    pairs = [str(item).partition("=") for item in found] if isinstance(found, list) else []
    return Recorded(
        settings={f"overrides.{key.lstrip('+')}": _typed(value) for key, _, value in pairs}
    )


def _nothing(_path: str, _file: BinaryIO, _size: int, _wanted: str | None) -> Recorded:
    return Recorded()


_READERS: Mapping[RunFile, Callable[[str, BinaryIO, int, str | None], Recorded]] = {
    RunFile.TRAINER_STATE: _trainer_state,
    RunFile.TRAINING_ARGS: _training_args,
    RunFile.EVENTS: _events,
    RunFile.DVCLIVE: _dvclive,
    RunFile.STEPS: _steps,
    RunFile.MLFLOW_METRIC: _mlflow_metric,
    RunFile.MLFLOW_PARAM: _mlflow_param,
    RunFile.WANDB_CONFIG: _wandb_config,
    RunFile.WANDB_SUMMARY: _wandb_summary,
    RunFile.HYDRA_CONFIG: _hydra_config,
    RunFile.HYDRA_OVERRIDES: _hydra_overrides,
    RunFile.GENERATION: _generation,
    RunFile.KERAS: _keras,
    RunFile.NOTHING: _nothing,
}
