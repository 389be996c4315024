"""What a checkpoint needs to load, by the company that it keeps: the names of the files around it.

tied        another file names it as the place of its data (ONNX)
longer      its name is that of weights beside it, and more: `model.onnx.data`, `w2v.model.vectors.npy`
pair        one model in two files of one stem: OpenVINO, ncnn, MXNet, TensorFlow's graph
resumed     a Trainer's counters, beside what goes on with them
tokenizer   beside a model, or in a directory of its own beside one
tree        a directory that is one checkpoint, whatever its pieces are called: Orbax, SavedModel, spaCy
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from mvcd.inspect.trainingstate import is_state_file


class Company(Protocol):
    """The files under care around a file."""

    def names(self, directory: str) -> frozenset[str]:
        """The names of files and directories in `directory` ("" is the root)."""

    def tied(self, directory: str) -> frozenset[str]:
        """Names of files in `directory` where another file there keeps its data."""

    def tree(self, directory: str) -> str | None:
        """`tree_around` the directory: one answer for all files in it."""


class _Alone:
    """No company that anybody knows of."""

    def names(self, directory: str) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def tied(self, directory: str) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def tree(self, directory: str) -> None:
        """No file is a piece of one."""


ALONE = _Alone()

MARKERS = {
    "_CHECKPOINT_METADATA": "Orbax",
    "manifest.ocdbt": "Orbax",
    "_METADATA": "Orbax",
    "saved_model.pb": "a SavedModel",
    "saved_model.pbtxt": "a SavedModel",
    "MLmodel": "MLflow",
}
"""Names that make all below their directory pieces of one checkpoint."""
_MARKERS = frozenset(MARKERS)

COUNTERS = "trainer_state.json"
"""Results where it lies alone: a history of losses."""

COMPANY = "company: "
"""How all reasons begin."""

_SPACY = frozenset({"meta.json", "config.cfg", "tokenizer"})
"""A spaCy pipeline has all three at its top."""

# Patterns are compiled when they are first used, which few commands do.

_MODEL = (
    r"(?i).+\.(?:safetensors|bin|pth?|onnx|gguf|h5|keras|msgpack|ckpt|tflite|pdparams|pt2|ort|engine)"
    r"(?:\.index\.json)?"
)
_NO_MODEL = (
    r"(?i)(?:optim|sched|rng_state|random_state|scaler|training_args|trainer|tokenizer|spiece|vocab"
    r"|sampler).*"
)
_TOKENIZER = (
    r"(?i)(?:tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|merges|chat_template|encoder|spiece"
    r"|processor_config|vocabulary|bpe|sentencepiece(?:\.bpe)?|source|target|tekken)"
    r"\.(?:json|txt|model|bpe|jinja|codes|spm)|tokenizer|.+\.tiktoken"
)
_TEXT = r"(?i).*\.(?:log|txt|md|rst|csv|tsv|png|jpe?g|svg|pdf|html?|ya?ml|toml|py|ipynb|out|err)"
_PAIRS = (
    (r"(?i)(.+)\.xml", (".bin",)),
    (r"(?i)(.+)\.param", (".bin",)),
    (r"(?i)(.+)-symbol\.json", ("-0000.params", ".params")),
    (r"(?i)(.+)\.meta", (".index", ".data-00000-of-00001")),
)
_OF_PAIRS = (".xml", ".param", "-symbol.json", ".meta")
"""How names end that _PAIRS may match."""


@lru_cache(maxsize=1024)
def is_tokenizer(name: str) -> bool:
    """Tells names of tokenizers' files. The pattern is not tried on those that begin with a digit, as files of
    data sets do: none is in its list."""
    if name[:1].isdigit() and not name.lower().endswith(".tiktoken"):
        return False
    return re.fullmatch(_TOKENIZER, name) is not None


def is_anchor(name: str) -> bool:
    """Whether a file of this name may change what part its neighbours are, by coming or going."""
    return spans_below(name) or _weighs(name) or _resumes(name) or name.lower().endswith(".param")


def spans_below(name: str) -> bool:
    """Whether it may change this for all that lies below its directory."""
    return name in MARKERS or name in _SPACY or name == "model_index.json"


def heeds(name: str) -> bool:
    """Whether what lies beside a file of this name may change what part it is, but for its being tied."""
    return (
        is_tokenizer(name)
        or name.lower() == COUNTERS
        or any(re.fullmatch(pattern, name) for pattern, _ in _PAIRS)
        or any(_weighs(name[:at]) for at in range(1, len(name)) if name[at] in "._-")
    )


def in_pairs(path: str) -> bool:
    """Whether a file of this name may be half of a model, whose other half has the same stem."""
    return path.lower().endswith(_OF_PAIRS)


def tokenizers_below(name: str) -> bool:
    """Whether a directory of this name holds the tokenizer of a model beside it."""
    return name.lower().startswith(("tokenizer", "processor"))


def reason_beside(path: str, company: Company) -> str | None:
    """Why the company of a file makes it part of a checkpoint, for people; None if it does not."""
    if company is ALONE:
        return None
    directory, _, name = path.rpartition("/")
    names = company.names(directory)
    reason = _with_another(name, names)
    if name in company.tied(directory):
        reason = "a file beside it keeps its tensors here"
    elif is_tokenizer(name) and (model := _model_near(directory, names, company)) is not None:
        reason = f"the tokenizer of {model}"
    reason = reason or company.tree(directory)
    return None if reason is None else COMPANY + reason


def _with_another(name: str, names: frozenset[str]) -> str | None:
    """What one file beside it makes of it."""
    if name.lower() == COUNTERS and any(map(_resumes, names)):
        return "the counters of a training, beside what it goes on with"
    if (shorter := _shorter(name, names)) is not None and not re.fullmatch(_TEXT, name):
        return f"it goes with {shorter}"
    if not name.lower().endswith(_OF_PAIRS):
        return None
    for pattern, ends in _PAIRS:
        if (match := re.fullmatch(pattern, name)) and any(match[1] + end in names for end in ends):
            return "one model in two files"
    return None


def tree_around(directory: str, company: Company) -> str | None:
    """What checkpoint all below a directory are pieces of, for people; None if they are not."""
    for above in _upwards(directory):
        names = company.names(above)
        if not _MARKERS.isdisjoint(names):
            marker = next(marker for marker in MARKERS if marker in names)
            return f"a piece of {MARKERS[marker]} ({marker})"
        if names >= _SPACY:
            return "a piece of a spaCy pipeline (meta.json)"
    return None


def _model_near(directory: str, names: frozenset[str], company: Company) -> str | None:
    if (model := _first_model(names)) is not None:
        return model
    above, _, last = directory.rpartition("/")
    if directory and tokenizers_below(last):
        around = company.names(above)
        return "model_index.json" if "model_index.json" in around else _first_model(around)
    return None


def _first_model(names: frozenset[str]) -> str | None:
    return min(filter(_is_model, names), default=None)


@lru_cache(maxsize=4096)
def _is_model(name: str) -> bool:
    return bool(re.fullmatch(_MODEL, name)) and not re.fullmatch(_NO_MODEL, name)


@lru_cache(maxsize=4096)
def _resumes(name: str) -> bool:
    return _is_model(name) or (name.lower() != COUNTERS and is_state_file(name))


@lru_cache(maxsize=4096)
def _weighs(name: str) -> bool:
    """Whether it is weights by its own name, so that longer names may go with it."""
    return _is_model(name) or name.lower().endswith((".model", ".index", ".params"))


def _shorter(name: str, names: frozenset[str]) -> str | None:
    """The weights beside it whose name its own begins with."""
    for at, letter in enumerate(name):
        if letter in "._-" and at and name[:at] in names and _weighs(name[:at]):
            return name[:at]
    return None


def _upwards(directory: str) -> Iterator[str]:
    """A directory, and all above it."""
    while directory:
        yield directory
        directory = directory.rpartition("/")[0]
    yield ""
