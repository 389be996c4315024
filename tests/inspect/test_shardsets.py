"""Tables in shards: which files are one, and what is said of them, as Hugging Face's datasets reads them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect import shardsets
from mvcd.inspect.shardsets import ShardSet, by_member, may_be_shard, problem_of, shard_sets
from mvcd.inspect.tables import read_shards

DATA = Path(__file__).parent / "data" / "datasets"
ANSWERS = json.loads((DATA / "datasets.json").read_text())


def found(*paths: str, **files: bytes) -> dict[str, ShardSet]:
    return shard_sets(paths, lambda path: files.get(path.rpartition("/")[2].partition(".")[0]))


def saved(kind: str) -> dict[str, ShardSet]:
    paths = [
        path.relative_to(DATA).as_posix() for path in (DATA / kind).rglob("*") if path.is_file()
    ]
    return shard_sets(paths, lambda path: (DATA / path).read_bytes())


@pytest.mark.parametrize("path", sorted(ANSWERS))
def test_a_saved_dataset_is_what_datasets_loads(path: str) -> None:
    each = saved(path.partition("/")[0])[path]
    assert problem_of(each) is None
    table = read_shards(
        [(p, io.BytesIO((DATA / p).read_bytes())) for p in each.members], summaries=True
    )
    rows, columns, numbers = ANSWERS[path]
    assert (table.rows, [column.name for column in table.columns]) == (rows, columns)
    for name, (low, high, mean) in numbers.items():
        summary = table.summaries[name]
        assert (summary.min, summary.max, summary.missing) == (low, high, 0)
        assert summary.mean == pytest.approx(mean, rel=1e-12)
    assert table.summaries["text"].distinct == rows


def test_what_was_left_behind_is_no_part_of_a_dataset() -> None:
    sets = saved("again")
    assert sorted(sets) == ["again/test", "again/train", "again/train/data-*.arrow"]
    left = sets["again/train/data-*.arrow"]
    assert len(left.members) == 3 and "state.json does not list" in (problem_of(left) or "")
    assert len(sets["again/train"].members) == 2


def test_numbered_files_are_one_table() -> None:
    sets = found(
        "d/train-00000-of-00002.parquet", "d/train-00001-of-00002.parquet", "d/test-00000-of-00001.parquet",
        "d/x-00000-of-00002-0123456789abcdef.csv", "d/x-00001-of-00002-fedcba9876543210.csv",
        "00000-of-00001.jsonl",
        "d/train.csv", "d/train-2.csv", "model-00001-of-00002.safetensors",
    )  # fmt: skip
    assert {path: len(each.members) for path, each in sets.items()} == {
        "d/train-*.parquet": 2, "d/test-*.parquet": 1, "d/x-*.csv": 2, "*.jsonl": 1,
    }  # fmt: skip
    assert not any(map(problem_of, sets.values()))


def test_missing_shards_are_counted() -> None:
    (some,) = found("a/t-00001-of-00003.csv", "a/t-00002-of-00003.csv").values()
    assert problem_of(some) == "1 of 3 shards are missing"
    state = json.dumps({"_data_files": [{"filename": "a.arrow"}, {"filename": "b.arrow"}]}).encode()
    (listed,) = found("a/state.json", "a/b.arrow", state=state).values()
    assert (listed.path, listed.members, listed.missing) == ("a", ("a/b.arrow",), 1)


def test_two_numberings_are_two_tables() -> None:
    counts = ((0, 1), (0, 2), (1, 2))
    sets = found(*(f"a/t-{number:05}-of-{count:05}.csv" for number, count in counts))
    assert sorted(sets) == ["a/t-*-of-00001.csv", "a/t-*-of-00002.csv"]


@pytest.mark.parametrize(
    "state",
    [
        b"", b"[]", b"{", b"[" * 100_000, b'{"_data_files": 1}',
        b'{"_data_files": [{"filename": "../x.arrow"}]}',
        b'{"_data_files": [{"filename": 3}]}', b'{"_data_files": []}', b'{"_data_files": ["x.arrow"]}',
        b'{"_data_files": [{"filename": "x.arrow"}, {"filename": "x.arrow"}]}', b"\xff",
    ],
)  # fmt: skip
def test_states_that_say_nothing(state: bytes) -> None:
    """Then names count the shards, as of other files."""
    (each,) = found("a/state.json", "a/x-00000-of-00001.arrow", "a/x.arrow", state=state).values()
    assert each == ShardSet("a/x-*.arrow", ("a/x-00000-of-00001.arrow",))


def test_a_state_that_is_too_long_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shardsets, "MAX_STATE_BYTES", 20)
    state = json.dumps({"_data_files": [{"filename": "x.arrow"}]}).encode()
    assert not found("a/state.json", "a/x.arrow", state=state)


names = st.sampled_from(["a", "b/c", "b"]).flatmap(
    lambda directory: st.builds(
        lambda stem, n, m, end: f"{directory}/{stem}{n:05}-of-{m:05}.{end}",
        st.sampled_from(["", "x-", "y-"]), st.integers(0, 4), st.integers(0, 4),
        st.sampled_from(["csv", "arrow", "bin"]),
    )
)  # fmt: skip


@given(st.sets(names))
def test_a_file_is_in_one_table_at_most(paths: set[str]) -> None:
    sets = found(*paths)
    members = [path for each in sets.values() for path in each.members]
    assert len(set(members)) == len(members) and set(members) <= paths
    assert all(may_be_shard(path) for path in members)
    assert by_member(sets).keys() == set(members)
    for path, each in sets.items():
        assert each.path == path and path not in paths and each.missing >= 0
