"""What a checkpoint needs to load, by the names around it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect import components
from mvcd.inspect.company import ALONE, tree_around
from mvcd.inspect.components import ComponentRules, numbered
from mvcd.inspect.kinds import UNKNOWN, ContentKind, Says
from mvcd.objects.version import Component


class Tree:
    """A company made of paths; `ties` are those that another file keeps its data in."""

    def __init__(self, paths: str, ties: str = "") -> None:
        self._paths = paths.split()
        self._ties = ties.split()

    def names(self, directory: str) -> frozenset[str]:
        below = directory + "/" if directory else ""
        inside = [p.removeprefix(below) for p in self._paths if p.startswith(below)]
        return frozenset(p.partition("/")[0] for p in inside)

    def tied(self, directory: str) -> frozenset[str]:
        split = (path.rpartition("/") for path in self._ties)
        return frozenset(name for where, _, name in split if where == directory)

    def tree(self, directory: str) -> str | None:
        return tree_around(directory, self)


RULES = ComponentRules.default()

COMPANIES = {
    "tokenizer": (
        "m/model.safetensors m/tokenizer.json m/special_tokens_map.json m/vocab.txt m/merges.txt",
        "m/tokenizer.json m/special_tokens_map.json m/vocab.txt m/merges.txt",
    ),
    "tokenizer of a pipeline": (
        "p/model_index.json p/unet/x.safetensors p/tokenizer/vocab.json p/tokenizer/merges.txt",
        "p/tokenizer/vocab.json p/tokenizer/merges.txt",
    ),
    "orbax": (
        "r/1/_CHECKPOINT_METADATA r/1/default/d/x1 r/1/default/array_data r/1/metrics.json",
        "r/1/default/d/x1 r/1/default/array_data",
    ),
    "saved model": (
        "s/saved_model.pb s/assets/vocab.txt s/variables/variables.index s/fingerprint.pb",
        "s/assets/vocab.txt",
    ),
    "spacy": (
        "b/meta.json b/config.cfg b/tokenizer b/vocab/strings.json b/ner/moves b/ner/model",
        "b/tokenizer b/vocab/strings.json b/ner/moves",
    ),
    "mlflow": (
        "a/MLmodel a/data/pickle_module_info.txt a/python_model.pkl",
        "a/data/pickle_module_info.txt",
    ),
    "openvino": ("net.xml net.bin", "net.xml"),
    "gensim": ("w2v.model w2v.model.wv.vectors.npy", "w2v.model.wv.vectors.npy"),
    "trainer": ("c/trainer_state.json c/optimizer.pt c/model.safetensors", "c/trainer_state.json"),
}


@pytest.mark.parametrize("what", COMPANIES)
def test_pieces_are_weights_in_their_company(what: str) -> None:
    paths, pieces = COMPANIES[what]
    company = Tree(paths)
    for path in pieces.split():
        assert RULES.component_of(path, UNKNOWN, company) is Component.WEIGHTS, path
        assert RULES.component_of(path, UNKNOWN, ALONE) is not Component.WEIGHTS, path
        assert RULES.ruling(path, UNKNOWN, company).rule.startswith("company: ")


@pytest.mark.parametrize(
    ("path", "paths"),
    [
        ("m/README.md", "m/model.safetensors m/README.md"),
        ("m/config.json", "m/model.safetensors m/config.json"),
        ("m/model.py", "m/model.safetensors m/model.py"),
        ("model.pt.log", "model.pt model.pt.log"),
        ("r/metrics.json", "r/_CHECKPOINT_METADATA r/metrics.json"),
        ("c/trainer_state.json", "c/trainer_state.json c/notes.txt"),
        ("t/vocab.txt", "t/vocab.txt t/tokenizer.json t/training_args.bin"),
        ("a/x.csv", "a/x.csv b/_METADATA"),
    ],
)
def test_what_has_a_meaning_of_its_own_keeps_it(path: str, paths: str) -> None:
    assert RULES.component_of(path, UNKNOWN, Tree(paths)) is RULES.component_of(path)
    assert RULES.component_of(path, UNKNOWN, Tree(paths)) is not Component.WEIGHTS


def test_external_data_of_any_name() -> None:
    company = Tree("m/net.onnx m/onnx__MatMul_12 m/other", ties="m/onnx__MatMul_12")
    assert RULES.component_of("m/onnx__MatMul_12", UNKNOWN, company) is Component.WEIGHTS
    assert RULES.component_of("m/other", UNKNOWN, company) is Component.DATA


@pytest.mark.parametrize(
    ("path", "says", "component"),
    [
        ("foo", Says.MODEL, "weights"),
        ("foo.txt", Says.TENSORS, "weights"),
        ("results/out.dat", Says.TENSORS, "weights"),
        ("data/foo.dat", Says.TENSORS, "data"),
        ("data/foo.dat", Says.MODEL, "weights"),
        ("data/checkpoints/encoder.pt", Says.MODEL, "weights"),
        ("x.npy", Says.ARRAYS, "data"),
        ("frame.pkl", Says.TABLE, "data"),
        ("frame.csv", Says.TABLE, "data"),
        ("net.py", Says.MODEL, "architecture"),
        ("cat.png", Says.MODEL, "data"),
    ],
)
def test_content_goes_before_names(path: str, says: Says, component: str) -> None:
    assert RULES.component_of(path, ContentKind("some", says)) is Component(component)


def test_training_state_is_a_sub_part_of_weights_only() -> None:
    assert RULES.ruling("run/optimizer.pt").state
    assert RULES.ruling("run/odd.name", ContentKind("torch-zip", Says.STATE)).state
    assert not RULES.ruling("run/model.pt").state
    assert not RULES.ruling("optimizer.yaml").state


def test_the_table_of_a_workspace_goes_before_content_and_company() -> None:
    rules = RULES.with_overrides({"data": ["*.pt"], "results": ["m/tokenizer.json"]})
    assert rules.component_of("a.pt", ContentKind("torch-zip", Says.MODEL)) is Component.DATA
    company = Tree("m/model.safetensors m/tokenizer.json")
    assert rules.component_of("m/tokenizer.json", UNKNOWN, company) is Component.RESULTS
    assert rules.ruling("a.pt").rule == "*.pt in [components] of mvc.toml"


TABLES = (
    *components.NAMES.values(),
    *components.PREFIXES.values(),
    *components.LIKELY.values(),
    "model xgb lightgbm-model gbdt catboost optimizer rng_state_ __0_ d ab3f img_ vocab 100k Model - _ '",
)
WORDS = st.sampled_from(["", *(w.strip("*") for row in TABLES for w in row.split())])
ENDS = st.sampled_from(
    sorted({
        *components.SUFFIXES[Component.DATA].split(), *components.SUFFIXES[Component.RESULTS].split(),
        *components.WEIGHTS_SUFFIXES.split(), *components.SUFFIXES[Component.HYPERPARAMETERS].split(),
        ".xml", ".meta", ".tiktoken", ".pt-10", ".data-00000-of-00001", ".onnx_data_1", ".unknown", ".tar.gz",
    })
)  # fmt: skip
PLACES = st.sampled_from(["", "data/", "runs/7/d/", "config/", "checkpoints/", "m/", "src/data/"])
BESIDE = "m/model.pt m/tokenizer.json m/net.xml 0.safetensors checkpoints/model.onnx data/0.index"


@given(WORDS, ENDS, PLACES, st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_number_in_a_name_decides_nothing(
    word: str, end: str, place: str, one: int, other: int
) -> None:
    """Where `numbered` says so; and one that no shortcut was taken for is decided as any."""
    first, second = f"{place}{word}{one:06d}{end}", f"{place}{word}{other}{end}"
    beside = Tree(f"{BESIDE} {first} {second}")
    if numbered(first) is None:
        assert end.count(".") > 1 or end in (".xml", ".meta", ".param") or "." in word
        return
    assert numbered(first) == numbered(second)
    for company in (ALONE, beside):
        truth = [RULES._decide(path, UNKNOWN, company)[0] for path in (first, second)]
        assert truth == [RULES.component_of(path, UNKNOWN, company) for path in (first, second)]
        assert truth[0] is truth[1]


@given(WORDS, ENDS, st.sampled_from(["", "7", "-best_3", ".pt", ".onnx"]))
def test_names_of_checkpoints_are_told_without_the_pattern(word: str, end: str, more: str) -> None:
    name = f"{word}{more}{end}".lower()
    stem, dot, suffix = name.rpartition(".")
    truth = re.fullmatch(components.WEIGHTS_PATTERN, name, re.VERBOSE) is not None
    assert components._is_checkpoint(name, stem, dot + suffix) is truth
