"""Models in several files: `NAME-00001-of-00003.SUFFIX`, with or without an index that is written last.

transformers    model-00001-of-00002.safetensors, model.safetensors.index.json
                pytorch_model-00001-of-00002.bin, tf_model-00001-of-00002.h5, flax_model-...msgpack
  variants      model.fp16-00001-of-00002.safetensors, model.safetensors.index.fp16.json
diffusers       diffusion_pytorch_model.fp16-00001-of-00002.safetensors, also ...-of-00002.fp16.safetensors
Keras           model_00000.weights.h5, model.weights.json (only the index knows how many)
llama.cpp       name-00001-of-00003.gguf, without an index
others          model_00001-of-00002.pt, model-00001-of-00002
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable

from mvcd.daemon.folder import Folder, Names
from mvcd.daemon.formats import MAX_HEADER_BYTES
from mvcd.daemon.marks import arrived, each_whole, first_incomplete, marked
from mvcd.daemon.verdict import PROVEN, UNKNOWN, SaveState, Verdict, incomplete

_WEIGHTS = ("safetensors", "bin", "h5", "msgpack")
"""Suffixes of files that belong to the set whatever they are called."""

_ONLY_SHARDS = ("gguf", "pt", "pth", "ckpt")
"""Suffixes of which only shards belong to it: a directory may have several whole models as well."""

_NAMED = r".*(?:model|weights|ckpt|checkpoint)"
"""Stems of shards without a suffix; without one data sets have such numbers, too."""

_SHARD = re.compile(
    rf"(?:(?P<bare>{_NAMED})|.+)[-_](?P<number>\d{{5}})-of-(?P<count>\d{{5}})"
    rf"(?P<suffix>(?:\.[A-Za-z0-9_]+)*\.(?:{'|'.join((*_WEIGHTS, *_ONLY_SHARDS))})|(?(bare)|(?!)))"
)
_KERAS = re.compile(r"(?P<stem>.+)_\d{5}\.weights\.h5")

INDICES = ("*.index.json", "*.index.*.json")
"""Names of the index files of transformers and diffusers."""

_NUMBERS = "[-_]?????-of-?????"
MEMBERS = (
    *INDICES, "*.weights.json", *(f"*.{s}" for s in _WEIGHTS),
    *(f"*{_NUMBERS}*.{s}" for s in _ONLY_SHARDS), f"*model{_NUMBERS}", f"*weights{_NUMBERS}",
    f"*ckpt{_NUMBERS}", f"*checkpoint{_NUMBERS}",
)  # fmt: skip


def _is_index(name: str, names: Names) -> bool:
    """`X.weights.json` is one only beside Keras' shards: weights of classes have such names, too."""
    if re.fullmatch(r".+\.index(?:\..+)?\.json", name):
        return True
    return name.endswith(".weights.json") and any(_keras_index(n) == name for n in names)


def _keras_index(name: str) -> str | None:
    """The index without which a shard of Keras is not complete."""
    match = _KERAS.fullmatch(name)
    return match and f"{match['stem']}.weights.json"


def is_shard(name: str) -> bool:
    return _SHARD.fullmatch(name) is not None or _KERAS.fullmatch(name) is not None


def has_shards(_name: str, names: Names) -> bool:
    return any(is_shard(n) or _is_index(n, names) for n in names)


def check_shards(folder: Folder) -> Verdict:
    here = [f for f in folder.matching(*MEMBERS) if "/" not in f]
    indices, indexed, verdicts = [], set[str](), []
    for index in (f for f in here if _is_index(f, here)):
        try:
            weight_map = _weight_map(folder, index)
        except (ValueError, TypeError, AttributeError, RecursionError):
            return incomplete(f"{index} cannot be read yet")
        if weight_map is None:
            continue
        indices.append(index)
        named = {name for names in weight_map.values() for name in names}
        absent = sorted(n for n in named if n not in folder.files)
        if absent:
            return incomplete(f"{absent[0]}, which {index} names, is not there")
        indexed |= named
        verdicts.append(marked(folder, index, sorted(named), agrees=_Agreement(folder, weight_map)))
    loose = [f for f in here if f not in indexed and f not in indices]
    for wanted in sorted({i for f in loose if (i := _keras_index(f)) is not None}):
        if wanted not in folder.files:
            return incomplete(f"{wanted} is not written yet")
    verdicts += [_without_index(folder, group, indices) for group in _groups(loose)]
    verdicts.append(each_whole(folder, loose))
    done = (
        PROVEN if indices and all(v.state is SaveState.COMPLETE for v in verdicts[:-1]) else UNKNOWN
    )
    return first_incomplete(verdicts, done)


def _weight_map(folder: Folder, index: str) -> dict[str, list[str]] | None:
    """Files of each tensor; None for a whole document about something else.

    Raises what a document of another shape raises.
    """
    document = json.loads(folder.text(index))
    if not isinstance(document, dict) or "weight_map" not in document:
        return None
    found: dict[str, list[str]] = {}
    for tensor, files in document["weight_map"].items():
        found[tensor] = [files] if isinstance(files, str) else [str(f) for f in files]
    return found


class _Agreement:
    """Whether the safetensors files of an index have just the tensors that it says they have."""

    def __init__(self, folder: Folder, weight_map: dict[str, list[str]]) -> None:
        self._folder = folder
        self._weight_map = weight_map

    def __call__(self) -> bool:
        named: dict[str, set[str]] = {}
        for tensor, files in self._weight_map.items():
            for file in files:
                named.setdefault(file, set()).add(tensor)
        return all(
            tensors == _tensors(os.path.join(self._folder.path, file))
            for file, tensors in named.items()
            if file.endswith(".safetensors")
        )


def _tensors(path: str) -> Collection[str]:
    """Names in the header of a file that was found whole."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, object] = json.loads(file.read(min(length, MAX_HEADER_BYTES)))
    return header.keys() - {"__metadata__"}


# ---------------------------------------------------------------- shards that no index names

Group = tuple[int, list[str]]
"""How many there must be, and those that are there."""


def _groups(loose: Iterable[str]) -> list[Group]:
    groups: dict[tuple[str, int], list[str]] = {}
    for name in loose:
        match = _SHARD.fullmatch(name)
        if match is not None:
            groups.setdefault((_stem(name), int(match["count"])), []).append(name)
    return [(count, sorted(names)) for (_, count), names in groups.items()]


def _without_index(folder: Folder, group: Group, indices: list[str]) -> Verdict:
    """Are all of 1..N here? UNKNOWN if so, for their index may come yet.

    Beside an index they are of a save under way with another count or variant, or, if they are older than the
    index, left over from an earlier one.
    """
    count, names = group
    newest = max(indices, key=lambda i: folder.files[i].st_mtime_ns, default=None)
    newer = names if newest is None else folder.newer(newest, names)
    if not newer:
        return UNKNOWN
    if len(names) < count:
        return incomplete(f"{len(names)} of {count} shards of {_stem(names[0])} are there")
    if newest is not None:
        proven = each_whole(folder, names).state is SaveState.PROVEN
        late = arrived(folder, newest, names, proven=proven)
        if late.state is SaveState.INCOMPLETE:
            return incomplete(f"{newer[0]} is newer than {newest}, which does not name it")
    return UNKNOWN


def _stem(name: str) -> str:
    """What a reader calls the model: the name without its number."""
    return re.sub(r"[-_]\d{5}-of-\d{5}", "", name)
