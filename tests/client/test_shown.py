"""Results in a notebook and in a terminal: short lines, escaped tables, frames; the log as a sequence."""

from __future__ import annotations

import html.parser
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mvc
from mvc.api.log import Log
from mvc.api.shown import MAX_SHOWN_ROWS, Grid, html_table, labels
from tests.support.commandline import FIRST, SECOND, write

pytestmark = pytest.mark.usefixtures("work")
EVIL = "<script>alert('x')</script>\"&"


@pytest.fixture
def repo(work: Path) -> Iterator[mvc.Repo]:
    write(work, FIRST)
    with mvc.Repo.init(work) as made:
        made.add(".")
        made.commit("first\n\nmore of it")
        write(work, SECOND)
        write(work, {"params.yaml": f"lr: 0.05\nepochs: 3\nnote: {json.dumps(EVIL)}\n"})
        made.commit(EVIL)
        yield made
    made.close()


class Tags(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert set(dict(attrs)) <= {"style"}
        self.seen.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(text: str) -> Tags:
    tags = Tags(text)
    assert tags.open == []
    assert set(tags.seen) <= {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    return tags


@given(cells=st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_no_cell_is_markup(cells: list[str]) -> None:
    rows = [cells] * 3
    tags = parsed(html_table(Grid(cells[0], tuple(cells), rows)))
    assert tags.seen.count("td") == 3 * len(cells)


def test_a_long_table_is_cut_and_says_so() -> None:
    grid = Grid("t", ("n",), [(n,) for n in range(MAX_SHOWN_ROWS + 5)])
    tags = parsed(html_table(grid))
    assert tags.seen.count("td") == MAX_SHOWN_ROWS
    assert "and 5 more" in tags.text


def test_each_result_is_one_short_line(repo: mvc.Repo) -> None:
    old, new = repo.show("v1"), repo.show()
    assert repr(old) == f"<mvc.Version v1 {old.id[:10]} 'first'>"
    assert repr(new).startswith(f"<mvc.Version v2 {new.id[:10]} (HEAD -> main) ")
    diff = repo.diff("v1", "v2")
    assert repr(diff) == (
        f"<mvc.Diff {old.id[:10]}..{new.id[:10]}: 4 of 5 parts differ, 2 settings, 2 metrics>"
    )
    assert "..workspace:" in repr(repo.diff())
    (series,) = repo.series("val.accuracy")
    assert repr(series) == "<mvc.Series val.accuracy of HEAD: 2 points, 0.5 to 0.75>"
    assert repr(repo.compare("v1", "v2")).startswith("<mvc.Comparison of 2 versions in ")
    assert repr(repo.log()).splitlines()[1].startswith(f"  v2 {new.id[:10]} ")


def test_each_result_is_a_table(repo: mvc.Repo) -> None:
    (series,) = repo.series("val.accuracy")
    shown = [
        repo.show(), repo.diff("v1", "v2"), repo.compare("v1", "v2"), series, repo.log(),
    ]  # fmt: skip
    for value in shown:
        assert "val.accuracy" in parsed(value._repr_html_()).text
    assert EVIL in parsed(repo.show()._repr_html_()).text


def test_each_result_is_a_frame(repo: mvc.Repo) -> None:
    pandas = pytest.importorskip("pandas")
    old, new = repo.show("v1"), repo.show()
    versions = repo.log().to_pandas()
    assert isinstance(versions, pandas.DataFrame)
    assert list(versions["version"]) == [new.id, old.id]
    assert list(versions["lr"]) == [0.05, 0.1]
    assert list(versions["val.accuracy"]) == [0.75, 0.5]
    assert list(new.to_pandas()["number"]) == [2]
    diff = repo.diff("v1", "v2").to_pandas().set_index(["part", "name"])
    assert tuple(diff.loc[("hyperparameter", "lr")]) == ("changed", 0.1, 0.05)
    assert tuple(diff.loc[("metric", "val.accuracy")]) == ("better", 0.5, 0.75)
    assert diff.loc[("data", "data/more.csv")]["change"] == "added"
    table = repo.compare("v1", "v2").to_pandas()
    assert list(table["number"]) == [r.number for r in repo.compare("v1", "v2").rows]
    (series,) = repo.series("val.accuracy")
    assert list(series.to_pandas()["value"]) == [0.5, 0.75]


def test_without_pandas_the_extra_is_named(repo: mvc.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(mvc.Failure, match="to_pandas needs pandas") as caught:
        repo.show().to_pandas()
    assert (caught.value.kind, caught.value.help) == ("no-pandas", "pip install 'mvcd[pandas]'")


def test_a_name_of_two_kinds_is_told_apart() -> None:
    keys = [("hyperparameter", "epoch"), ("metric", "epoch"), ("metric", "time"), ("metric", "acc")]
    assert list(labels(keys, ["time"]).values()) == [
        "epoch (hyperparameter)", "epoch (metric)", "time (metric)", "acc",
    ]  # fmt: skip


# -------------------------------------------------------------------- the log


def version(number: int) -> mvc.Version:
    return mvc.Version(
        f"{number:064x}", number, (), datetime(2026, 1, 1, tzinfo=UTC), "Ada", f"m{number}",
        "manual", {}, {}, {}, mvc.Provenance(), (),
    )  # fmt: skip


class Counted:
    """A history of `size` versions that counts how many of them were read."""

    def __init__(self, size: int) -> None:
        self.every = [version(number) for number in range(size, 0, -1)]
        self.read = 0

    def __call__(self) -> Iterator[mvc.Version]:
        for each in self.every:
            self.read += 1
            yield each


PLACES = st.integers(-8, 8)


@given(
    size=st.integers(0, 6),
    asked=st.lists(st.one_of(PLACES, st.slices(6), st.none(), st.just("iterate")), max_size=6),
)
def test_the_log_is_the_sequence_that_a_list_is(
    size: int, asked: list[int | slice | str | None]
) -> None:
    source = Counted(size)
    log, model = Log(source), source.every
    for each in asked:
        if isinstance(each, int):
            if -size <= each < size:
                assert log[each] == model[each]
            else:
                with pytest.raises(IndexError):
                    log[each]
        elif isinstance(each, slice):
            assert log[each] == tuple(model[each])
        elif each is None:
            assert (len(log), bool(log)) == (size, bool(model))
        else:
            assert [*iter(log)] == model
    assert list(log) == model == list(log)
    assert list(reversed(log)) == model[::-1]


def test_no_more_is_read_than_was_asked_for() -> None:
    source = Counted(100)
    log = Log(source)
    assert log[0] == log[0] == source.every[0]
    assert log
    assert source.read == 1
    assert log[:10] == tuple(source.every[:10])
    assert len(repr(log).splitlines()) == 7
    assert source.read == 10
    assert next(iter(log)) == source.every[0]
    assert source.read == 11, "an iteration reads anew"
    assert len(list(log)) == len(log) == 100
    assert source.read == 101, "and what was kept is not read again"
    assert repr(Log(Counted(0))) == "<mvc.Log of no versions>"


def test_iterating_keeps_nothing() -> None:
    log = Log(Counted(50))
    assert sum(1 for _ in log) == sum(1 for _ in log) == 50
    assert log._kept == []


def test_a_log_stays_what_it_was(repo: mvc.Repo, work: Path) -> None:
    log, every = repo.log(), repo.log(all_refs=True)
    write(work, {"model.py": "layers = 9\n"})
    repo.commit("third")
    assert [v.number for v in log] == [v.number for v in every] == [2, 1]
    assert [v.number for v in repo.log()] == [3, 2, 1]
