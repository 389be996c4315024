"""A clone stands where its model stands, and one that was killed anywhere is repeated as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.dying import Moments
from tests.store.children import Child
from tests.support.engine import Repository
from tests.sync.people import Pair

FILES: dict[str, bytes | str] = {
    "model.pt": b"m" * 5000,
    "a/b/c.txt": "1",
    "params.yaml": "lr: 1\n",
}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Pair(tmp_path) as made:
        made.ada.save(FILES)
        made.ada.save({"params.yaml": "lr: 2\n"})
        yield made


def test_a_clone_of_a_workspace_on_an_old_version_brings_that_version(pair: Pair) -> None:
    pair.ada.checkout("v1")
    bob = pair.join(url=str(pair.ada.root))
    assert bob.files() == pair.ada.files()
    assert bob.repo.head == pair.ada.repo.head
    assert bob.repo.status().clean
    assert len(list(bob.repo.history("origin/main"))) == 2
    bob.checkout("main")
    assert (bob.root / "params.yaml").read_text() == "lr: 2\n"


def test_a_version_that_no_branch_has_comes_too(pair: Pair) -> None:
    pair.ada.checkout("v1")
    pair.ada.write({"params.yaml": "lr: 9\n"})
    lost = pair.ada.commit("aside").version
    pair.ada.checkout("main")
    name = next(b.name for b in pair.ada.repo.branches() if b.name != "main")
    pair.ada.checkout(lost.hex())
    pair.ada.repo.delete_branch(name, context=pair.ada.context(), force=True)
    bob = pair.join(url=str(pair.ada.root))
    assert bob.repo.head.version == lost
    assert bob.files() == pair.ada.files()
    assert bob.repo.verify().ok


def test_a_clone_stands_on_the_branch_of_the_workspace(pair: Pair) -> None:
    pair.ada.repo.switch("dev", context=pair.ada.context(), create=True)
    pair.ada.save({"params.yaml": "lr: 3\n"})
    bob = pair.join(url=str(pair.ada.root))
    assert bob.repo.head.branch == "dev"
    assert bob.files() == pair.ada.files()


def test_where_a_workspace_stands_is_no_ref_of_a_remote(pair: Pair) -> None:
    bob = pair.join(url=str(pair.ada.root))
    assert set(bob.repo.remote_refs("origin")) == {"heads/main"}


def finished(target: Path) -> bool:
    """Whether it was killed after all was there: only what says so was not synced, or leases not removed."""
    path = target / ".mvc/config.toml"
    return path.exists() and "unfinished" not in path.read_text()


@pytest.mark.thorough
@pytest.mark.parametrize("detached", [False, True])
def test_a_clone_that_was_killed_anywhere_is_repeated_as_it_stands(
    pair: Pair, scratch: Path, detached: bool
) -> None:
    if detached:
        pair.ada.checkout("v1")
    context, files = pair.ada.context(), pair.ada.files()

    def clone(target: Path) -> None:
        Repository.clone(str(pair.ada.root), str(target), context=context, secret=lambda _: {})[
            0
        ].close()

    step = 1 if not detached else 3
    for fatal in range(1, 400, step):
        target = scratch / f"bob{fatal}"

        def die(report, target=target, fatal=fatal):  # type: ignore[no-untyped-def]
            Moments(fatal, report)
            clone(target)
            report("through")

        _, lines = Child(die).end()
        if lines == ["through"]:
            break
        if not finished(target):
            clone(target)
        with Repository.open(str(target)) as repo:
            assert repo.head.version == pair.ada.repo.head.version
            assert repo.status().clean
        here = {
            p.relative_to(target).as_posix(): p.read_bytes()
            for p in target.rglob("*")
            if p.is_file() and ".mvc" not in p.parts
        }
        assert here == files
    assert fatal > 30
    assert lines == ["through"]
