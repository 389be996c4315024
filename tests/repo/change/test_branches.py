"""Branches and tags: names that move only on purpose."""

from __future__ import annotations

import pytest

from mvcd.errors import Conflict, Failure, UsageError
from mvcd.store.api import RefUpdate
from tests.support.workspace import Bench

BAD_NAMES = (
    "", "HEAD", "v12", "@", " a", "a ", "-a", ".a", "a..b", "a//b", "a/", "/a", "a.lock", "a.", "a" * 201,
    "ä" * 101, "0" * 64, "a\n", "a\u200bb", "a\u202eb", "@{1}", "a%00", "a%2F%2Fb", "%76%31", "tags/",
    "heads/a..b",
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
        with pytest.raises(UsageError) as caught:
            verb()
        assert caught.value.cause, "it says which rule"
    assert bench.repo._core.store.refs() == refs


STRANGE = (
    "v1",
    "HEAD",
    "@prod",
    "0" * 64,
    "heads/main",
    "x y",
    "été",
    "feature/#12",
    "model@v1",
    "a~1",
    "a:b",
)


@pytest.mark.parametrize("name", STRANGE)
def test_names_of_others_are_made_and_found_by_what_is_shown_of_them(
    bench: Bench, name: str
) -> None:
    bench.save({"a": "1"})
    bench.save({"a": "2"})
    context = bench.context()
    bench.repo.create_tag(f"tags/{name}", "v1", context=context)
    bench.repo.create_branch(f"heads/{name}", "v1", context=context)
    refs = bench.repo._core.store.refs()
    assert {f"tags/{name}", f"heads/{name}"} <= refs.keys()
    (tag,) = bench.repo.tags()
    branch = next(b for b in bench.repo.branches() if b.name == name)
    first = bench.repo.resolve("v1") if name != "v1" else tag.version
    assert (tag.name, bench.repo.resolve(tag.rev), bench.repo.resolve(branch.rev)) == (
        name,
        first,
        first,
    )
    assert tag.rev.startswith("tags/"), "the short form is the branch's"
    shown = bench.repo.show(first.hex()).refs
    assert {f"tag: {tag.rev}", branch.rev} <= set(shown)
    bench.repo.switch(branch.rev, context=context)
    assert (bench.repo.head.branch, bench.repo.head.number) == (name, 1)
    bench.repo.switch("main", context=context)
    bench.repo.checkout(branch.rev, context=context)
    assert bench.repo.head.branch == name
    bench.repo.rename_branch(branch.rev, "plain", context=context)
    bench.repo.rename_branch("plain", branch.rev, context=context)
    bench.repo.switch("main", context=context)
    bench.repo.delete_branch(branch.rev, context=context)
    bench.repo.delete_tag(tag.rev, context=context)
    assert set(bench.repo._core.store.refs("tags/")) | set(
        bench.repo._core.store.refs("heads/")
    ) == {"heads/main"}


def test_v1_is_version_1_and_whoever_may_have_meant_the_tag_is_told(bench: Bench) -> None:
    first = bench.save({"a": "1"}).version
    second = bench.save({"a": "2"}).version
    with pytest.raises(UsageError, match="'v1' alone cannot name a tag") as caught:
        bench.repo.create_tag("v1", context=bench.context())
    assert (caught.value.help or "").startswith("mvc tag tags/v1 ")
    bench.repo.create_tag("tags/v1", context=bench.context())
    bench.repo.create_tag("tags/v9", context=bench.context())
    warnings = bench.repo._core.monitor.warnings
    assert (bench.repo.resolve("tags/v1"), warnings) == (second, [])
    assert bench.repo.resolve("v1") == first
    assert warnings == ["v1 is not the tag of that name, which is written tags/v1"]
    with pytest.raises(Failure, match="no version is named 'v9'") as unknown:
        bench.repo.resolve("v9")
    assert "there is a tag of that name, which is written tags/v9" in (unknown.value.cause or "")


def test_a_tag_of_an_older_release_that_has_the_long_form_as_its_name_can_go(bench: Bench) -> None:
    id = bench.save({"a": "1"}).version
    store = bench.repo._core.store
    store.update_refs([RefUpdate("tags/tags/old", None, bytes(id))])
    assert bench.repo.resolve("tags/old") == id
    bench.repo.delete_tag("tags/old", context=bench.context())
    assert store.refs("tags/") == {}


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
