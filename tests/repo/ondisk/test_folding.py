"""File systems that take two names for one: real ones through FUSE, and a disk that only says it is one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.errors import Conflict, Failure
from mvcd.repo.core.core import no_secret
from mvcd.repo.joining.threeway import Choices
from mvcd.repo.ondisk import folding
from tests.support.engine import Repository
from tests.support.folding import folded, mounted
from tests.support.workspace import Bench, files_of

UPPER, LOWER = "README.txt", "readme.txt"
ONE, OTHER = "caf\u00e9.txt", "cafe\u0301.txt"  # composed, decomposed


@pytest.fixture(params=("said", "case", "form"))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(kind: str, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory on such a file system."""
    if kind == "said":
        monkeypatch.setattr(folding, "one_file", _said)
        (scratch / "said").mkdir()
        yield scratch / "said"
        return
    with mounted(kind, scratch) as directory:
        yield directory


@pytest.fixture
def folds(place: Path, scratch: Path) -> Iterator[Bench]:
    """An empty workspace there, its store on another disk."""
    with Bench(place / "w", store=scratch / "s") as bench:
        yield bench


def _said(directory: str, a: str, b: str) -> bool:
    return folded(a, "case") == folded(b, "case")


@pytest.fixture
def names(kind: str) -> tuple[str, str]:
    """Two names that are one there."""
    return (ONE, OTHER) if kind == "form" else (LOWER, UPPER)


def respell(bench: Bench, old: str, new: str) -> None:
    os.rename(bench.path(old), bench.path(new))


def test_a_file_spelled_anew_is_there_in_every_version(
    folds: Bench, names: tuple[str, str]
) -> None:
    one, other = names
    folds.save({one: "text", "b": "1"})
    respell(folds, one, other)
    folds.save({"b": "2"})
    assert [p.path for p in folds.repo.ls("v2")] == [*sorted(["b", other])]
    for rev, spelled in (("v1", one), ("main", other), ("v1", one)):
        folds.checkout(rev)
        assert folds.files() == {spelled: b"text", "b": rev.replace("main", "v2")[1:].encode()}
    folds.repo.undo(context=folds.context())
    assert folds.files() == {other: b"text", "b": b"2"}
    assert folds.repo.status().clean


def test_a_file_spelled_anew_and_edited_is_written_without_force(
    folds: Bench, names: tuple[str, str]
) -> None:
    one, other = names
    folds.save({one: "first"})
    respell(folds, one, other)
    folds.save({other: "second"})
    folds.checkout("v1")
    assert folds.files() == {one: b"first"}
    folds.repo.switch("main", context=folds.context())
    assert folds.files() == {other: b"second"}
    folds.repo.rollback("v1", context=folds.context())
    assert folds.files() == {one: b"first"}


def test_a_directory_is_spelled_anew_with_what_no_version_has(
    folds: Bench, names: tuple[str, str]
) -> None:
    one, other = names
    folds.save({f"{one}/x": "1", f"{one}/In/y": "1", f"{one}/z": "1", ".mvcignore": "*.log\n"})
    respell(folds, one, other)
    folds.remove(f"{other}/z")
    folds.save({f"{other}/x": "2"})
    folds.write({f"{other}/run.log": "mine"})
    ignored = {".mvcignore": b"*.log\n"}
    folds.checkout("v1")
    first = {f"{one}/x": b"1", f"{one}/In/y": b"1", f"{one}/z": b"1", f"{one}/run.log": b"mine"}
    assert folds.files() == ignored | first
    folds.checkout("main")
    second = {f"{other}/x": b"2", f"{other}/In/y": b"1", f"{other}/run.log": b"mine"}
    assert folds.files() == ignored | second
    assert folds.repo.status().clean


def test_a_file_becomes_a_directory_of_another_spelling(
    folds: Bench, names: tuple[str, str]
) -> None:
    one, other = names
    folds.save({one: "a file", "b": "1"})
    folds.remove(one)
    folds.save({f"{other}/w": "weights"})
    folds.checkout("v1")
    assert folds.files() == {one: b"a file", "b": b"1"}
    folds.checkout("main")
    assert folds.files() == {f"{other}/w": b"weights", "b": b"1"}


def test_pull_and_merge_spell_anew(place: Path, names: tuple[str, str], scratch: Path) -> None:
    one, other = names
    with Bench(scratch / "theirs") as theirs:
        theirs.save({one: "first", "b": "1"})
        place = place / "clone"
        mine, _ = Repository.clone(
            str(theirs.root), str(place), context=theirs.context(), secret=no_secret
        )
        with mine:
            os.rename(theirs.path(one), theirs.path(other))
            theirs.save({other: "second"})
            mine.pull(context=theirs.context())
            assert (place / other).read_bytes() == b"second"
            assert sorted(os.listdir(place)) == sorted([".mvc", other, "b"])
            os.rename(theirs.path(other), theirs.path(one))
            theirs.save({one: "third"})
            (place / "b").write_bytes(b"2")
            mine.commit("b", context=theirs.context())
            mine.fetch()
            merged = mine.merge("origin/main", Choices(), context=theirs.context())
            assert merged.commit is not None
            assert (place / one).read_bytes() == b"third"
            assert sorted(os.listdir(place)) == sorted([".mvc", one, "b"])


