"""What automatic versions say, from real differences and from every difference that Hypothesis thinks of."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from mvcd.daemon.cells import cells, safe, shorten
from mvcd.daemon.measures import number, ranked
from mvcd.daemon.message import describe
from mvcd.ids import VersionId
from mvcd.inspect.tensors import TensorChanges
from mvcd.objects.version import Component
from mvcd.repo.records.results import Diff, FileChanges, ValueChange
from tests.support.workspace import Bench

WIDTH = 72


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "e")


def described(bench: Bench, *names: str) -> str:
    return describe(bench.repo.diff("HEAD~1", "HEAD"), names)


def tensors(changed: int, count: int = 148) -> bytes:
    return save({f"layer{n}": np.full(4, 1.0 * n + changed * (n < changed)) for n in range(count)})


def changes(**metrics: tuple[object, object]) -> dict[str, ValueChange]:
    return {key: ValueChange(old, new) for key, (old, new) in metrics.items()}  # type: ignore[arg-type]


def words(**metrics: tuple[object, object]) -> list[str | None]:
    return [measure.words(WIDTH) for measure in ranked(changes(**metrics))]


# -------------------------------------------------------------------- what leads


def test_a_checkpoint_leads_with_its_name_its_metrics_and_its_tensors(bench: Bench) -> None:
    before = {"eval_loss": 3.73, "epoch": 1, "train_loss": 2.0}
    after = {"eval_loss": 3.61, "epoch": 2, "eval_runtime": 1.5}
    bench.save({"metrics.json": json.dumps(before), "model.py": "a"})
    bench.save({"metrics.json": json.dumps(after), "model.py": "b",
                "runs/checkpoint-40/model.safetensors": tensors(0),
                "runs/checkpoint-40/optimizer.bin": b"state"})  # fmt: skip
    assert described(bench, "metrics.json", "model.py", "runs/checkpoint-40/").split("\n") == [
        "checkpoint-40: eval_loss 3.61 (-0.12), 148 tensors",
        "",
        "architecture: model.py modified",
        "weights: 2 files added (148 tensors)",
        "metrics: epoch 1 -> 2, eval_loss 3.73 -> 3.61, eval_runtime 1.5 and 1 more",
    ]


def test_tensors_that_changed_are_counted_and_nothing_is_said_twice(bench: Bench) -> None:
    bench.save({"m.safetensors": tensors(0), "metrics.json": '{"val_acc": 0.91, "note": "a"}'})
    bench.save({"m.safetensors": tensors(2), "metrics.json": '{"val_acc": 0.93, "note": "a"}'})
    told = "val_acc 0.93 (+0.02), 2 of 148 tensors"
    assert described(bench, "m.safetensors", "metrics.json") == f"m.safetensors: {told}"
    assert described(bench) == told


def test_what_the_first_line_rounds_stands_in_the_body(bench: Bench) -> None:
    bench.save({"metrics.json": '{"val_acc": 0.911111}'})
    bench.save({"metrics.json": '{"val_acc": 0.933333}'})
    assert described(bench, "metrics.json") == (
        "val_acc 0.9333 (+0.0222)\n\nmetrics: val_acc 0.911111 -> 0.933333"
    )


def test_the_optimizers_tensors_are_not_the_models(bench: Bench) -> None:
    bench.save({"a.py": "a"})
    bench.save({"c/model.safetensors": tensors(0), "c/optimizer.safetensors": tensors(1, 300)})
    assert described(bench, "c/").startswith("c: 148 tensors\n")


def test_what_moved_with_a_rotated_checkpoint_does_not_make_the_new_one_a_change(
    bench: Bench,
) -> None:
    bench.save({"c-1/model.safetensors": tensors(0), "c-1/training_args.bin": b"arguments"})
    bench.remove("c-1/model.safetensors", "c-1/training_args.bin")
    bench.save({"c-2/model.safetensors": tensors(3), "c-2/training_args.bin": b"arguments"})
    assert described(bench, "c-2/").startswith("c-2: 148 tensors\n")


def test_an_older_checkpoint_that_went_does_not_make_the_new_one_a_change(bench: Bench) -> None:
    bench.save({"checkpoint-20/model.safetensors": tensors(0)})
    bench.remove("checkpoint-20/model.safetensors")
    bench.save({"checkpoint-40/model.safetensors": tensors(3)})
    told = described(bench, "checkpoint-20/", "checkpoint-40/")
    assert told.split("\n") == [
        "checkpoint-40: 148 tensors",
        "",
        "weights: 3 of 148 tensors, 1 file added (148 tensors), 1 file deleted",
    ]


@pytest.mark.parametrize(
    ("names", "lead"),
    [
        (["checkpoint-900/", "checkpoint-1000/", "last.pt"], "checkpoint-1000: "),
        (["last.pt", "checkpoint-900/"], "checkpoint-900: "),
        (["best.pt", "last.pt"], ""),
        (["last.pt", "model_e7.pt"], "model_e7.pt: "),
        (["./"], ""),
        (["runs/1/"], "runs/1: "),
        (["deep/er/last.ckpt"], "last.ckpt: "),
        (["parts/*"], "parts: "),
        (["train.log"], ""),
    ],
)
def test_the_set_that_leads(names: list[str], lead: str) -> None:
    added = ["checkpoint-900/m.pt", "checkpoint-1000/m.pt", "last.pt", "best.pt", "model_e7.pt",
             "runs/1/m.pt", "deep/er/last.ckpt", "parts/1.pt", "parts/2.pt"]  # fmt: skip
    diff = difference(weights=FileChanges(added=tuple(added)), metrics=changes(loss=(None, 0.5)))
    first = describe(diff, names).split("\n")[0]
    assert first.startswith(f"{lead}loss 0.5")


# -------------------------------------------------------------------- single small changes


def test_single_changes_are_one_line(bench: Bench) -> None:
    bench.save({"params.yaml": "lr: 0.1", "model.py": "a"})
    bench.save({"weights/b.bin": b"b"})
    assert described(bench, "weights/b.bin") == "weights/b.bin added"
    bench.save({"model.py": "b"})
    assert described(bench, "model.py") == "model.py modified"
    bench.save({"params.yaml": "lr: 0.05"})
    assert described(bench, "params.yaml") == "params.yaml: lr 0.1 -> 0.05"
    bench.save({"c.bin": b"c", "mvc.toml": "# nothing\n"})
    assert described(bench, "c.bin", "mvc.toml") == "c.bin and mvc.toml added"
    bench.remove("c.bin")
    bench.commit()
    assert described(bench, "c.bin") == "c.bin deleted"


def test_files_settings_and_many_values(bench: Bench) -> None:
    bench.save({"params.json": '{"lr": 0.1}', "data/a.csv": "1", "train.py": "a"})
    many = ", ".join(f'"m{n}": {n}' for n in range(6))
    bench.save({"params.json": '{"lr": 0.01}', "data/b.csv": "2", "data/c.csv": "3",
                "train.py": "b", "metrics.json": "{" + many + "}"})  # fmt: skip
    assert described(bench).split("\n") == [
        "m0 0, m1 1, m2 2, params.json: lr 0.1 -> 0.01, train.py modified",
        "",
        "data: 2 files added",
        "metrics: m0 0, m1 1, m2 2 and 3 more",
    ]


def test_deletions_lead_only_what_is_nothing_else(bench: Bench) -> None:
    bench.save({"a/1.bin": b"1", "a/2.bin": b"2", "b.py": "b", "metrics.json": '{"loss": 1}'})
    bench.remove("a/1.bin", "a/2.bin")
    bench.save({"b.py": "c"})
    assert described(bench, "a/", "b.py") == "b.py modified, a/1.bin and a/2.bin deleted"
    bench.remove("metrics.json")
    bench.save({"z.md": "z"})
    assert described(bench).split("\n")[0] == "z.md added, metrics.json deleted"
    bench.save({"params.yaml": "lr: 1\nseed: 2\n"})
    bench.save({"params.yaml": "lr: 1\n", "z.md": "y"})
    assert described(bench) == "z.md modified, params.yaml: seed 2 -> gone"
    bench.remove("z.md")
    bench.save({"w/1.bin": b"3", "w/2.bin": b"4"})
    bench.remove("w/1.bin", "w/2.bin")
    bench.commit()
    assert described(bench, "w/") == "w: 1.bin and 2.bin deleted\n\nweights: 2 files deleted"


def test_what_is_not_here_is_not_made_up() -> None:
    assert describe(difference(weights=FileChanges(listed=False))) == "weights changed"
    gone = changes(note=("a", None))
    told = describe(difference(results=FileChanges(modified=("metrics.json",)), metrics=gone))
    assert told == "metrics.json: note a -> gone"
    unread = difference(weights=FileChanges(modified=("m.pt",)), absent=("m.pt",))
    assert describe(unread, ["m.pt"]) == "m.pt modified"
    assert describe(difference()) == "no change"


# -------------------------------------------------------------------- metrics and numbers


def test_the_order_of_metrics() -> None:
    told = words(
        train_loss=(0.4, 0.3), epoch=(1, 2), f1=(0.5, 0.6), test_f1=(0.5, 0.7), val_acc=(0.8, 0.9),
        val_loss=(2.0, 1.0),
        **{"lr-AdamW": (0.1, 0.01), "eval/samples_per_second": (9.0, 8.0), "norm": (None, 1.5)},
    )  # fmt: skip
    assert told == [
        "val_loss 1 (-1)", "val_acc 0.9 (+0.1)", "test_f1 0.7 (+0.2)", "f1 0.6 (+0.1)", "train_loss 0.3 (-0.1)",
        "norm 1.5",
    ]  # fmt: skip
    assert words(epoch=(1, 2), step=(10, 20)) == ["epoch 2", "step 20"]
    assert words(val_loss_epoch=(2.0, 1.0)) == ["val_loss_epoch 1 (-1)"]


def test_a_metric_whose_difference_has_no_room_waits_for_the_body() -> None:
    metrics = changes(eval_loss=(3.59231, 3.43846), eval_accuracy=(0.6, 0.65))
    diff = difference(weights=FileChanges(added=("checkpoint-60/m.pt",)), metrics=metrics,
                      came={"checkpoint-60/m.pt": 148})  # fmt: skip
    first, _, *body = describe(diff, ["checkpoint-60/"]).split("\n")
    assert first == "checkpoint-60: eval_loss 3.438 (-0.154), 148 tensors"
    assert body[1] == "metrics: eval_loss 3.59231 -> 3.43846, eval_accuracy 0.6 -> 0.65"
    long = {"k" * 400: ValueChange(-1.234e-100, -1.235e-100)}
    first = describe(difference(metrics=long)).split("\n")[0]
    assert first == f"{'k' * 16}…{'k' * 15} -1.235e-100 (-1e-103)"


def test_what_became_nan_comes_first() -> None:
    nan = float("nan")
    told = words(val_acc=(0.8, 0.9), train_loss=(0.4, nan), loss=(nan, 0.5), best=(nan, nan))
    assert told == [
        "train_loss NaN (was 0.4)", "val_acc 0.9 (+0.1)", "loss 0.5 (was NaN)", "best NaN (was NaN)",
    ]  # fmt: skip
    assert words(loss=(1e308, -1e308), x_loss=(0.1, float("inf"))) == [
        "x_loss inf (was 0.1)", "loss -1e308",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000123, "0.000123"), (1.2e9, "1.2e9"), (1_200_000_000, "1.2e9"), (1.23456e-7, "1.235e-7"),
        (3.6123, "3.612"), (0.0, "0"), (-0.5, "-0.5"), (1234.56, "1234.6"), (1_234_567, "1234567"),
        (0.99996, "0.99996"), (0.9999999999, "0.9999999999"), (99.9999, "99.9999"), (100.0, "100"),
        (float("-inf"), "-inf"), (5e-324, "4.941e-324"), (-(2**63), "-9.223e18"),
    ],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value, 4) == text


def test_a_metric_of_the_leading_checkpoint_needs_no_path() -> None:
    key = "runs/checkpoint-40/all_results.json:eval_loss"
    diff = difference(
        weights=FileChanges(added=("runs/checkpoint-40/m.bin",)),
        metrics={"eval_loss": ValueChange(3.0, 2.0), key: ValueChange(None, 1.5)},
    )
    first = describe(diff, ["runs/checkpoint-40/"]).split("\n")[0]
    assert first == "checkpoint-40: eval_loss 1.5, m.bin added"


# -------------------------------------------------------------------- bounds


def difference(
    *,
    weights: FileChanges | None = None,
    results: FileChanges | None = None,
    components: dict[Component, FileChanges] | None = None,
    metrics: dict[str, ValueChange] | None = None,
    hyperparameters: dict[str, ValueChange] | None = None,
    tensors: dict[str, TensorChanges] | None = None,
    absent: tuple[str, ...] = (),
    came: dict[str, int] | None = None,
) -> Diff:
    every = {component: FileChanges() for component in Component} | (components or {})
    if weights is not None:
        every[Component.WEIGHTS] = weights
    if results is not None:
        every[Component.RESULTS] = results
    return Diff(
        old=VersionId(bytes(32)), new=None, components=every, metrics=metrics or {},
        hyperparameters=hyperparameters or {}, tensors=tensors or {}, across=None, absent=absent,
        came=came or {},
    )  # fmt: skip


HOSTILE = [
    "a\nb.pt", "\x1b[31mred.bin", "\u202egnp.exe", "x" * 400 + ".pt", "模型" * 90, "e" + "\u0301" * 300,
    "\u200b\u200f", "\ud800", "\U000e0041", " ", "👩\u200d💻" * 40, "runs/" + "y" * 300 + "/1",
]  # fmt: skip
NAMES = st.sampled_from(HOSTILE) | st.text(min_size=1).filter(lambda n: "\0" not in n)
VALUES = (
    st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from(HOSTILE)
)  # fmt: skip
KEYS = st.sampled_from(["val_loss", "epoch", "lr"]) | NAMES
VALUE_CHANGES = st.dictionaries(KEYS, st.builds(ValueChange, VALUES, VALUES), max_size=8)
PATHS = st.lists(NAMES, max_size=4).map(tuple)
FILES = st.builds(
    FileChanges, PATHS, PATHS, PATHS, st.lists(st.tuples(NAMES, NAMES), max_size=2).map(tuple),
    st.booleans(),
)  # fmt: skip


@st.composite
def diffs(draw: st.DrawFn) -> tuple[Diff, list[str]]:
    components = draw(st.dictionaries(st.sampled_from(list(Component)), FILES))
    weights = components.get(Component.WEIGHTS, FileChanges())
    known = {p: TensorChanges(changed=("a",), unchanged=("b",)) for p in weights.modified}
    came = {path: draw(st.integers(1, 10**9)) for path in weights.added}
    diff = difference(
        components=components, metrics=draw(VALUE_CHANGES), hyperparameters=draw(VALUE_CHANGES),
        tensors=known if draw(st.booleans()) else {}, came=came if draw(st.booleans()) else {},
    )  # fmt: skip
    of_sets = [*weights.added, *weights.modified, *(f"{p}/" for p in weights.added), "./", "*"]
    return diff, draw(st.lists(st.sampled_from(of_sets) | NAMES, max_size=5))


@given(diffs())
def test_the_first_line_is_bounded_and_harmless_whatever_the_names(
    given: tuple[Diff, list[str]],
) -> None:
    told = describe(*given)
    first, *body = told.split("\n")
    assert 1 <= cells(first) <= WIDTH
    assert len(first) <= WIDTH
    assert first.strip()
    assert all(cells(line) <= 76 for line in body)
    assert not body or (body[0] == "" and all(line.strip() for line in body[1:]))
    assert len(body) <= 1 + len(Component)
    told.encode()  # no lone surrogates: it goes into a record
    for line in (first, *body):
        assert not {unicodedata.category(c) for c in line} & {"Cc", "Cs", "Zl", "Zp", "Cn"}
        assert not set(line) & set(
            "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        )


@given(NAMES, st.integers(1, 90))
def test_shortening(name: str, room: int) -> None:
    text = safe(name)
    short = shorten(text, room)
    assert cells(short) <= room
    assert (short == text) == (cells(text) <= room)
    if short != text:
        head, _, tail = short.rpartition("…")
        assert text.startswith(head.split("…")[0]) or "…" in text
        assert text.endswith(tail) or "…" in text


def test_long_names_keep_their_ends() -> None:
    assert shorten("checkpoint-of-the-long-run-000123.pt", 21) == "checkpoint…-000123.pt"
    assert shorten("模型模型模型", 7) == "模型…型"
    assert cells("模型") == 4
    assert safe("a\nb\u202ec") == "a\\x0ab\\u202ec"
