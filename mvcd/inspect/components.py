"""Which of the five components a file belongs to: by content and company first, by names second.

The rules, most certain evidence first; the first that matches decides:

1. program source is architecture wherever it lies (`data/prepare.py`, `config.py`);
2. content (kinds.py): a model is weights whatever it is called and wherever it lies; other tensors are, except
   below `data/`, which holds tensors too; so is training state, a sub-part of weights (trainingstate.py);
3. company (company.py): what a checkpoint needs to load is weights beside it: external data, the pieces of a
   directory that is one checkpoint, the tokenizer;
4. the suffix of model weights means weights, except below `data/`: `.pkl`, `.bin`, `.h5` hold data sets too;
5. names that say what a file is (`params.yaml`, `metrics.json`, `requirements.txt`, `config.json`), even in a
   directory that says otherwise: `data/metrics.json` holds results. Notes, licences and the files that rule git
   and mvc are of no other part, so they are data;
6. names and ends of names that mostly say it (`args.json`, `test_metrics.json`, `log.csv`), except in a
   directory of data;
7. directories that say what their files are: the outermost of `config/`, `data/`, `logs/` and their like
   (Hydra has `conf/data/mnist.yaml`), or else one of checkpoints or code (`src/data/iris.csv` is data);
8. suffixes (`.csv` is data, `.cfg` architecture);
9. everything else is data.

Letter case does not matter. A workspace puts its own globs before all of this, in the `[components]` table of
`mvc.toml`. Without a kind and company, a path is judged by names alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Self

from blake3 import blake3

from mvcd.inspect import kinds
from mvcd.inspect.company import (
    ALONE,
    COUNTERS,
    Company,
    in_pairs,
    is_tokenizer,
    reason_beside,
)
from mvcd.inspect.kinds import UNKNOWN, ContentKind, Says
from mvcd.inspect.pathglobs import compile_glob
from mvcd.inspect.trainingstate import is_state_file
from mvcd.lateclasses import NamedTuple
from mvcd.objects.version import Component

_DIGITS = "0123456789"
_KEPT_NAMES = 4096
"""Decisions kept at a time."""

_A, _W, _H = Component.ARCHITECTURE, Component.WEIGHTS, Component.HYPERPARAMETERS
_D, _R = Component.DATA, Component.RESULTS

SOURCE_SUFFIXES = """
    .py .pyi .pyx .ipynb .c .cc .cpp .cu .cuh .h .hpp .rs .go .java .jl .r .lua .sh
"""

WEIGHTS_SUFFIXES = """
    .safetensors .pt .pth .bin .ckpt .h5 .hdf5 .keras .onnx .gguf .ggml .pkl .pickle .joblib .skops .npz
    .tflite .pb .msgpack .distcp .mlmodel .cbm .ubj .model .engine .params .weights .index .ptl .llamafile
    .pt2 .pte .torchscript .pdparams .pdopt .pdmodel .pdiparams .caffemodel .nemo .mar .eqx .orbax .ftz .ort .om
    .rknn .dlc .trt .plan .mnn .tnn .cntk .t7 .wts .onnx_data .lgb .xgb .spm .tiktoken .h5ckpt
"""

WEIGHTS_NAMES = """
    checkpoint .metadata latest last_checkpoint latest_checkpoint latest_checkpointed_iteration.txt mlmodel
    _metadata _checkpoint_metadata manifest.ocdbt commit_success.txt _sharding model
"""
"""Small files that tie a checkpoint together: TensorFlow, DCP of torch, DeepSpeed, Megatron, Orbax, MLflow;
and `model`, as spaCy calls its weights."""

WEIGHTS_PATTERN = r"""
      .+\.data-\d{5}-of-\d{5}                                                     # TensorFlow
    | .+\.(?:safetensors|bin|h5|msgpack|pt|pth|onnx)\.index(?:\.[\w-]+)?\.json      # the Hub
    | .+\.onnx[._](?:ext_?)?data(?:[._-]?\d+)?                                     # ONNX' external data
    | .+\.(?:safetensors|pth?|ckpt|h5|hdf5|keras|onnx|gguf|joblib|pkl|msgpack|pdparams|eqx|model)
      (?:\.(?:tar|gz|tgz|bz2|xz|z|lzma|zst|zip|bak|old|orig|backup|best|last|part\d*)|[.-]\d+(?:\.meta)?|\.meta)+
    | (?:.*[-_])?(?:xgb|xgboost|lgb|lgbm|lightgbm|catboost|gbm|gbdt)(?:[-_](?:model|booster|clf|reg|classifier
      |regressor|best|final))*(?:[-_]?\d+)?\.(?:json|txt)
