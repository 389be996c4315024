"""Names of versions: what each form means, what is ambiguous, what is nothing."""

from __future__ import annotations

import pytest

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.records.revisions import split_path
from tests.support.workspace import Bench

MINUTE_US = 60_000_000


@pytest.fixture
def line(bench: Bench) -> list[VersionId]:
    """Five versions on main, v1 to v5; index 0 is v0."""
    return [EMPTY_ID, *(bench.save({"a": str(n)}).version for n in range(1, 6))]


def refused(bench: Bench, rev: str) -> str:
    with pytest.raises(Failure) as caught:
        bench.repo.resolve(rev)
    return caught.value.kind


@pytest.mark.parametrize(
    ("rev", "number"),
    [
        ("HEAD", 5), ("@", 5), ("main", 5), ("heads/main", 5), (" main ", 5), ("v3", 3), ("v0", 0),
        ("HEAD~", 4), ("HEAD~2", 3), ("main^", 4), ("main^^", 3), ("main^0", 5), ("v4~1^", 2),
        ("@~5", 0), ("first", 1), ("tags/first", 1), ("first~1", 0), ("~1", 4),
    ],
)  # fmt: skip
def test_forms(bench: Bench, line: list[VersionId], rev: str, number: int) -> None:
    bench.repo.create_tag("first", "v1", context=bench.context())
    assert bench.repo.resolve(rev) == line[number]


@pytest.mark.parametrize(
    "rev", ["HEAD~6", "v6", "nothing", "main^2", "main@{99}", "abcdef", "main@{yesterday}", "v1@{1}", "x y"]
)  # fmt: skip
def test_what_names_nothing(bench: Bench, line: list[VersionId], rev: str) -> None:
    assert refused(bench, rev) == "unknown-revision"


def test_a_misspelt_branch_is_suggested(bench: Bench, line: list[VersionId]) -> None:
    bench.repo.create_branch("experiment", context=bench.context())
    with pytest.raises(Failure) as caught:
        bench.repo.resolve("experimnet")
    assert "experiment" in (caught.value.cause or "")


def test_ids_by_any_unique_prefix(bench: Bench, line: list[VersionId]) -> None:
    for id in line[1:]:
        for digits in (8, 12, 63, 64):
            assert bench.repo.resolve(id.hex()[:digits]) == id
            assert bench.repo.resolve(id.hex()[:digits].upper()) == id
    assert bench.repo.resolve(EMPTY_ID.hex()) == EMPTY_ID
    assert refused(bench, line[1].hex()[:3]) == "unknown-revision"
    assert refused(bench, "0" * 64) == "unknown-revision"


def test_a_prefix_of_two_versions_is_ambiguous(bench: Bench) -> None:
    seen: dict[str, VersionId] = {}
    for n in range(2000):  # 16 bits: a collision is due after about 300
        made = bench.commit(str(n), allow_empty=True) if n else bench.save({"a": "1"})
        prefix = made.version.hex()[:4]
        if prefix in seen:
            assert refused(bench, prefix) == "ambiguous-revision"
            return
        seen[prefix] = made.version
    pytest.fail("no two ids began alike")


def test_a_branch_wins_over_a_tag_and_over_a_prefix(bench: Bench, line: list[VersionId]) -> None:
    bench.repo.create_branch("name", "v1", context=bench.context())
    bench.repo.create_tag("name", "v2", context=bench.context())
    prefix = line[3].hex()[:6]
    bench.repo.create_branch(prefix, "v4", context=bench.context())
    assert bench.repo.resolve("name") == line[1]
    assert bench.repo.resolve("tags/name") == line[2]
    assert bench.repo.resolve(prefix) == line[4]


def test_a_number_is_looked_for_on_heads_line_first(bench: Bench, line: list[VersionId]) -> None:
    bench.checkout("v2")
    other = bench.save({"a": "other"}).version  # v3 of a branch of its own
    assert bench.repo.resolve("v3") == other
    assert bench.repo.resolve("v5") == line[5]
    bench.checkout("v1")
    assert refused(bench, "v3") == "ambiguous-revision"


def test_where_a_branch_stood(bench: Bench) -> None:
    """Moves are told by the operation log; the bench's clock goes one minute a step."""
    ids, times = [], []
    for n in range(4):
        ids.append(bench.save({"a": str(n)}).version)
        times.append(bench.now_us())
    bench.repo._core.clock = lambda: bench.now_us() * 1000
    assert [bench.repo.resolve(f"main@{{{n}}}") for n in range(4)] == ids[::-1]
    for id, time_us in zip(ids, times, strict=True):
        age = (bench.now_us() - time_us) // 1_000_000
        assert bench.repo.resolve(f"main@{{{age}s}}") == id
        assert bench.repo.resolve(f"main@{{{age // 60}m}}") == id
    bench.checkout("v2")
    assert bench.repo.resolve("HEAD@{0}") == ids[1]
    assert bench.repo.resolve("HEAD@{1}") == ids[3]
    assert bench.repo.resolve("@{1}~1") == ids[2]
    assert bench.repo.resolve("main@{0}") == ids[3]
    bench.repo.undo(context=bench.context())
    assert bench.repo.resolve("HEAD@{1}") == ids[1]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("v3", ("v3", None)), ("v3:a/b", ("v3", "a/b")), (":a", ("HEAD", "a")), ("v3:", ("v3", "")),
        ("main@{2026-11-01T10:30}", ("main@{2026-11-01T10:30}", None)), ("", ("", None)),
        ("main@{2026-11-01T10:30}:a:b", ("main@{2026-11-01T10:30}", "a:b")), ("v3:a{b:c", ("v3", "a{b:c")),
        ("}:a", ("}", "a")),
    ],
)  # fmt: skip
def test_a_path_follows_the_first_colon(text: str, parts: tuple[str, str | None]) -> None:
    assert split_path(text) == parts
