"""Questions over history: conditions, the best, what touched a thing, blame, tables, series."""

from __future__ import annotations

import json

import pytest

from mvcd.errors import ExpressionError, Failure, UsageError
from mvcd.objects.version import Version
from mvcd.repo.history.subject import SubjectKind
from mvcd.repo.records.results import HistoryEntry
from tests.support.workspace import Bench


@pytest.fixture
def runs(bench: Bench) -> Bench:
    """v1..v5 on main, v6 on branch wide from v3; v2 has no metrics."""
    for number, (lr, acc, loss) in enumerate(
        [(0.1, 0.5, 2.0), (0.1, None, None), (0.05, 0.9, 0.4), (0.05, 0.9, 0.3), (0.01, 0.7, 0.2)],
        1,
    ):
        metrics = {} if acc is None else {"val": {"acc": acc}, "loss": loss}
        bench.write(
            {
                "params.yaml": f"opt:\n  lr: {lr}\n",
                "metrics.json": json.dumps(metrics),
                "model.safetensors": tensors(w=1 if number < 4 else 2, b=number),
                "data/d.csv": "x\n1\n" if number > 1 else "x\n",
            }
        )
        bench.add()
        bench.commit(f"run {number}")
    bench.repo.create_branch("wide", "v3", context=bench.context())
    bench.checkout("wide")
    bench.save({"params.yaml": "opt:\n  lr: 1\n", "metrics.json": '{"val": {"acc": 0.8}}'}, "wider")
    bench.checkout("main")
    return bench


def tensors(**bytes_of: int) -> bytes:
    header, body = {}, b""
    for name, byte in bytes_of.items():
        header[name] = {"dtype": "U8", "shape": [64], "data_offsets": [len(body), len(body) + 64]}
        body += bytes([byte]) * 64
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def found(runs: Bench, **question: object) -> list[str]:
    return [e.version.message for e in runs.repo.find(**question)]  # type: ignore[arg-type]


def numbers(entries: list[HistoryEntry]) -> list[int]:
    return [e.version.generation for e in entries]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"where": "val.acc >= 0.9 and opt.lr < 0.1"}, [4, 3]),
        ({"where": "not has val.acc"}, [2]),
        ({"where": "branch = wide", "all_refs": True}, [3, 2, 1, 4]),
        ({"where": "opt.lr = 1", "all_refs": True}, [4]),
        ({"where": "opt.lr = 1 or version = v1", "all_refs": True}, [4, 1]),
        ({"where": "version > v3", "limit": 1}, [5]),
        ({"best": "val.acc"}, [3, 4, 5, 1]),
        ({"best": "loss", "limit": 1}, [5]),
        ({"best": "loss", "limit": 1, "lowest": False}, [1]),
        ({"best": "val.acc", "where": "opt.lr > 0.05"}, [1]),
        ({"touching": "opt.lr"}, [5, 3, 1]),
        ({"touching": "val.acc"}, [5, 3, 2, 1]),
        ({"touching": "w"}, [4, 1]),
        ({"touching": "b"}, [5, 4, 3, 2, 1]),
        ({"touching": "model.safetensors:w"}, [4, 1]),
        ({"touching": "data"}, [2, 1]),
        ({"touching": "data/d.csv", "where": "version > 1"}, [2]),
    ],
)
def test_versions_are_found(runs: Bench, question: dict[str, object], expected: list[int]) -> None:
    entries = list(runs.repo.find(**question))  # type: ignore[arg-type]
    assert sorted(numbers(entries)) == sorted(expected)
    if "all_refs" not in question:
        assert numbers(entries) == expected


def test_an_unknown_key_is_an_error_with_the_nearest_one(runs: Bench) -> None:
    with pytest.raises(ExpressionError) as caught:
        found(runs, where="opt.lr < 0 and val.ac > 2")
    assert (caught.value.kind, caught.value.start, caught.value.length) == ("unknown-key", 15, 6)
    assert "val.acc" in (caught.value.help or "")
    with pytest.raises(ExpressionError, match="no version has 'acc'") as caught:
        found(runs, best="acc")
    assert "val.acc" in (caught.value.help or "")


def test_a_key_hidden_by_and_is_no_error(runs: Bench) -> None:
    assert found(runs, where="opt.lr < 0 and val.acc > 2") == []


def test_a_metric_of_unknown_direction_asks(runs: Bench) -> None:
    runs.save({"metrics.json": '{"margin": 3}'})
    with pytest.raises(UsageError, match="is more of margin better"):
        found(runs, best="margin")
    assert len(found(runs, best="margin", lowest=True)) == 1
    runs.write({"mvc.toml": '[metrics]\nhigher = ["margin"]\n'})
    assert len(found(runs, best="margin")) == 1