"""
"""Names of weights that no suffix tells."""

WEIGHTS_PLACES = r"""
      (?:^|.*/)[^/]+\.(?:mlpackage|mlmodelc|orbax|savedmodel)/.+
    | (?:^|.*/)(?:ocdbt\.process_\d+|array_metadatas)/.+
    | (?:^|.*/)d/[0-9a-f]{8,}
"""
"""Directories that are one checkpoint: Core ML, Orbax. Also `data` in one of them is no data."""

NAMES: Mapping[Component, str] = {
    _H: """params hparams hyperparams hyperparameters training_args training_args.bin trainer_config
           train_config config sweep optuna generation_config deepspeed_config ds_config accelerate_config
           overrides hydra""",
    _R: """metrics metric results result scores eval eval_results test_results train_results
           all_results predict_results trainer_state summary history loss losses accuracy evals_result
           wandb-summary confusion_matrix classification_report report evaluation""",
    _A: """config.json model_config architecture model_index modules tokenizer tokenizer_config
           special_tokens_map added_tokens preprocessor_config adapter_config processor_config scheduler_config
           quantize_config quant_config quantization_config sentence_bert_config config_sentence_transformers
           video_preprocessor_config image_processor_config
           requirements environment conda pyproject setup tox pytest mypy pipfile poetry.lock uv.lock
           package-lock dockerfile makefile model_card""",
    _D: """mvc.toml .mvcignore .gitignore .gitattributes .gitmodules .gitkeep .dockerignore .editorconfig
           .pre-commit-config""",
}
"""Whole names, or names less their suffix. `config.json` describes a network (Transformers, Keras), any other
`config.*` holds settings. What rules git and mvc is no part of a network. A whole name goes before one without
its suffix."""

NOTES = """readme license licence copying notice authors contributors contributing changelog changes history.md
           citation todo notes note"""
NOTES_SUFFIXES = ".md .rst .markdown .adoc .org"
"""What people write to people: data, or results where those lie."""

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
    _A: "src models model network networks architecture lib notebooks scripts",
}

SUFFIXES: Mapping[Component, str] = {
    _A: ".proto .pbtxt .prototxt .lock .cfg .gin .js .ts",
    _H: ".yaml .yml .toml .ini .hparams",
    _R: ".log .out .err .tfevents .svg .pdf .html",
    _D: """.csv .tsv .json .jsonl .parquet .arrow .feather .txt .npy .tfrecord .lmdb .db .sqlite
           .png .jpg .jpeg .gif .webp .bmp .tif .tiff .wav .flac .mp3 .ogg .mp4 .avi
           .zip .tar .gz .zst .xz .bz2""",
}
"""Data is what is left; its suffixes stand here for the reader."""

MEDIA_SUFFIXES = """
    .png .jpg .jpeg .gif .webp .bmp .tif .tiff .svg .wav .flac .mp3 .ogg .mp4 .avi .mov .mkv
"""
"""Pictures, sound and films: their content is never looked at, for it says nothing of the part they are."""

_FLAGS = re.VERBOSE | re.IGNORECASE
_EDITION = 6
"""Raised when the code below decides otherwise over the same tables."""


def _table(rows: Mapping[Component, str]) -> dict[str, Component]:
    return {word: component for component, words in rows.items() for word in words.split()}


_SOURCE, _WEIGHTS = frozenset(SOURCE_SUFFIXES.split()), frozenset(WEIGHTS_SUFFIXES.split())
_WEIGHTS_NAMES = frozenset(WEIGHTS_NAMES.split())
_OF_WEIGHTS = frozenset((".tar", ".data"))
"""Suffixes that say nothing of what a file is when one of weights stands before them."""

_NOTES, _NOTES_SUFFIXES = frozenset(NOTES.split()), frozenset(NOTES_SUFFIXES.split())
_BY_NAME, _BY_DIRECTORY, _BY_SUFFIX = _table(NAMES), _table(DIRECTORIES), _table(SUFFIXES)
_MEDIA = frozenset(MEDIA_SUFFIXES.split())
_IS_SOURCE, _IS_MEDIA, _IS_NOTE = "program source", "pictures, sound and films", "notes, a licence"
_MLFLOW = r"(?i)(?:^|/)artifacts/(?:[^/]+/)+data$"
_WHAT = {
    Says.MODEL: "a model ({})",
    Says.TENSORS: "tensors ({})",
    Says.STATE: "tensors of an optimizer ({})",
    Says.TABLE: "a table ({})",
}
_BY_PREFIX = tuple(_table(PREFIXES).items())
_PREFIXES = tuple(prefix for prefix, _ in _BY_PREFIX)
_LIKELY = {word: component for word, component in _table(LIKELY).items() if "*" not in word}
_LIKELY_ENDS = tuple((w[1:], component) for w, component in _table(LIKELY).items() if "*" in w)
_ENDS = tuple(end for end, _ in _LIKELY_ENDS)
_LIKELY_SUFFIXES = {component: row.split() for component, row in LIKELY_SUFFIXES.items()}
_BUILT_IN = repr(
    (
        (_EDITION, kinds.EDITION),
        (SOURCE_SUFFIXES, WEIGHTS_SUFFIXES, WEIGHTS_NAMES, WEIGHTS_PATTERN, WEIGHTS_PLACES),
        (NOTES, NOTES_SUFFIXES),
        [
            list(table.items())
            for table in (NAMES, PREFIXES, LIKELY, LIKELY_SUFFIXES, DIRECTORIES, SUFFIXES)
        ],
    )
)


class Ruling(NamedTuple):
    """The part that a file is. `state`: of weights, whether it is training state. `rule`: why, for people."""

    component: Component
    state: bool
    rule: str


class _Named(NamedTuple):
    """What a file's name says, whether it says so in every directory, and why."""

    component: Component
    certain: bool
    rule: str


