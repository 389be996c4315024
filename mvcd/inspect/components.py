"""Which of the five components a file belongs to, from its path alone.

The built-in rules, most certain evidence first; the first that matches decides:

1. program source is architecture wherever it lies (`data/prepare.py`, `config.py`);
2. the suffix of model weights means weights, except below `data/`: `.pkl`, `.bin`, `.h5` hold data sets too;
3. names that say what a file is (`params.yaml`, `metrics.json`, `requirements.txt`, `config.json`), even in a
   directory that says otherwise: `data/metrics.json` holds results;
4. names and ends of names that mostly say it (`args.json`, `test_metrics.json`, `log.csv`), except in a
   directory of data;
5. directories that say what their files are: the outermost of `config/`, `data/`, `logs/` and their like
   (Hydra has `conf/data/mnist.yaml`), or else one of checkpoints or code (`src/data/iris.csv` is data);
6. suffixes (`.csv` is data, `.md` architecture);
7. everything else is data.

Letter case does not matter. A workspace puts its own globs before all of this, in the `[components]` table of
`mvc.toml`. Nothing here looks at content: moving a file may change its component, editing it never does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Self

from blake3 import blake3

from mvcd.inspect.patterns import Sign, Token, expression
from mvcd.objects.version import Component

_A, _W, _H = Component.ARCHITECTURE, Component.WEIGHTS, Component.HYPERPARAMETERS
_D, _R = Component.DATA, Component.RESULTS

SOURCE_SUFFIXES = """
    .py .pyi .pyx .ipynb .c .cc .cpp .cu .cuh .h .hpp .rs .go .java .jl .r .lua .sh
"""

WEIGHTS_SUFFIXES = """
    .safetensors .pt .pt2 .pth .bin .ckpt .h5 .hdf5 .keras .onnx .onnx_data .gguf .ggml .pkl .pickle
    .joblib .skops .npz .tflite .pb .msgpack .distcp .mlmodel .cbm .ubj .model .engine .params .weights .index
    .ptl .llamafile .pdparams
"""

WEIGHTS_NAMES = """
    checkpoint .metadata latest model.safetensors.index.json pytorch_model.bin.index.json
"""
"""Small files that tie a checkpoint together: TensorFlow, DCP of torch, DeepSpeed, the Hub."""

NAMES: Mapping[Component, str] = {
    _H: """params hparams hyperparams hyperparameters training_args
trainer_config train_config config sweep optuna generation_config deepspeed_config ds_config accelerate_config
training_args.bin overrides hydra""",
    _R: """metrics metric results result scores eval eval_results test_results
train_results all_results predict_results trainer_state summary history loss losses accuracy evals_result
wandb-summary confusion_matrix classification_report report evaluation""",
    _A: """config.json model_config
