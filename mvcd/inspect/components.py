"""Which of the five components a file belongs to, from its path alone.

The built-in rules are the tables below, read from top to bottom; the first that matches decides:

1. program source is architecture, and what has the suffix of model weights is weights, wherever they lie;
2. names that say what a file is (`params.yaml`, `metrics.json`, `requirements.txt`, `config.json`);
3. directories that say what their files are (`config/`, `logs/`, `data/`), the innermost first;
4. suffixes (`.csv` is data, `.md` architecture);
5. everything else is data.

A workspace puts its own globs before all of this, in the `[components]` table of `mvc.toml`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Self

from blake3 import blake3

from mvcd.objects.version import Component

_A, _W, _H = Component.ARCHITECTURE, Component.WEIGHTS, Component.HYPERPARAMETERS
_D, _R = Component.DATA, Component.RESULTS

NAMES: Mapping[Component, str] = {
    _H: """params hparams hyperparams hyperparameters training_args trainer_config train_config config
           sweep optuna generation_config deepspeed_config ds_config accelerate_config""",
    _R: """metrics metric results result scores eval eval_results test_results train_results
           all_results predict_results trainer_state summary history loss losses accuracy
           confusion_matrix classification_report report evaluation""",
    _A: """config.json tokenizer_config special_tokens_map preprocessor_config modules model_index
           requirements requirements-dev environment conda pyproject setup pipfile poetry.lock
           uv.lock package-lock dockerfile makefile readme license mvc architecture model_card
           .mvcignore""",
}
"""Names, or base names without their suffix, in lower case. `config.json` describes a network (Transformers,
Keras), any other `config.*` holds settings."""

PREFIXES: Mapping[Component, str] = {
    _H: "hparams params hyperparam",
    _R: "metrics events.out.tfevents eval_ scores results",
    _A: "requirements dockerfile",
}

SOURCE_SUFFIXES = frozenset(
    ".py .pyi .pyx .ipynb .c .cc .cpp .cu .cuh .h .hpp .rs .go .java .jl .r .lua .sh".split()
)
WEIGHTS_SUFFIXES = frozenset(
    """.safetensors .pt .pth .bin .ckpt .h5 .hdf5 .keras .onnx .gguf .ggml .pkl .pickle .joblib .skops
    .npz .tflite .pb .msgpack .distcp .mlmodel .cbm .ubj .model .engine .params .weights .index .ptl
    .llamafile""".split()
)
_TF_SHARD = re.compile(r".*\.data-\d{5}-of-\d{5}")
_WEIGHTS_NAMES = frozenset({"checkpoint", ".metadata", "latest", "model.safetensors.index.json",
                            "pytorch_model.bin.index.json"})  # fmt: skip

DIRECTORIES: Mapping[Component, str] = {
    _H: "config configs conf hparams params hyperparameters",
    _R: """metrics results result logs log runs tensorboard tb plots plot figures reports report eval
           evaluation predictions outputs dvclive wandb lightning_logs""",
    _D: "data dataset datasets train test val valid validation raw processed corpus images labels",
    _W: "checkpoints checkpoint weights ckpt ckpts",
    _A: "src models model network networks architecture lib notebooks scripts docs",
}

SUFFIXES: Mapping[Component, str] = {
    _A: ".md .rst .proto .pbtxt .prototxt .lock .cfg .ini .toml .gin .js .ts",
    _H: ".yaml .yml .hparams",
    _R: ".log .tfevents .png .svg .pdf .html .out .err",
    _D: """.csv .tsv .jsonl .parquet .arrow .feather .txt .json .npy .tfrecord .lmdb .jpg .jpeg .gif
           .webp .bmp .tif .tiff .wav .flac .mp3 .ogg .mp4 .avi .zip .tar .gz .zst .xz .bz2 .db
           .sqlite .idx .mat .nii .dcm .xml .las .ply .geojson .shp .vcf .fasta .fastq""",
}


def _table(rows: Mapping[Component, str]) -> dict[str, Component]:
    return {word: component for component, words in rows.items() for word in words.split()}


_BY_NAME, _BY_DIRECTORY, _BY_SUFFIX = _table(NAMES), _table(DIRECTORIES), _table(SUFFIXES)
_SUFFIX_SETS = tuple(sorted(SOURCE_SUFFIXES)), tuple(sorted(WEIGHTS_SUFFIXES))
_BY_PREFIX = tuple(_table(PREFIXES).items())


class ComponentRules:
    """Decides components. Immutable; `digest` (16 bytes) changes when a decision may."""

    def __init__(
        self, overrides: tuple[tuple[re.Pattern[str], Component], ...], source: str
    ) -> None:
        self._overrides = overrides
        said = repr((NAMES, PREFIXES, DIRECTORIES, SUFFIXES, source, *_SUFFIX_SETS))
        self.digest = blake3(said.encode()).digest(length=16)

    @classmethod
    def default(cls) -> Self:
        return cls((), "")

    def with_overrides(self, table: Mapping[str, object]) -> Self:
        """Globs per component before the built-in rules, in the table's order.

        `*` and `?` stay within one path part, `**` spans parts; a glob without `/` is matched against the name
        at any depth. Raises ValueError for an unknown component or a value that is no list of strings.
        """
        compiled = []
        for name, globs in table.items():
            try:
                component = Component(name)
            except ValueError:
                known = ", ".join(Component)
                raise ValueError(f"{name!r} is no component; there are {known}") from None
            if not isinstance(globs, list) or not all(isinstance(g, str) for g in globs):
                raise ValueError(f"{name} must be a list of globs")
            compiled += [(re.compile(_translate(glob)), component) for glob in globs]
        return type(self)(tuple(compiled), repr(sorted(map(str, table.items()))))

    def component_of(self, path: str) -> Component:
        """The component of a path relative to the workspace root, `/` between its parts."""
        for pattern, component in self._overrides:
            if pattern.fullmatch(path):
                return component
        directory, _, name = path.rpartition("/")
        return _by_name(name) or _by_directories(directory) or _by_suffix(name)


@lru_cache(maxsize=65536)
def _by_name(name: str) -> Component | None:
    lower = name.lower()
    if lower in _WEIGHTS_NAMES:
        return _W
    stem, dot, suffix = lower.rpartition(".")
    if not dot:
        stem, suffix = lower, ""
    if dot + suffix in SOURCE_SUFFIXES:
        return _A
    if dot + suffix in WEIGHTS_SUFFIXES or _TF_SHARD.fullmatch(lower):
        return _W
    found = _BY_NAME.get(lower) or _BY_NAME.get(stem)
    if found:
        return found
    return next((c for prefix, c in _BY_PREFIX if lower.startswith(prefix)), None)


@lru_cache(maxsize=65536)
def _by_directories(directory: str) -> Component | None:
    for part in reversed(directory.lower().split("/")):
        found = _BY_DIRECTORY.get(part)
        if found:
            return found
    return None


def _by_suffix(name: str) -> Component:
    _, dot, suffix = name.lower().rpartition(".")
    return _BY_SUFFIX.get(dot + suffix, _D)


def _translate(glob: str) -> str:
    """A regular expression for a glob whose `**` spans directories."""
    if "/" not in glob:
        glob = f"**/{glob}"
    parts = []
    for part in glob.strip("/").split("/"):
        if part == "**":
            parts.append("(?:[^/]+/)*")
        else:
            body = fnmatch.translate(part).replace(".*", "[^/]*")
            parts.append(body.removeprefix("(?s:").removesuffix(")\\Z") + "/")
    pattern = "".join(parts)
    if glob.rstrip("/").endswith("**"):
        return pattern + "[^/]+"
    return pattern.removesuffix("/")