def numbered(path: str) -> str | None:
    """What stands for all files of a directory whose names differ only in the number that their stems end with,
    as in a data set: no built-in rule asks which number it is. None where a name has none, where a second dot
    gives it a meaning, and for files that come in pairs of one stem."""
    at = path.rfind(".")
    stem = path[:at].rstrip(_DIGITS)
    if at < 0 or len(stem) == at or "." in stem[stem.rfind("/") + 1 :] or in_pairs(path):
        return None
    return f"{stem}0{path[at:]}"


class ComponentRules:
    """Decides components. Immutable; `digest` (16 bytes) changes when a decision may."""

    def __init__(self, overrides: tuple[tuple[str, Component], ...] = ()) -> None:
        self._overrides = tuple((compile_glob(glob), c, glob) for glob, c in overrides)
        self.digest = blake3(repr((_BUILT_IN, overrides)).encode()).digest(length=16)
        self._alone: dict[str, Component] = {}  # by what `numbered` says

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

    def component_of(
        self, path: str, kind: ContentKind = UNKNOWN, company: Company = ALONE
    ) -> Component:
        """The component of a path relative to the workspace root, `/` between its parts."""
        alike = self.alike(path) if kind is UNKNOWN and company is ALONE else None
        if alike is None:
            return self._decide(path, kind, company)[0]
        found = self._alone.get(alike)
        if found is None:
            if len(self._alone) >= _KEPT_NAMES:
                self._alone.clear()
            found = self._alone[alike] = self._decide(path, kind, company)[0]
        return found

    def alike(self, path: str) -> str | None:
        """`numbered`, unless a glob of the workspace's own may ask for the number."""
        return None if self._overrides else numbered(path)

    def ruling(self, path: str, kind: ContentKind = UNKNOWN, company: Company = ALONE) -> Ruling:
        """The component with the rule that decided. `kind`: what the file's content says of it; `company`: what
        lies around it."""
        component, rule = self._decide(path, kind, company)
        state = component is _W and (kind.says is Says.STATE or is_state_file(path))
        return Ruling(component, state, rule)

    def names_decide(self, path: str) -> bool:
        """Whether content and company make no difference, so that nobody needs to look at them: of source, and
        of pictures, sound and films, which lie around by the 100,000."""
        suffix = path[path.rfind(".") :].lower()
        if suffix in _SOURCE or suffix in _MEDIA:
            return True
        if not self._overrides:
            return False
        return any(pattern.fullmatch(path) for pattern, _, _ in self._overrides)

    def _decide(self, path: str, kind: ContentKind, company: Company) -> tuple[Component, str]:
        for pattern, component, glob in self._overrides:
            if pattern.fullmatch(path):
                return component, f"{glob} in [components] of mvc.toml"
        directory, _, name = path.rpartition("/")
        named, place = _by_name(name), _by_directory(directory)
        found = None
        if named.rule not in (_IS_SOURCE, _IS_MEDIA):
            found = _by_content(kind, named, place) or _by_company(path, named, company)
        return found or _settled(name, named, place, directory)


def _by_content(
    kind: ContentKind, named: _Named, place: Component | None
) -> tuple[Component, str] | None:
    if kind.says not in _WHAT:
        return None
    rule = f"its content: {_WHAT[kind.says].format(kind.format)}"
    if kind.says is Says.TABLE:
        return (_D, rule) if named.component is _W else None
    return None if kind.says is Says.TENSORS and place is _D else (_W, rule)


