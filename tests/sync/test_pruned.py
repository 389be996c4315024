"""Pruned versions between repositories: what has no content here or there is told from what is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mvcd.errors import Conflict, Failure, MissingObject, UsageError
from mvcd.ids import VersionId
from mvcd.objects.version import Trigger
from mvcd.repo.core import connecting
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import roots_of
from mvcd.repo.core.remotes import Remote
from mvcd.repo.core.wanted import Wanted
from mvcd.repo.history.whereabouts import Whereabouts
from mvcd.repo.records.pruned import Pruning, encode, marked_by, name_of
from mvcd.repo.records.refs import PRUNED
from mvcd.repo.share import pushing
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.sync.local import LocalPeer
from tests.support.engine import Repository
from tests.sync.people import Pair, Person, noise
from tests.wire.hosts import serving

DAY_US = 24 * 3600 * 1_000_000


def auto(person: Person, number: int) -> VersionId:
    person.write({"model.pt": noise(40_000, number), "same.pt": noise(40_000, 99)})
    person.add()
    return person.commit("saved by itself", trigger=Trigger.AUTO).version


def let_go(person: Person) -> None:
    """Prunes, and collects when the time of grace is over."""
    person.repo.prune(context=person.context())
    later = replace(person.context(), time_us=person.now_us() + 2 * DAY_US)
    person.repo.gc(context=later)


@pytest.fixture
def trained(pair: Pair) -> Pair:
    """Ada has four automatic versions and keeps the newest; nothing is shared yet."""
    pair.ada.write({"mvc.toml": "[retention]\nkeep_last = 1\n"})
    for number in range(4):
        auto(pair.ada, number)
    return pair


def gone(repo: Repository) -> list[int]:
    """Numbers of versions whose content is not here."""
    entries = repo.history(all_refs=True)
    return sorted(e.version.generation for e in entries if e.pruned and not e.pruned.here)


def test_what_was_pruned_before_the_push_is_told_and_no_damage(trained: Pair) -> None:
    let_go(trained.ada)
    done = trained.ada.push()
    assert done.versions == 4
    assert [move.name for move in done.moved] == ["heads/main"]
    with LmdbStore.open(trained.url) as shared:
        assert len(marked_by(shared.refs(PRUNED))) == 3
    bob = trained.join()
    assert bob.files() == trained.ada.files()
    assert gone(bob.repo) == gone(trained.ada.repo) == [1, 2, 3]
    for repo in (bob.repo, trained.ada.repo):
        assert repo.verify().ok
    with Repository.open(trained.url) as shared:
        report = shared.verify()
        assert report.ok and report.absent > 0
        assert shared.gc(context=bob.context()).objects == 0
    assert trained.ada.repo.verify_remote().ok
    assert bob.repo.verify_remote().ok
    assert bob.repo.history(limit=1)
    bob.save({"notes.md": "mine"})
    bob.push()
    trained.ada.pull()
    assert trained.ada.files() == bob.files()


def test_the_content_comes_back_from_a_remote_that_has_it(trained: Pair) -> None:
    trained.ada.push()
    let_go(trained.ada)
    repo = trained.ada.repo
    assert repo.show("v2").pruned.remotes == ("origin",)
    assert gone(repo) == [1, 2, 3]
    trained.ada.reopen()
    repo = trained.ada.repo
    assert repo.read("model.pt", "v2") == noise(40_000, 1)
    trained.ada.checkout("v1")
    assert trained.ada.files()["model.pt"] == noise(40_000, 0)
    trained.ada.checkout("main")
    diff = repo.diff("v3", "v4")
    assert all(files.listed for files in diff.components.values())
    repo.export("v3", trained.ada.path("../out"))
    assert repo.verify().ok
    with Repository.open(trained.url) as shared:
        assert shared.verify().absent == 0


def test_a_list_that_was_fetched_alone_is_no_content(trained: Pair) -> None:
    """A comparison fetches lists of a pruned version, and the remote is gone when somebody asks for more."""
    trained.ada.push()
    let_go(trained.ada)
    trained.ada.reopen()
    core = trained.ada.repo._core
    for root in roots_of(core, core.resolve("v2")):
        core.fetch(root)
        assert core.store.has([root]) == [True]
    assert gone(trained.ada.repo) == [1, 2, 3]
    Path(trained.url).rename(trained.url + "-away")
    LmdbStore.create(trained.url).close()
    trained.ada.push()
    bob = trained.join()
    assert gone(bob.repo) == [1, 2, 3]
    assert bob.repo.verify().ok and trained.ada.repo.verify().ok


def test_what_came_again_after_grace_goes_with_the_next_collection(trained: Pair) -> None:
    trained.ada.push()
    let_go(trained.ada)
    trained.ada.reopen()
    repo = trained.ada.repo
    found = repo.show("v2").pruned
    assert (found.here, found.until_us > found.time_us) == (False, True)
    for path in ("model.pt", "same.pt", "mvc.toml"):
        repo.read(path, "v2")
    assert repo.show("v2").pruned.here
    later = replace(trained.ada.context(), time_us=trained.ada.now_us() + 2 * DAY_US)
    repo.gc(context=later)
    assert not repo.show("v2").pruned.here
    repo.create_tag("later", context=later)
    repo.gc(context=later, keep_operations_us=0)
    forgotten = repo.show("v2").pruned
    assert forgotten.until_us == forgotten.time_us


def test_undo_fetches_what_was_collected(trained: Pair) -> None:
    trained.ada.push()
    let_go(trained.ada)
    trained.ada.reopen()
    trained.ada.repo.undo(context=trained.ada.context())
    assert gone(trained.ada.repo) == []
    assert trained.ada.repo.verify().absent == 0
    trained.ada.repo.gc(context=trained.ada.context(), keep_operations_us=0)
    Path(trained.url).rename(trained.url + "-away")
    assert trained.ada.repo.read("model.pt", "v1") == noise(40_000, 0)


def test_a_tag_on_a_pruned_version_brings_its_content(trained: Pair) -> None:
    trained.ada.push()
    let_go(trained.ada)
    trained.ada.reopen()
    trained.ada.repo.create_tag("good", "v2", context=trained.ada.context())
    later = replace(trained.ada.context(), time_us=trained.ada.now_us() + 9 * DAY_US)
    trained.ada.repo.gc(context=later, keep_operations_us=0)
    assert gone(trained.ada.repo) == [1, 3]
    trained.ada.push("good")


def test_a_server_that_has_content_is_not_told_otherwise(trained: Pair) -> None:
    """Ada's retention is hers: what the server has stays there, for everybody."""
    trained.ada.push()
    let_go(trained.ada)
    auto(trained.ada, 10)
    trained.ada.push()
    with Repository.open(trained.url) as shared:
        assert shared.store.refs(PRUNED) == {}
        assert shared.verify().absent == 0
    bob = trained.join()
    assert gone(bob.repo) == []
    assert bob.repo.read("model.pt", "v1") == noise(40_000, 0)


