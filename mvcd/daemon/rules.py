"""When the files of a checkpoint directory are complete: one table, to read and to extend.

A rule *claims* a directory by its name and the names in it; of the files below it, `members` form one set
(patterns of fnmatch on the path from the directory: "*" is everything below, a pattern without `/` names files
of the directory itself). `check` says whether the set is complete: from names, stats, the marker file that
the writer makes last, and the single files' own formats.

The marker must not be older than what it vouches for: when a directory is overwritten in place, yesterday's
index still lies there while today's shards come in (marks.py, also on how a copy is told from that). Who writes
what last, by the writers' sources:

    transformers    save_pretrained: the index last; Trainer: trainer_state.json after model and optimizer
    torch           distributed/checkpoint/filesystem.py: .metadata is renamed into place last
    orbax           a temporary directory is renamed, or commit_success.txt written
    DeepSpeed, Megatron    the pointer file moves after the tag directory is written
    TensorFlow      the .index after the data files, `checkpoint` after the .index
    SavedModel      saved_model.pb after variables and assets, by a rename (saved_model/save.py); after it, or
                    before it in TensorFlow 2.11, fingerprint.pb; after both Keras 2 writes keras_metadata.pb
    PEFT            adapter_config.json after adapter_model.* (peft_model.py, save_pretrained)
    sentence-transformers    config_sentence_transformers.json, the modules' directories, then modules.json
    ONNX            the model after the files with its external data (onnx/external_data_helper.py)
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable

from mvcd.daemon.folder import Folder, FolderRule, Names, folder_of, temporary
from mvcd.daemon.marks import first_incomplete, marked
from mvcd.daemon.shards import INDICES, MEMBERS, check_shards, has_shards
from mvcd.daemon.tensorflow import (
    CHECKPOINT_MEMBERS,
    SAVED_MODEL_MEMBERS,
    check_checkpoint,
    check_saved_model,
    check_variables,
    has_checkpoint,
    has_saved_model,
    has_variables,
)
from mvcd.daemon.verdict import COMPLETE, SaveState, Verdict, incomplete
from mvcd.daemon.walks import onnx_data

__all__ = ["LOG_SUFFIXES", "RULES", "Folder", "FolderRule", "by_marker", "folder_of", "temporary"]

# ---------------------------------------------------------------- Trainer's checkpoint-N

_TRAINER = re.compile(r"checkpoint-\d+")
_TRAINER_FILES = {"trainer_state.json", "training_args.bin", "optimizer.pt", "scheduler.pt"}
_TRAINER_EARLIER = ("*.safetensors", "pytorch_model*.bin", *INDICES, "optimizer.*", "scheduler.pt")


def _check_trainer(folder: Folder) -> Verdict:
    if not _TRAINER_FILES.intersection(folder.files):
        if _beside_trainers(folder.path):
            return incomplete("trainer_state.json is not written yet")  # a save just begun
        return check_shards(folder)  # somebody else's directory of that name
    earlier = [f for f in folder.matching(*_TRAINER_EARLIER) if "/" not in f]
    if "trainer_state.json" in folder.files:
        try:
            json.loads(folder.text("trainer_state.json"))
        except ValueError:
            return incomplete("trainer_state.json cannot be read yet")
    last = marked(folder, "trainer_state.json", earlier)
    return first_incomplete((last, check_shards(folder)), COMPLETE)


def _beside_trainers(path: str) -> bool:
    """Whether a neighbour has the state that only the Trainer writes: then this one is the Trainer's too."""
    above, own = os.path.split(path.rstrip("/"))
    try:
        names = [n for n in os.listdir(above) if n != own and _TRAINER.fullmatch(n)]
    except OSError:
        return False
    return any(os.path.exists(os.path.join(above, n, "trainer_state.json")) for n in names)


# ---------------------------------------------------------------- other writers


_MAX_METADATA_BYTES = 64 << 20
_DISTCP = re.compile(rb"__\d+_\d+\.distcp")


def _check_distributed(folder: Folder) -> Verdict:
    """The metadata are a pickle, which names the files; the names are looked for, nothing is unpickled."""
    verdict = marked(folder, ".metadata", folder.matching("*.distcp"))
    if verdict.state is SaveState.INCOMPLETE:
        return verdict
    with open(os.path.join(folder.path, ".metadata"), "rb") as file:
        named = {os.fsdecode(name) for name in _DISTCP.findall(file.read(_MAX_METADATA_BYTES))}
    absent = sorted(named - folder.files.keys())
    return incomplete(f"{absent[0]}, which .metadata names, is not there") if absent else verdict


_ORBAX_TEMPORARY = ".orbax-checkpoint-tmp"
_ORBAX_MARKS = {"_CHECKPOINT_METADATA", "commit_success.txt", "_METADATA"}


def _has_orbax(name: str, names: Names) -> bool:
    return _ORBAX_TEMPORARY in name or not _ORBAX_MARKS.isdisjoint(names)


def _check_orbax(folder: Folder) -> Verdict:
    if _ORBAX_TEMPORARY in folder.path or any(_ORBAX_TEMPORARY in f for f in folder.files):
        return incomplete("it has not got its final name yet")
    return COMPLETE


def _check_pointer(marker: str, prefix: str) -> Callable[[Folder], Verdict]:
    """A tag directory beside a pointer file that is moved to it when it is complete."""

    def check(folder: Folder) -> Verdict:
        if marker not in folder.files:
            return incomplete(f"{marker} is not written yet")
        tag = folder.text(marker, 4096).strip()
        directory = f"{prefix}{int(tag):07d}" if prefix and tag.isdigit() else tag
        if not any(f.startswith(f"{directory}/") for f in folder.files):
            return incomplete(f"{marker} names {directory}, which is not there")
        others = [f for f in folder.files if f != marker]
        step = _step(f"{directory}/")
        for later in folder.newer(marker, others):
            if _step(later) > step >= 0:
                return incomplete(f"{later} is newer than {marker}, which names {directory}")
        return marked(folder, marker, others)

    return check