def _by_company(path: str, named: _Named, company: Company) -> tuple[Component, str] | None:
    """Names that are certain go before company, but for those that company gives another meaning."""
    directory, _, name = path.rpartition("/")
    if _may_be_place(directory) and re.fullmatch(WEIGHTS_PLACES, path, _FLAGS):
        return _W, "a directory that is one checkpoint"
    known = named.certain and not (is_tokenizer(name) or name.lower() == COUNTERS)
    if named.component is _W or known or named.rule == _IS_NOTE:
        return None
    reason = reason_beside(path, company)
    return None if reason is None else (_W, reason)


@lru_cache(maxsize=4096)
def _may_be_place(directory: str) -> bool:
    """Whether WEIGHTS_PLACES has any file that lies directly in a directory: one called `00000000`, if so."""
    return re.fullmatch(WEIGHTS_PLACES, f"{directory}/00000000", _FLAGS) is not None


def _settled(
    name: str, named: _Named, place: Component | None, directory: str
) -> tuple[Component, str]:
    """By names alone: what the file's own says, against what those of its directories say."""
    likely = None if named.certain or named.component is _W or place is _D else _likely(name)
    if likely is not None:
        return likely, f"most likely a name of {likely.value}"
    if named.rule == _IS_NOTE:
        place = _R if place is _R else None
    elif named.component is _W and (place is not _D or re.search(_MLFLOW, directory)):
        place = None
    if named.certain or place is None:
        return named.component, named.rule
    return place, f"a directory of {place.value}"


@lru_cache(maxsize=4096)
def _by_name(name: str) -> _Named:
    name = name.lower()
    stem, dot, suffix = name.rpartition(".")
    suffix = dot + suffix
    if suffix in _SOURCE:
        return _Named(_A, True, _IS_SOURCE)
    if (whole := _BY_NAME.get(name)) is not None:  # `training_args.bin` is no weights
        return _Named(whole, True, f"a name of {whole.value}")
    if suffix in _WEIGHTS:
        return _Named(_W, False, f"{suffix} is a suffix of weights")
    within = "." + stem.rpartition(".")[2]  # checkpoint.pth.tar, model.onnx.data
    twice = within in _WEIGHTS and suffix in _OF_WEIGHTS
    if twice or name in _WEIGHTS_NAMES or _is_checkpoint(name, stem, suffix):
        return _Named(_W, False, "a name of checkpoints")
    if stem in _NOTES or name in _NOTES or suffix in _NOTES_SUFFIXES:
        return _Named(_D, False, _IS_NOTE)
    return _by_word(name, stem, suffix)


def _is_checkpoint(name: str, stem: str, suffix: str) -> bool:
    """Whether WEIGHTS_PATTERN has the name, in lower case. It takes 3 us to fail, so most names are told
    without it: one that has no other dot than that of a known suffix is in its last line if in any."""
    plain = "." not in stem and suffix in _BY_SUFFIX
    if plain and "gb" not in name and "catboost" not in name:
        return False
    return re.fullmatch(WEIGHTS_PATTERN, name, re.VERBOSE) is not None


def _by_word(name: str, stem: str, suffix: str) -> _Named:
    named = _BY_NAME.get(stem)
    rule = "" if named is None else f"a name of {named.value}"
    if named is None:
        prefix, named = "", None
        if name.startswith(_PREFIXES):
            prefix, named = next((p, c) for p, c in _BY_PREFIX if name.startswith(p))
        rule = "" if named is None else f"{prefix}... is a name of {named.value}"
    certain, component = named is not None, named or _BY_SUFFIX.get(suffix, _D)
    if suffix in _MEDIA:
        rule = _IS_MEDIA
    elif not certain:
        rule = f"the suffix {suffix}" if suffix in _BY_SUFFIX else "what nothing else tells is data"
    return _Named(component, certain, rule)


@lru_cache(maxsize=4096)
def _likely(name: str) -> Component | None:
    """What a name says where no directory says that it is data."""
    stem, dot, suffix = name.lower().rpartition(".")
    found = _LIKELY.get(stem)
    if found is None and stem.endswith(_ENDS):
        found = next(c for end, c in _LIKELY_ENDS if stem.endswith(end))
    return found if found is not None and dot + suffix in _LIKELY_SUFFIXES[found] else None


@lru_cache(maxsize=4096)
def _by_directory(directory: str) -> Component | None:
    """What the directories on the way to a file say of it, if anything."""
    found = [_BY_DIRECTORY[part] for part in directory.lower().split("/") if part in _BY_DIRECTORY]
    strong = [component for component in found if component not in (_A, _W)]
    return next(iter(strong or found), None)
