"""Branches and tags: names that move only on purpose."""

from __future__ import annotations

import pytest

from mvcd.errors import Conflict, Failure, UsageError
from tests.support.workspace import Bench

BAD_NAMES = (
    "", "HEAD", "v12", "@", "a b", "-a", ".a", "a..b", "a//b", "a/", "a.lock", "a.", "a~1", "a^", "ä",
    "a" * 201, "0" * 64, "a\n", "a:b", "@{1}",
)  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_would_not_be_understood_are_refused_everywhere(bench: Bench, name: str) -> None:
    bench.save({"a": "1"})
    refs = bench.repo._core.store.refs()
    context = bench.context()
    for verb in (
        lambda: bench.repo.create_branch(name, context=context),
        lambda: bench.repo.create_tag(name, context=context),
        lambda: bench.repo.rename_branch("main", name, context=context),
        lambda: bench.repo.switch(name, create=True, context=context),
    ):
        with pytest.raises(UsageError):
            verb()
    assert bench.repo._core.store.refs() == refs


def test_a_branch_lives(bench: Bench) -> None:
    bench.save({"a": "1"})
    made = bench.repo.create_branch("try/one", context=bench.context())
    assert (made.name, made.number, made.current) == ("try/one", 1, False)
    with pytest.raises(Failure) as caught:
        bench.repo.create_branch("try/one", context=bench.context())
    assert caught.value.kind == "branch-exists"
    bench.repo.switch("try/one", context=bench.context())
    bench.save({"a": "2"})
    assert [(b.name, b.number, b.current) for b in bench.repo.branches()] == [
        ("main", 1, False),
        ("try/one", 2, True),
    ]
    renamed = bench.repo.rename_branch("try/one", "one", context=bench.context())
    assert renamed.current
    assert bench.repo.head.branch == "one"
    assert bench.save({"a": "3"}).branch == "one"


def test_the_only_name_of_a_version_is_not_taken_away_by_accident(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.repo.switch("try", create=True, context=bench.context())
    with pytest.raises(Failure) as current:
        bench.repo.delete_branch("try", context=bench.context())
    assert current.value.kind == "current-branch"
    tip = bench.save({"a": "2"}).version
    bench.repo.switch("main", context=bench.context())
    with pytest.raises(Conflict) as unmerged:
        bench.repo.delete_branch("try", context=bench.context())
    assert unmerged.value.kind == "unmerged-branch"
    bench.repo.create_tag("keep", "try", context=bench.context())
    bench.repo.delete_branch("try", context=bench.context())
    assert bench.repo.resolve("keep") == tip
    bench.repo.delete_tag("keep", context=bench.context())
    bench.repo.undo(context=bench.context())
    bench.repo.undo(context=bench.context())
    assert bench.repo.resolve("try") == bench.repo.resolve("keep") == tip


def test_a_tag_never_moves_and_keeps_its_message(bench: Bench) -> None:
    bench.save({"a": "1"})
    made = bench.repo.create_tag("t", context=bench.context(), message="gute Wahl: ä\nzwei")
    assert made.message == "gute Wahl: ä\nzwei"
    bench.save({"a": "2"})
    with pytest.raises(Failure) as caught:
        bench.repo.create_tag("t", context=bench.context())
    assert caught.value.kind == "tag-exists"
    assert bench.repo.tags() == (made,)
    with pytest.raises(Failure) as long:
        bench.repo.create_tag("u", context=bench.context(), message="x" * (17 << 10))
    assert long.value.kind == "too-long"


def test_before_the_first_version_there_is_nothing_to_name(bench: Bench) -> None:
    for verb in (bench.repo.create_branch, bench.repo.create_tag):
        with pytest.raises(Failure) as caught:
            verb("name", context=bench.context())
        assert caught.value.kind == "no-versions"
    bench.repo.switch("trunk", create=True, context=bench.context())
    assert bench.repo.head.branch == "trunk"
    assert bench.save({"a": "1"}).branch == "trunk"
    assert [b.name for b in bench.repo.branches()] == ["trunk"]


@pytest.mark.parametrize("kind", ["branch", "tag"])
def test_unknown_names(bench: Bench, kind: str) -> None:
    bench.save({"a": "1"})
    with pytest.raises(Failure) as caught:
        getattr(bench.repo, f"delete_{kind}")("nothing", context=bench.context())
    assert caught.value.kind == f"unknown-{kind}"
