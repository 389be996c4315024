"""Completion of what TensorFlow writes: checkpoints, and SavedModels, whose variables are a checkpoint."""

from __future__ import annotations

import os
import re

from mvcd.daemon.folder import Folder, Names
from mvcd.daemon.lengths import ranges, reader
from mvcd.daemon.marks import first_incomplete, marked
from mvcd.daemon.verdict import COMPLETE, Verdict, incomplete
from mvcd.inspect import tfcheckpoint
from mvcd.inspect.spans import NotThisFormat

CHECKPOINT_MEMBERS = ("checkpoint", "*.index", "*.data-?????-of-?????")

_DATA = re.compile(r"(?P<stem>.+)\.data-(?P<number>\d{5})-of-(?P<count>\d{5})")
_LATEST = re.compile(r'^model_checkpoint_path:\s*"(?P<stem>[^"]+)"', re.MULTILINE)


def has_checkpoint(_name: str, names: Names) -> bool:
    return any(_DATA.fullmatch(n) for n in names)


def check_checkpoint(folder: Folder) -> Verdict:
    return _checkpoint(folder, "")


def _checkpoint(folder: Folder, inside: str) -> Verdict:
    """The checkpoints in directory `inside` of the folder ("" or "variables/")."""
    stems: dict[str, list[str]] = {}
    files = [f for f in folder.files if f.rpartition("/")[0] == inside.rstrip("/")]
    for name in files:
        match = _DATA.fullmatch(name)
        if match is not None:
            stems.setdefault(match["stem"], []).append(name)
            count = int(match["count"])
            if any(f"{match['stem']}.data-{i:05d}-of-{count:05d}" not in folder.files
                   for i in range(count)):  # fmt: skip
                return incomplete(f"not all {count} data files of {match['stem']} are there")
    indices = [f for f in files if f.endswith(".index")]
    lengths = _lengths(folder, indices)
    verdicts = [
        marked(folder, f"{stem}.index", data, lengths=lengths) for stem, data in stems.items()
    ]
    latest = f"{inside}checkpoint"
    if latest in folder.files:
        named = _LATEST.search(folder.text(latest))
        if named is None:
            return incomplete("checkpoint cannot be read yet")
        index = inside + os.path.basename(named["stem"]) + ".index"
        verdicts.append(marked(folder, latest, indices, lengths=lengths))
        if index not in folder.files:
            return incomplete(f"{index}, which checkpoint names, is not there")
    return first_incomplete(verdicts, COMPLETE)


def _lengths(folder: Folder, indices: list[str]) -> dict[str, int]:
    """What whole indices say of themselves and of their data files: where the last tensor of each ends."""
    found: dict[str, int] = {}
    for index in indices:
        size = folder.files[index].st_size
        with open(os.path.join(folder.path, index), "rb") as file:
            read_at = reader(file)
            try:
                if not tfcheckpoint.looks_like(read_at, size):
                    continue
                tensors = tfcheckpoint.read(read_at, size, os.path.basename(index)).tensors
            except NotThisFormat:
                continue
        found[index] = size
        home = index[: -len(os.path.basename(index))]
        for part in (p for t in tensors.values() for p in ranges(t.content) if p.beside):
            data = home + part.beside
            found[data] = max(found.get(data, 0), part.offset + part.size)
    return found


# ---------------------------------------------------------------- SavedModel

_MODELS = ("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb")
_AFTER = ("keras_metadata.pb", "fingerprint.pb")
"""Beside the model, written with it: older ones than the variables are of the save before."""

SAVED_MODEL_MEMBERS = (
    *_MODELS, *_AFTER, "variables/*", "assets/*", "assets.extra/*", "debug/*", "saved_model.*.pb",
)  # fmt: skip


def has_saved_model(_name: str, names: Names) -> bool:
    """Whether a directory is a SavedModel, also before the model is written: `variables` and `assets` are made
    first."""
    return not set(_MODELS).isdisjoint(names) or {"variables", "assets"} <= set(names)


def check_saved_model(folder: Folder) -> Verdict:
    model = next((m for m in _MODELS if m in folder.files), None)
    if model is None:
        if not any(f.startswith("variables/variables.") for f in folder.files):
            return COMPLETE  # two directories of somebody else's
        return incomplete("saved_model.pb is not written yet")
    before = folder.matching("variables/*", "assets/*")
    verdicts = [_checkpoint(folder, "variables/"), marked(folder, model, before)]
    verdicts += [marked(folder, after, before) for after in _AFTER if after in folder.files]
    return first_incomplete(verdicts, COMPLETE)


def has_variables(name: str, names: Names) -> bool:
    """A SavedModel whose directory has nothing else yet; later the directory above claims all."""
    return name == "variables" and any(n.startswith("variables.data-") for n in names)


def check_variables(folder: Folder) -> Verdict:
    above = os.path.dirname(folder.path.rstrip("/"))
    if any(os.path.exists(os.path.join(above, model)) for model in _MODELS):
        return check_checkpoint(folder)
    return incomplete("saved_model.pb is not written yet")