def test_only_what_is_new_there_is_marked(trained: Pair) -> None:
    trained.ada.push()
    for number in range(4, 8):
        auto(trained.ada, number)
    let_go(trained.ada)
    trained.ada.push()
    with Repository.open(trained.url) as shared:
        assert gone(shared) == [5, 6, 7]
        assert shared.verify().ok
    assert trained.ada.repo.show("v2").pruned.remotes == ("origin",)
    trained.ada.fetch()
    where = Whereabouts(trained.ada.repo._core)
    assert where.remotes(trained.ada.repo.resolve("v6")) == ()
    bob = trained.join()
    assert gone(bob.repo) == [5, 6, 7]
    assert bob.repo.verify().ok


def test_versions_in_their_time_of_grace_are_sent_whole(trained: Pair) -> None:
    trained.ada.repo.prune(context=trained.ada.context())
    trained.ada.push()
    with Repository.open(trained.url) as shared:
        assert shared.store.refs(PRUNED) == {}
        assert shared.verify().absent == 0


def test_a_clone_leaves_out_what_the_other_will_let_go_of(trained: Pair) -> None:
    trained.ada.repo.prune(context=trained.ada.context())
    bob = trained.join(url=str(trained.ada.root))
    assert gone(bob.repo) == [1, 2, 3]
    assert bob.repo.verify().ok
    assert bob.repo.read("model.pt", "v2") == noise(40_000, 1), "it is still there"


