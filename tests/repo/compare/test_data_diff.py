"""What changed in the data, over real repositories."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from mvcd.errors import Failure
from mvcd.inspect.columns import Column
from mvcd.monitor import Silent
from mvcd.repo.compare import data
from mvcd.repo.compare import tablechanges as module
from mvcd.repo.compare.data import DataChange, Overlap, compare_data, summarise_tables
from mvcd.repo.compare.tablechanges import TableChange
from tests.support.workspace import Bench


def compared(bench: Bench, old: str = "v1", new: str | None = "v2") -> DataChange:
    return compare_data(bench.repo.sides(old, new))


def by_path(tables: tuple[TableChange, ...]) -> dict[str, TableChange]:
    return {table.path: table for table in tables}


def test_tables(bench: Bench) -> None:
    bench.save({
        "data/a.csv": "id,x,y\n1,2,3\n", "data/gone.csv": "a\n1\n", "data/same.csv": "a\n1\n",
        "data/l.jsonl": '{"k": 1}\n', "data/broken.jsonl": '{"k": 1}\n', "metrics.csv": "loss\n1\n",
    })  # fmt: skip
    bench.remove("data/gone.csv")
    bench.write({
        "data/a.csv": "y,id,z\n1,2,3\n4,5,6\n", "data/new.tsv": "a\tb\n1\t2\n", "data/l.jsonl": '{"k": "v"}\n',
        "data/broken.jsonl": "no", "metrics.csv": "loss\n2\n",
    })  # fmt: skip
    unsaved = compared(bench, "v1", None)
    bench.commit()
    found = compared(bench)
    assert found == unsaved
    tables = by_path(found.tables)
    assert list(tables) == [
        "data/a.csv", "data/broken.jsonl", "data/gone.csv", "data/l.jsonl", "data/new.tsv",
    ]  # fmt: skip
    a = tables["data/a.csv"]
    assert a.old and a.new and (a.old.rows, a.new.rows) == (1, 2)
    assert (a.columns_added, a.columns_removed) == ((Column("z"),), (Column("x"),))
    assert not a.reordered and a.columns_retyped == ()
    assert tables["data/gone.csv"].new is None
    assert tables["data/new.tsv"].old is None
    broken = tables["data/broken.jsonl"].new
    assert broken and broken.problem == "line 1 is no JSON"
    assert not tables["data/broken.jsonl"].reordered
    assert found.rows is None, "a table that cannot be read has no number of rows"
    summarised = by_path(summarise_tables(bench.repo.sides("v1", "v2")))
    (retyped,) = summarised["data/l.jsonl"].columns_retyped
    assert [column.type for column in retyped] == ["int", "text"]
    old = summarised["data/a.csv"].old
    assert old and old.summaries["x"].mean == 2


def test_columns_in_another_order(bench: Bench) -> None:
    bench.save({"data/a.csv": "x,y\n1,2\n"})
    bench.save({"data/a.csv": "y,x\n1,2\n"})
    (table,) = compared(bench).tables
    assert table.reordered
    assert compared(bench).rows == (1, 1)


def test_large_tables_are_read_only_for_summaries(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROW_BYTES", 100)
    bench.save({"data/a.csv": "x\n1\n", "data/b.csv": "x\n" + "1\n" * 100})
    bench.save({"data/a.csv": "x\n1\n2\n", "data/b.csv": "x\n" + "1\n" * 200, "data/c.csv": "x\n"})
    tables = by_path(compared(bench).tables)
    assert [(t.new and t.new.rows) for t in tables.values()] == [2, None, 0]
    assert tables["data/b.csv"].new == module.Table(problem=module.NOT_COUNTED)
    summarised = by_path(summarise_tables(bench.repo.sides("v1", "v2")))
    assert [(t.new and t.new.rows) for t in summarised.values()] == [2, 200, 0]


def test_images_duplicates_and_overlaps(bench: Bench) -> None:
    def images(directory: str, numbers: range, tag: str = "") -> dict[str, bytes | str]:
        return {f"data/{directory}/{n}.png": f"{tag or directory} {n}" for n in numbers}

    bench.save({**images("train/cat", range(5)), **images("train/dog", range(3))})
    bench.remove("data/train/dog/2.png")
    bench.save({
        **images("train/cat", range(5, 9)), **images("test/cat", range(4, 6), "train/cat"),
        "data/train/dog/again.png": "train/cat 1", "data/train/dog/more.png": "train/cat 1",
        "data/train/a.txt": "", "data/test/a.txt": "", "data/val/x.png": "only here",
    })  # fmt: skip
    assert compare_data(bench.repo.sides("v1", "v2")).repeated == 2
    found = compared(bench)
    assert found.images == {
        "data/test/cat": (0, 2), "data/train/cat": (5, 9), "data/train/dog": (3, 4), "data/val": (0, 1),
    }  # fmt: skip
    assert found.duplicates == (
        ("data/train/cat/1.png", "data/train/dog/again.png", "data/train/dog/more.png"),
    )
    assert found.overlaps == (
        Overlap(
            ("train", "test"),
            2,
            (
                ("data/train/cat/4.png", "data/test/cat/4.png"),
                ("data/train/cat/5.png", "data/test/cat/5.png"),
            ),
        ),
    )


def test_no_reading_without_tables(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.save({"data/train/a.bin": "x" * 5000, "model.py": "1"})
    bench.save({"data/test/a.bin": "x" * 5000})
    bench.save({"model.py": "2"})
    fetch, kinds = bench.repo._core.fetch, []
    monkeypatch.setattr(
        bench.repo._core, "fetch", lambda id: kinds.append(id.kind.name) or fetch(id)
    )
    assert compared(bench).overlaps[0].files == 1
    assert "CHUNK" not in kinds
    assert compared(bench, "v2", "v3") == DataChange()


def test_links_are_not_followed(bench: Bench) -> None:
    bench.save({"data/a.csv": "x\n1\n"})
    os.symlink("a.csv", bench.path("data/b.csv"))
    bench.add()
    bench.commit()
    (table,) = compared(bench).tables
    assert table.new == module.Table(problem="a symbolic link")


def test_a_file_that_vanishes_meanwhile_is_named(bench: Bench) -> None:
    bench.save({"data/a.csv": "x\n1\n"})
    bench.write({"data/a.csv": "x\n2\n"})
    sides = bench.repo.sides()
    bench.remove("data/a.csv")
    with pytest.raises(Failure, match=r"data/a.csv is gone"):
        compare_data(sides)


def test_a_renamed_table_has_not_changed(bench: Bench) -> None:
    bench.save({"data/a.csv": "x\n1\n" * 40})
    bench.remove("data/a.csv")
    bench.save({"data/b.csv": "x\n1\n" * 40, "data/c.csv": "x\n"})
    assert [table.path for table in compared(bench).tables] == ["data/c.csv"]


def test_a_monitor_hears_of_tables_that_are_read_whole(bench: Bench) -> None:
    class Ear(Silent):
        total = done = ended = 0

        def begin(
            self, task: str, *, total_bytes: int | None = None, total_items: int | None = None
        ) -> None:
            self.total = total_bytes or 0

        def advance(self, *, bytes_done: int = 0, items_done: int = 0, bytes_new: int = 0) -> None:
            self.done += bytes_done

        def finish(self) -> None:
            self.ended += 1

    bench.save({"data/a.csv": "x\n1\n", "data/b.txt": "1"})
    bench.save({"data/a.csv": "x\n1\n2\n", "data/b.txt": "2"})
    ear = Ear()
    summarise_tables(replace(bench.repo.sides("v1", "v2"), monitor=ear))
    assert (ear.total, ear.done, ear.ended) == (10, 10, 1)
    compare_data(replace(bench.repo.sides("v1", "v2"), monitor=ear))
    assert ear.done == 10


def test_only_new_duplicates_are_told(bench: Bench) -> None:
    """A file that repeats another in both versions is no news, even if it is called otherwise."""
    bench.save({f"data/{n}.png": "same" for n in range(4)})
    bench.remove("data/3.png")
    bench.save({"data/moved.png": "same", "data/other.png": "other"})
    bench.save({"data/twice.png": "other"})
    first, then = (compare_data(bench.repo.sides(a, b)) for a, b in (("v1", "v2"), ("v2", "v3")))
    assert (first.duplicates, first.repeated) == ((), 0)
    assert (then.duplicates, then.repeated) == ((("data/other.png", "data/twice.png"),), 1)


def test_of_too_many_files_only_those_like_changed_ones_are_looked_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changed is told as of few files; what stayed as it was is not looked through."""
    files: dict[str, bytes | str] = {f"train/cat/{n:03}.png": f"cat {n}" for n in range(300)}
    files |= {f"train/dog/{n:03}.png": f"dog {n}" for n in range(20)}
    files |= {"val/cat/a.png": "cat 5", "val/cat/b.png": "alone"}
    bench.save(files)
    bench.save({"train/dog/new.png": "cat 7", "train/cat/new.png": "new", "val/cat/c.png": "cat 9"})
    whole = compare_data(bench.repo.sides("v1", "v2"))
    monkeypatch.setattr(data, "MAX_LISTED_FILES", 100)
    few = compare_data(bench.repo.sides("v1", "v2"))
    assert (whole.unlisted, few.unlisted) == (0, 325)
    assert few.duplicates == whole.duplicates == (("train/cat/007.png", "train/dog/new.png"),)
    assert few.repeated == whole.repeated == 1
    assert whole.images == {"train/cat": (300, 301), "train/dog": (20, 21), "val/cat": (2, 3)}
    assert few.images == {"train/dog": (20, 21), "val/cat": (2, 3)}, (
        "the large class is not counted"
    )
    assert [overlap.files for overlap in whole.overlaps] == [2]
    assert [overlap.examples for overlap in few.overlaps] == [
        (("train/cat/009.png", "val/cat/c.png"),)
    ]
    monkeypatch.setattr(data, "MAX_LISTED_FILES", 0)
    assert compare_data(bench.repo.sides("v1", "v2")).images == {}