architecture model_index modules tokenizer tokenizer_config special_tokens_map added_tokens preprocessor_config
adapter_config requirements environment conda pyproject setup tox pytest mypy pipfile poetry.lock uv.lock
package-lock dockerfile makefile readme license mvc model_card .mvcignore .gitignore .gitattributes
.dockerignore""",
}
"""Whole names, or names less their suffix. `config.json` describes a network (Transformers, Keras), any other
`config.*` holds settings. A whole name goes before one without its suffix."""

PREFIXES: Mapping[Component, str] = {
    _H: "hparams params hyperparam",
    _R: "metrics events.out.tfevents eval_ scores results plot loss_ accuracy_ confusion_matrix roc_",
    _A: "requirements dockerfile",
}

LIKELY: Mapping[Component, str] = {
    _H: """args opt opts option options arguments run_config training_config model_args data_args
           train_params cli_args *_args *_hparams *_params""",
    _R: """log progress benchmark benchmarks training training_log train_log scalars evals *_metrics *-metrics
           *_metric *_results *-results *_result *_scores *_score *_log *_history *_losses *_eval
           *_evals_result""",
}
"""Names less their suffix, or their ends after a `*`, that say what a file is unless a directory says that it
is data (`data/survey_results.csv`). They count for the suffixes in LIKELY_SUFFIXES."""

LIKELY_SUFFIXES: Mapping[Component, str] = {
    _H: ".json .yaml .yml .toml .ini",
    _R: ".json .jsonl .ndjson .csv .tsv .yaml .yml .log .txt",
}

DIRECTORIES: Mapping[Component, str] = {
    _H: "config configs conf hparams params hyperparameters",
    _R: """metrics results result logs log runs tensorboard tb plots plot figures reports report eval
           evaluation predictions outputs dvclive wandb lightning_logs""",
    _D: "data dataset datasets corpus corpora raw processed",
    _W: "checkpoints checkpoint weights ckpt ckpts",
    _A: "src models model network networks architecture lib notebooks scripts docs",
}

SUFFIXES: Mapping[Component, str] = {
    _A: ".md .rst .proto .pbtxt .prototxt .lock .cfg .gin .js .ts",
    _H: ".yaml .yml .toml .ini .hparams",
    _R: ".log .out .err .tfevents .svg .pdf .html",
    _D: """.csv .tsv .json .jsonl .parquet .arrow .feather .txt .npy .tfrecord .lmdb .db .sqlite
           .png .jpg .jpeg .gif .webp .bmp .tif .tiff .wav .flac .mp3 .ogg .mp4 .avi
           .zip .tar .gz .zst .xz .bz2""",
}
"""Data is what is left; its suffixes stand here for the reader."""

_EDITION = 5
"""Raised when the code below decides otherwise over the same tables."""


def _table(rows: Mapping[Component, str]) -> dict[str, Component]:
    return {word: component for component, words in rows.items() for word in words.split()}


_SOURCE, _WEIGHTS = frozenset(SOURCE_SUFFIXES.split()), frozenset(WEIGHTS_SUFFIXES.split())
_WEIGHTS_NAMES = frozenset(WEIGHTS_NAMES.split())
_OF_WEIGHTS = frozenset((".tar", ".data"))
"""Suffixes that say nothing of what a file is when one of weights stands before them."""

_TF_SHARD = re.compile(r".+\.data-\d{5}-of-\d{5}")
_BY_NAME, _BY_DIRECTORY, _BY_SUFFIX = _table(NAMES), _table(DIRECTORIES), _table(SUFFIXES)
_BY_PREFIX = tuple(_table(PREFIXES).items())
_LIKELY = {word: component for word, component in _table(LIKELY).items() if "*" not in word}
_LIKELY_ENDS = tuple((w[1:], component) for w, component in _table(LIKELY).items() if "*" in w)
_LIKELY_SUFFIXES = {component: row.split() for component, row in LIKELY_SUFFIXES.items()}
_BUILT_IN = repr(
    (
        _EDITION,
        (SOURCE_SUFFIXES, WEIGHTS_SUFFIXES, WEIGHTS_NAMES),
        [
            list(table.items())
            for table in (NAMES, PREFIXES, LIKELY, LIKELY_SUFFIXES, DIRECTORIES, SUFFIXES)
        ],
    )
)


class ComponentRules:
    """Decides components. Immutable; `digest` (16 bytes) changes when a decision may."""

    def __init__(self, overrides: tuple[tuple[str, Component], ...] = ()) -> None:
        self._overrides = tuple((_compile(glob), component) for glob, component in overrides)
        self.digest = blake3(repr((_BUILT_IN, overrides)).encode()).digest(length=16)

    @classmethod
    def default(cls) -> Self:
        return cls()

    def with_overrides(self, table: Mapping[str, object]) -> Self:
        """Globs by component, tried before the built-in rules in the table's order: the first match decides.

        Globs read as in `.mvcignore`: one without `/` (but at its end) matches a name at any depth, another
        one the path from the root; `*` and `?` stay within one part, `**` spans parts; what matches a directory
        matches all below it. Raises ValueError for an unknown component, a value that is no list of strings,
        and a glob that is empty or begins with `!`.
        """
        overrides: list[tuple[str, Component]] = []
        for name, globs in table.items():
            if name not in Component.__members__.values():
                raise ValueError(f"{name!r} is no component; there are {', '.join(Component)}")
            if not isinstance(globs, (list, tuple)) or not all(isinstance(g, str) for g in globs):
                raise ValueError(f"{name} must be a list of globs")
            overrides += [(glob, Component(name)) for glob in globs]
        return type(self)(tuple(overrides))

    def component_of(self, path: str) -> Component:
        """The component of a path relative to the workspace root, `/` between its parts."""
        for pattern, component in self._overrides:
            if pattern.fullmatch(path):
                return component
        directory, _, name = path.rpartition("/")
        component, certain = _by_name(name)
        if certain:
            return component
        place = _by_directory(directory)
        if place is not _D and (likely := _likely(name)) is not None:
            return likely
        if component is _W:
            return _D if place is _D else _W
        return component if place is None else place


@lru_cache(maxsize=4096)
def _by_name(name: str) -> tuple[Component, bool]:
    """What a name says, and whether it says so in every directory."""
    name = name.lower()
    stem, dot, suffix = name.rpartition(".")
    suffix = dot + suffix
    if suffix in _SOURCE:
        return _A, True
    if (whole := _BY_NAME.get(name)) is not None:  # `training_args.bin` is no weights
        return whole, True
    within = "." + stem.rpartition(".")[2]  # checkpoint.pth.tar, model.onnx.data
    twice = within in _WEIGHTS and suffix in _OF_WEIGHTS
    if suffix in _WEIGHTS or twice or name in _WEIGHTS_NAMES or _TF_SHARD.fullmatch(name):
        return _W, False
    named = _BY_NAME.get(stem) or next(
        (c for prefix, c in _BY_PREFIX if name.startswith(prefix)), None
    )
    return (named, True) if named else (_BY_SUFFIX.get(suffix, _D), False)


@lru_cache(maxsize=4096)
def _likely(name: str) -> Component | None:
    """What a name says where no directory says that it is data."""
    stem, dot, suffix = name.lower().rpartition(".")
    found = _LIKELY.get(stem)
    found = found or next((c for end, c in _LIKELY_ENDS if stem.endswith(end)), None)
    return found if found is not None and dot + suffix in _LIKELY_SUFFIXES[found] else None


@lru_cache(maxsize=4096)
def _by_directory(directory: str) -> Component | None:
    """What the directories on the way to a file say of it, if anything."""
    found = [_BY_DIRECTORY[part] for part in directory.lower().split("/") if part in _BY_DIRECTORY]
    strong = [component for component in found if component not in (_A, _W)]
    return next(iter(strong or found), None)


_GLOB_TOKEN = re.compile(r"^\*\*/|/\*\*/|/\*\*$|\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_SPANNING: dict[str, list[Token]] = {
    "**/": [Sign.PARTS],
    "/**/": [Sign.SLASH, Sign.PARTS],
    "/**": [Sign.SLASH, ".", Sign.REST],
    "?": ["[^/]"],
    "/": [Sign.SLASH],
}


def _compile(glob: str) -> re.Pattern[str]:
    """Raises ValueError. The tests hold this against pathspec's reading of gitignore(5)."""
    body = glob.removesuffix("/")
    if not body or glob.startswith("!"):
        raise ValueError(f"{glob!r} is no glob for a component")
    anywhere = "/" not in body
    body = re.sub(r"(^|/)(?:\*\*/)+", r"\1**/", body.removeprefix("/"))
    tokens = [token for text in _GLOB_TOKEN.findall(body) for token in _tokens(text)]
    below = "/.*" if glob.endswith("/") else "(?:/.*)?"
    try:
        inner = expression([Sign.PARTS] * anywhere + tokens)
        if inner is None:
            raise ValueError(f"{glob[:40]!r}… is longer than any path")
        return re.compile(inner + below, re.DOTALL)
    except re.error as error:
        raise ValueError(f"{glob!r} is no glob: {error}") from None


def _tokens(token: str) -> list[Token]:
    if token in _SPANNING:
        return _SPANNING[token]
    if token.startswith("*"):
        return [Sign.STAR]
    if token.startswith("[") and len(token) > 1:
        negated = token.startswith("[!")
        members = token[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", "\\[")
        members = "\\" + members if members.startswith(("]", "^")) else members
        return [f"(?!/)[{'^' if negated else ''}{members}]"]
    return [re.escape(token)]