def test_a_name_for_a_pruned_version_makes_it_whole_for_others_too(trained: Pair) -> None:
    ada = trained.ada
    ada.repo.prune(context=ada.context())
    ada.repo.create_branch("old", "v2", context=ada.context())
    later = replace(ada.context(), time_us=ada.now_us() + 2 * DAY_US)
    ada.repo.gc(context=later)
    bob = trained.join(url=str(ada.root))
    assert gone(bob.repo) == [1, 3]
    bob.checkout("origin/old")
    assert bob.files()["model.pt"] == noise(40_000, 1)
    ada.push("old")
    assert ada.repo.verify_remote().ok


def test_content_that_goes_while_it_is_sent(trained: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others collect between the look at what is here and the sending: it is under a lease."""
    ada = trained.ada
    ada.repo.prune(context=ada.context())
    walked = pushing.is_here

    def is_here(core: Core, id: VersionId) -> bool:
        found = walked(core, id)
        seen.append(found)
        with Repository.open(str(ada.root)) as beside:
            later = replace(ada.context(), time_us=ada.now_us() + 2 * DAY_US)
            beside.gc(context=later, keep_operations_us=0)
        return found

    seen: list[bool] = []
    monkeypatch.setattr(pushing, "is_here", is_here)
    ada.push()
    assert seen == [True, True, True]
    with Repository.open(trained.url) as shared:
        report = shared.verify()
        assert report.ok, report.errors


def test_what_was_here_before_stays_when_the_other_prunes(trained: Pair) -> None:
    bob = trained.join(url=str(trained.ada.root))
    let_go(trained.ada)
    auto(trained.ada, 20)
    bob.fetch()
    assert gone(bob.repo) == []
    assert bob.repo.read("model.pt", "v1") == noise(40_000, 0)
    assert bob.repo.verify().absent == 0


def test_a_partial_clone_of_a_pruned_history(trained: Pair) -> None:
    let_go(trained.ada)
    trained.ada.push()
    bob = trained.join(wanted=Wanted(depth=2))
    assert bob.files() == trained.ada.files()
    assert bob.repo.verify().ok
    with pytest.raises(MissingObject):
        bob.repo.read("model.pt", "v2")


def test_copies_are_counted_before_anything_goes(trained: Pair) -> None:
    ada = trained.ada
    ada.write({"mvc.toml": "[retention]\nkeep_last = 1\nmin_copies = 1\n"})
    alone = ada.repo.prune(context=ada.context())
    assert (alone.versions, alone.operation, len(alone.unsafe)) == ((), None, 3)
    assert set(alone.unsafe.values()) == {"0 of 1 remotes have it"}
    ada.push()
    auto(ada, 5)
    done = ada.repo.prune(context=ada.context())
    assert [one.number for one in done.versions] == [1, 2, 3]
    assert done.unsafe == {}, "v4 is where origin was last seen"
    ada.repo.undo(context=ada.context())
    Path(trained.url).rename(trained.url + "-away")
    away = ada.repo.prune(context=ada.context())
    assert len(away.unsafe) == 3
    assert "is no repository" in next(iter(away.unsafe.values()))


def test_copies_that_lost_content_do_not_count(trained: Pair) -> None:
    ada = trained.ada
    ada.write({"mvc.toml": "[retention]\nkeep_last = 1\nmin_copies = 1\n"})
    ada.push()
    with Repository.open(trained.url) as shared:
        from tests.support.pruning import prune

        prune(shared, "v2")
    done = ada.repo.prune(context=ada.context())
    assert [one.number for one in done.versions] == [1, 3]
    assert done.unsafe.keys() == {ada.repo.resolve("v2")}


def mark(*versions: VersionId) -> RefUpdate:
    (value,) = encode(dict.fromkeys(versions, Pruning(1, 2, "told")))
    return RefUpdate(name_of(value), None, value)


def test_marks_about_what_is_there_are_refused(trained: Pair) -> None:
    trained.ada.push()
    peer = connecting.connect(Remote("", trained.url), lambda _: {}, lambda: 1, lambda _: None)
    old = trained.ada.repo.resolve("v2")
    try:
        with pytest.raises(UsageError, match="versions that are here"):
            peer.update_refs([mark(old)], force=frozenset(), author="a", detail="d")
        with pytest.raises(UsageError, match="cannot be that of such a ref"):
            wrong = RefUpdate(f"{PRUNED}{'0' * 32}", None, mark(old).target)
            peer.update_refs([wrong], force=frozenset(), author="a", detail="d")
        with pytest.raises(UsageError, match="is not a ref that can be pushed"):
            named = RefUpdate(f"{PRUNED}all", None, mark(old).target)
            peer.update_refs([named], force=frozenset(), author="a", detail="d")
    finally:
        peer.close()


def test_a_head_without_content_is_refused_whatever_is_marked(trained: Pair) -> None:
    ada = trained.ada
    let_go(ada)
    old = ada.repo.resolve("v2")
    peer = connecting.connect(Remote("", trained.url), lambda _: {}, lambda: 1, lambda _: None)
    try:
        for frame in ada.repo.store.records([ada.repo.resolve("v1"), old]):
            peer.put(frame)
        branch = RefUpdate("heads/old", None, bytes(old))
        with pytest.raises(MissingObject, match="what was pushed is not whole"):
            peer.update_refs([branch, mark(old)], force=frozenset(), author="a", detail="d")
    finally:
        peer.close()


def test_a_peer_that_knows_no_pruning_is_sent_nothing(
    trained: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go(trained.ada)
    told = LocalPeer.hello
    monkeypatch.setattr(
        LocalPeer, "hello", lambda self: replace(told(self), features=frozenset({"watch"}))
    )
    with pytest.raises(Failure, match="takes only versions with their content") as caught:
        trained.ada.push()
    assert caught.value.kind == "newer-format"
    with LmdbStore.open(trained.url) as shared:
        assert shared.refs() == {}


def test_all_of_it_over_grpc(trained: Pair) -> None:
    let_go(trained.ada)
    with LmdbStore.open(trained.url) as store:
        served, port = serving(store)
        try:
            url = f"grpc://127.0.0.1:{port}/r"
            trained.ada.repo.set_remote_url("origin", url)
            trained.ada.push()
            bob = trained.join(url=url)
            assert gone(bob.repo) == [1, 2, 3]
            assert bob.repo.verify().ok
            bob.save({"notes.md": "mine"})
            bob.push()
            trained.ada.pull()
            assert trained.ada.files() == bob.files()
            assert trained.ada.repo.verify_remote(read_data=True).ok
        finally:
            served.stop(1)


def test_two_who_pruned_differently_share_what_each_has(trained: Pair) -> None:
    """Bob has everything, and Ada pruned before she pushed: nobody's content is lost."""
    bob = trained.join(url=str(trained.ada.root))
    bob.repo.add_remote("team", trained.url)
    let_go(trained.ada)
    trained.ada.push()
    bob.save({"notes.md": "by bob"})
    bob.push("main", remote="team")
    with Repository.open(trained.url) as shared:
        assert shared.verify().ok
    assert bob.repo.read("model.pt", "v1") == noise(40_000, 0)
    trained.ada.save({"x.txt": "1"})
    with pytest.raises(Conflict):
        trained.ada.push()
    trained.ada.fetch()
    assert trained.ada.repo.verify().ok
    assert gone(trained.ada.repo) == [1, 2, 3]