def _step(path: str) -> int:
    """The number in a tag directory's name: a copy of many tags is told by it from a save of the next."""
    match = re.match(r"[^/]*?(\d{1,18})/", path)
    return int(match[1]) if match else -1


def by_marker(directory: str, marker: str) -> FolderRule:
    """A workspace's own rule: directories by glob (from the root), complete when `marker` was written last.

    It may be empty: `touch DONE` is how most scripts say so.
    """

    def check(folder: Folder) -> Verdict:
        return marked(folder, marker, [f for f in folder.files if f != marker], empty=True)

    return FolderRule(f"{directory}, marked by {marker}", lambda *_: False, ("*",), check)


# ---------------------------------------------------------------- directories of a model and its configuration


def _check_adapter(folder: Folder) -> Verdict:
    return marked(folder, "adapter_config.json", folder.matching("adapter_model.*"))


_SENTENCE = "config_sentence_transformers.json"
_SENTENCE_MEMBERS = (
    "modules.json", "config*.json", "sentence_*_config.json", "*.safetensors", "pytorch_model*.bin", *INDICES,
    "[0-9]*_*/*",
)  # fmt: skip


def _check_sentences(folder: Folder) -> Verdict:
    others = [f for f in folder.files if f != "modules.json"]
    verdict = marked(folder, "modules.json", others)
    if verdict.state is SaveState.INCOMPLETE:
        return verdict
    try:
        paths = [str(module["path"]) for module in json.loads(folder.text("modules.json"))]
    except (ValueError, TypeError, KeyError, RecursionError):
        return incomplete("modules.json cannot be read yet")
    for path in paths:
        # A module without a configuration (Normalize) has an empty directory, which no download brings.
        if (
            path
            and not path.endswith("_Normalize")
            and not any(f.startswith(f"{path}/") for f in others)
        ):
            return incomplete(f"{path}, which modules.json names, is not there")
    return first_incomplete((check_shards(folder),), COMPLETE)


_ONNX_DATA = re.compile(r".+\.onnx(?:_data(?:_\d+)?|\.data)")
_ONNX_MEMBERS = ("*.onnx", "*.onnx_data", "*.onnx_data_*", "*.onnx.data")


def _has_onnx_data(_name: str, names: Names) -> bool:
    return any(_ONNX_DATA.fullmatch(n) for n in names)


def _check_onnx(folder: Folder) -> Verdict:
    """Each model after its data, and the data as long as the model says."""
    verdicts = []
    for name in (f for f in folder.files if _ONNX_DATA.fullmatch(f)):
        model = name[: name.rindex(".onnx") + len(".onnx")]
        if model not in folder.files:
            return incomplete(f"{model} is not written yet")
    for model in folder.matching("*.onnx"):
        lengths = onnx_data(os.path.join(folder.path, model), folder.files[model].st_size)
        for name in lengths:
            if name not in folder.files and _ONNX_DATA.fullmatch(name):
                return incomplete(f"{name}, which {model} names, is not there")
        data = [name for name in lengths if name in folder.files]
        verdicts.append(marked(folder, model, data, lengths=lengths))
    return first_incomplete(verdicts, COMPLETE)


RULES: tuple[FolderRule, ...] = (
    FolderRule("Orbax", _has_orbax, ("*",), _check_orbax),
    FolderRule("Trainer checkpoint-N", lambda name, _: bool(_TRAINER.fullmatch(name)), ("*",), _check_trainer),
    FolderRule("DeepSpeed", lambda _, names: any(re.fullmatch(r"global_step\d+", n) for n in names),
         ("latest", "global_step*/*"), _check_pointer("latest", "")),
    FolderRule("Megatron", lambda _, names: any(re.fullmatch(r"iter_\d{7}", n) for n in names),
         ("latest_checkpointed_iteration.txt", "iter_*/*"),
         _check_pointer("latest_checkpointed_iteration.txt", "iter_")),
    FolderRule("PyTorch distributed checkpoint",
         lambda _, names: ".metadata" in names or any(n.endswith(".distcp") for n in names),
         (".metadata", "*.distcp"), _check_distributed),
    FolderRule("SavedModel", has_saved_model, SAVED_MODEL_MEMBERS, check_saved_model),
    FolderRule("variables of a SavedModel", has_variables, CHECKPOINT_MEMBERS, check_variables),
    FolderRule("TensorFlow checkpoint", has_checkpoint, CHECKPOINT_MEMBERS, check_checkpoint),
    FolderRule("sentence-transformers", lambda _, names: _SENTENCE in names, _SENTENCE_MEMBERS,
               _check_sentences),
    FolderRule("shards with an index", has_shards, MEMBERS, check_shards),
    FolderRule("PEFT adapter", lambda _, names: "adapter_config.json" in names,
         ("adapter_config.json", "adapter_model.*"), _check_adapter),
    FolderRule("ONNX with external data", _has_onnx_data, _ONNX_MEMBERS, _check_onnx),
)  # fmt: skip
"""The first that claims a directory has it; of nested directories the outermost is asked first."""

LOG_SUFFIXES = (".log", ".out", ".err", ".tfevents", ".jsonl", ".csv", ".tsv")
"""Results that programs hold open and append to for hours. Such a file goes along when something else is
saved, as it is then; by itself it is saved when it is closed."""