@pytest.mark.parametrize(
    ("name", "kind", "number", "old", "new"),
    [
        ("opt.lr", SubjectKind.HYPERPARAMETER, 5, 0.05, 0.01),
        ("val.acc", SubjectKind.METRIC, 5, 0.9, 0.7),
        ("metrics.val.acc", SubjectKind.METRIC, 5, 0.9, 0.7),
        ("w", SubjectKind.TENSOR, 4, "U8 [64]", "U8 [64]"),
        ("model.safetensors:w", SubjectKind.TENSOR, 4, "U8 [64]", "U8 [64]"),
        ("data/d.csv", SubjectKind.PATH, 2, "2 B", "4 B"),
        ("data", SubjectKind.PATH, 2, "1 file,", "1 file,"),
    ],
)
def test_blame(
    runs: Bench, name: str, kind: SubjectKind, number: int, old: object, new: object
) -> None:
    blame = runs.repo.blame(name)
    assert (blame.kind, blame.entry.version.generation) == (kind, number)
    assert blame.unchanged == 5 - number
    for shown, expected in ((blame.old, old), (blame.new, new)):
        assert expected in shown if isinstance(expected, str) else expected == shown  # type: ignore[operator]


def test_blame_of_what_was_there_from_the_start_and_of_what_went(runs: Bench) -> None:
    first = runs.repo.blame("opt.lr", "v2")
    assert (first.entry.version.generation, first.old, first.new) == (1, None, 0.1)
    runs.remove("data/d.csv")
    runs.commit("less data")
    gone = runs.repo.blame("data/d.csv")
    assert (gone.entry.version.message, gone.new) == ("less data", None)
    with pytest.raises(Failure, match="never had") as caught:
        runs.repo.blame("opt.lrr")
    assert "opt.lr" in (caught.value.help or "")
    runs.save({"model.safetensors": tensors(encoder_weight=1)})
    with pytest.raises(Failure, match="never had") as caught:
        runs.repo.blame("encoder_wieght")
    assert caught.value.help == "did you mean encoder_weight?"


def test_a_table_of_versions(runs: Bench) -> None:
    table = runs.repo.tabulate(["v1", "v3..HEAD", "wide"])
    assert [r.version.message for r in table.rows] == ["run 1", "run 5", "run 4", "wider"]
    assert [(c.key, c.kind.value) for c in table.columns] == [
        ("opt.lr", "hyperparameter"), ("loss", "metric"), ("val.acc", "metric"),
    ]  # fmt: skip
    assert table.rows[-1].cells == (1, None, 0.8)
    alike = runs.repo.tabulate(["v3", "v4"])
    assert ([c.key for c in alike.columns], alike.hidden) == (["loss"], 2)
    assert runs.repo.tabulate(["v3", "v4"], every_column=True).hidden == 0
    assert len(runs.repo.tabulate(["v3"]).columns) == 3


def test_tables_are_sorted_filtered_and_cut(runs: Bench) -> None:
    table = runs.repo.tabulate(all_refs=True, sort="val.acc", reverse=True, columns=["metrics.*"])
    assert [r.cells[1] for r in table.rows] == [0.9, 0.9, 0.8, 0.7, 0.5, None]
    assert [c.key for c in table.columns] == ["loss", "val.acc"]
    some = runs.repo.tabulate(branches=["wide"], where="opt.lr = 0.1", sort="version")
    assert [r.version.generation for r in some.rows] == [1, 2]
    for bad in ({"sort": "lrr"}, {"columns": ["lrr"]}):
        with pytest.raises(ExpressionError, match="no version has 'lrr'"):
            runs.repo.tabulate(["v1", "v2"], **bad)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing to compare"):
        runs.repo.tabulate()


def test_series(runs: Bench) -> None:
    main, wide = runs.repo.series(["val.acc"], ["main", "wide"])
    assert [(p.number, p.value) for p in main.points] == [(1, 0.5), (3, 0.9), (4, 0.9), (5, 0.7)]
    assert [p.number for p in wide.points] == [1, 3, 4]
    with pytest.raises(ExpressionError, match="no version has 'acc'"):
        runs.repo.series(["acc"])


def test_a_merge_is_blamed_only_for_what_it_made(runs: Bench) -> None:
    core = runs.repo._core
    main, wide = core.version(runs.repo.resolve("main")), core.version(runs.repo.resolve("wide"))
    from mvcd.ids import VersionId
    from mvcd.repo.intake.targets import StoreTarget
    from mvcd.store.api import RefUpdate

    merged = Version(
        parents=(runs.repo.resolve("main"), runs.repo.resolve("wide")), generation=6,
        components=main.components, hyperparameters=wide.hyperparameters,
        metrics=main.metrics, tracked=main.tracked,
    )  # fmt: skip
    data = merged.encode()
    id = VersionId.of(data)
    with core.store.session() as session:
        core.rely_on(session, list(merged.parents))
        StoreTarget(core.store, session).put_object(id, data)
        session.commit([RefUpdate("heads/merged", None, bytes(id))])
    assert runs.repo.blame("opt.lr", "merged").entry.version.message == "wider"
    assert runs.repo.blame("val.acc", "merged").entry.version.message == "run 5"
    assert next(runs.repo.find("merged", touching="opt.lr")).id != id


def test_nothing_is_found_where_nothing_is(bench: Bench) -> None:
    assert found(bench, where="lr > 1") == []
    assert found(bench, best="loss") == []
    assert bench.repo.tabulate(all_refs=True).rows == ()