def test_twins_are_refused_and_named(place: Path, names: tuple[str, str], scratch: Path) -> None:
    one, other = names
    with Bench(scratch / "theirs") as theirs:
        theirs.save({one: "1", "a": "1"})
        theirs.save({other: "2", "a": "2"})
        place = place / "clone"
        with pytest.raises(Failure) as caught:
            Repository.clone(
                str(theirs.root), str(place), context=theirs.context(), secret=no_secret
            )
        assert caught.value.kind == "case-twins"
        assert one in str(caught.value)
        assert other in str(caught.value)
        assert os.listdir(place) == [".mvc"]


def test_a_twin_that_only_one_version_has_is_refused_too(
    place: Path, names: tuple[str, str], scratch: Path
) -> None:
    """`README` is as it was in both versions, so only `readme` would be written."""
    one, other = names
    with Bench(scratch / "theirs") as theirs:
        theirs.save({one: "1"})
        place = place / "clone"
        mine, _ = Repository.clone(
            str(theirs.root), str(place), context=theirs.context(), secret=no_secret
        )
        with mine:
            theirs.save({other: "2"})
            with pytest.raises(Failure, match="would be the same file here"):
                mine.pull(context=theirs.context())
        assert (place / one).read_bytes() == b"1"


def test_twin_directories_are_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.save({"a": "1"})
    bench.save({"Data/x": "upper", "data/y": "lower"})
    bench.checkout("v1")
    monkeypatch.setattr(folding, "one_file", _said)
    bench.reopen()
    with pytest.raises(Failure) as caught:
        bench.checkout("main")
    assert caught.value.kind == "case-twins"
    assert bench.files() == {"a": b"1"}
    assert bench.repo.head.number == 1


def test_what_no_version_has_is_not_overwritten(folds: Bench, names: tuple[str, str]) -> None:
    one, other = names
    folds.save({"b": "1", ".mvcignore": ""})
    folds.save({one: "a version's", "b": "2"})
    folds.checkout("v1")
    folds.write({other: "mine", ".mvcignore": f"{other}\n"})
    folds.commit("ignored")
    for force in (False, True):
        with pytest.raises(Conflict) as caught:
            folds.checkout("main", force=force)
        assert caught.value.kind == "would-overwrite"
        assert other in str(caught.value)
    assert folds.files() == {other: b"mine", "b": b"1", ".mvcignore": f"{other}\n".encode()}


def test_unsaved_work_under_another_spelling_is_kept(folds: Bench, names: tuple[str, str]) -> None:
    one, other = names
    folds.save({one: "1"})
    folds.save({one: "2"})
    respell(folds, one, other)
    folds.write({other: "unsaved"})
    with pytest.raises(Conflict):
        folds.checkout("v1")
    assert folds.files() == {other: b"unsaved"}
    folds.checkout("v1", force=True)
    assert folds.files() == {one: b"1"}
    folds.repo.undo(context=folds.context())
    assert folds.files() == {other: b"unsaved"}
    folds.repo.restore("HEAD", [folds.path(one)], context=folds.context())
    assert folds.files() == {one: b"2"}


def test_a_checkout_that_died_after_the_rename_goes_on(
    folds: Bench, names: tuple[str, str]
) -> None:
    one, other = names
    folds.save({one: "1"})
    respell(folds, one, other)
    folds.save({other: "2"})
    respell(folds, other, one)  # all that the checkout of v1 got to
    folds.checkout("v1")
    assert folds.files() == {one: b"1"}
    assert folds.repo.status().clean


@pytest.mark.parametrize("kind", ["case", "form"])
def test_added_as_the_disk_spells_it(folds: Bench, names: tuple[str, str]) -> None:
    one, other = names
    folds.write({one: "1"})
    assert folds.add(other) == (one,)
    folds.commit()
    respell(folds, one, other)
    assert [c.path for c in folds.repo.status().deleted] == [one]
    folds.add(other)
    folds.commit()
    assert [p.path for p in folds.repo.ls()] == [other]


# -------------------------------------------------------------------- any versions

_NAMES = ("a", "A", "d/a", "D/a", "D/B", "d/b", "\u00e9", "e\u0301", "d", "D")


def _fit(paths: list[str]) -> bool:
    """Whether one such file system can hold them all."""
    with_parents = {p for path in paths for p in (path, path.rpartition("/")[0])} - {""}
    alike = {folded(p, "case") for p in with_parents}
    return len(alike) == len(with_parents) and not with_parents.intersection(
        path for path in paths if any(p.startswith(path + "/") for p in paths)
    )


trees = st.dictionaries(st.sampled_from(_NAMES), st.sampled_from("12"), max_size=4).filter(
    lambda tree: _fit(list(tree))
)


@given(
    history=st.lists(trees, min_size=2, max_size=4), moves=st.lists(st.integers(0, 3), max_size=4)
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_every_version_comes_back_whole(
    place: Path, scratch: Path, history: list[dict[str, str]], moves: list[int]
) -> None:
    with Bench(Path(tempfile.mkdtemp(dir=scratch))) as bench:
        for tree in history:
            bench.make(dict(tree))
            bench.add()
            bench.commit(allow_empty=True)
        clone = tempfile.mkdtemp(dir=place)
        mine, _ = Repository.clone(
            str(bench.root), clone, context=bench.context(), secret=no_secret
        )
        with mine:
            for at in [*moves, len(history) - 1]:
                number = min(at, len(history) - 1) + 1
                mine.checkout(f"v{number}", context=bench.context())
                found = {p: content.decode() for p, content in files_of(Path(clone)).items()}
                assert found == history[number - 1]
                assert mine.status().clean
