"""Tables in shards on both sides of a comparison, over real repositories."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mvcd.repo.compare import tablechanges
from mvcd.repo.compare.data import compare_data, summarise_tables
from mvcd.repo.compare.tablechanges import TableChange
from mvcd.repo.release import card
from tests.support.workspace import Bench

DATA = Path(__file__).parents[2] / "inspect" / "data" / "datasets"


def save(bench: Bench, kind: str) -> None:
    shutil.rmtree(bench.path("ds"), ignore_errors=True)
    shutil.copytree(DATA / kind, bench.path("ds"))
    bench.add()
    bench.commit()


def tables(bench: Bench, old: str = "v1", new: str | None = "v2") -> dict[str, TableChange]:
    return {table.path: table for table in compare_data(bench.repo.sides(old, new)).tables}


def shard(number: int, count: int, name: str = "data/train") -> str:
    return f"{name}-{number:05}-of-{count:05}.csv"


def test_a_dataset_saved_again(bench: Bench) -> None:
    save(bench, "first")
    save(bench, "again")
    found = compare_data(bench.repo.sides("v1", "v2"))
    (train,) = found.tables
    assert (train.path, train.format, train.shards) == ("ds/train", "arrow", (3, 2))
    assert train.old and train.new and (train.old.rows, train.new.rows) == (60, 45)
    assert [column.name for column in train.columns_added] == ["score"]
    assert set(train.files) >= {"ds/train/state.json", "ds/train/data-00000-of-00002.arrow"}
    assert not found.overlaps, "that both splits have one dataset_info.json is no leak"
    (whole,) = summarise_tables(bench.repo.sides("v1", "v2"))
    assert whole.old and whole.new
    means = [t.summaries["label"].mean for t in (whole.old, whole.new)]
    assert means == [pytest.approx(1), pytest.approx(1)]
    assert (whole.new.summaries["score"].min, whole.new.summaries["score"].max) == (0, 11)
    assert [t.new and t.new.rows for t in summarise_tables(bench.repo.sides("v0", "v1"))] == [
        10,
        60,
    ]


def test_shards_that_came_and_went(bench: Bench) -> None:
    bench.save({shard(n, 2): f"x,y\n{n},1\n" for n in range(2)} | {"data/other.csv": "a\n1\n"})
    bench.save({shard(1, 2): "x,y\n1,1\n5,5\n", shard(0, 1, "data/test"): "x\n1\n"})
    test, train = tables(bench).values()
    assert (test.path, test.old, test.shards) == ("data/test-*.csv", None, (0, 1))
    assert (train.path, train.shards, train.files) == ("data/train-*.csv", (2, 2), (shard(1, 2),))
    assert train.old and train.new and (train.old.rows, train.new.rows) == (2, 3)
    for n in range(2):
        bench.remove(shard(n, 2))
    bench.write({shard(n, 3): f"x,y\n{n},1\n" for n in range(3)})
    assert tables(bench, "v2", None)["data/train-*.csv"].shards == (2, 3)
    bench.commit()
    again = tables(bench, "v2", "v3")["data/train-*.csv"]
    assert again.shards == (2, 3) and again.new and again.new.rows == 3
    back = tables(bench, "v3", "v0")["data/train-*.csv"]
    assert back.new is None and back.shards == (3, 0)


def test_a_shard_that_is_not_there_leaves_rows_unknown(bench: Bench) -> None:
    bench.save({shard(n, 2): f"x,y\n{n},1\n" for n in range(2)})
    bench.remove(shard(0, 2))
    bench.save({"data/note.txt": "1"})
    (train,) = tables(bench).values()
    assert train.new and (train.new.rows, train.new.problem) == (None, "1 of 2 shards are missing")


def test_all_shards_count_for_what_is_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tablechanges, "ROW_BYTES", 100)
    bench.save({shard(n, 4): "x\n" + "1\n" * 10 for n in range(4)})
    bench.save({shard(0, 4): "x\n1\n"})
    (train,) = tables(bench).values()
    assert train.new and train.new.problem == tablechanges.NOT_COUNTED
    (whole,) = summarise_tables(bench.repo.sides("v1", "v2"))
    assert whole.new and whole.new.rows == 31


def test_a_card_has_one_row_for_a_table(bench: Bench) -> None:
    save(bench, "again")
    bench.save({shard(n, 2): f"x,y\n{n},1\n" for n in range(2)} | {"data/one.csv": "x\n1\n"})
    (facts,) = card.facts(bench.repo._core, [bench.repo._core.resolve("HEAD")], tables=True)
    assert [(t.path, t.rows, t.shards) for t in facts.tables] == [
        ("data/one.csv", 1, None), ("data/train-*.csv", 2, 2), ("ds/test", 10, 1), ("ds/train", 45, 2),
        ("ds/train/data-*.arrow", None, 3),
    ]  # fmt: skip
