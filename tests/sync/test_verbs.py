"""push, fetch, pull and clone as people use them, over a repository on this machine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from mvcd.errors import Conflict, Failure, MissingObject, RemoteUnreachable, UsageError
from mvcd.inspect.components import Component
from mvcd.repo.core import connecting
from mvcd.repo.core.promised import Promised
from mvcd.repo.core.remotes import Remote
from mvcd.repo.core.wanted import Wanted
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.peer import Peer
from mvcd.sync.local import LocalPeer
from tests.sync.people import Pair, Person, noise

MODEL = {"model.bin": noise(3 << 20, 1), "params.yaml": "lr: 0.1\n", "data/a.csv": "a,b\n1,2\n"}


def test_a_push_and_a_clone_bring_everything(pair: Pair) -> None:
    made = pair.ada.save(MODEL)
    done = pair.ada.push()
    assert [(m.name, m.old, m.new) for m in done.moved] == [("heads/main", None, made.version)]
    assert done.objects == done.verified_objects
    assert done.versions == 1
    bob = pair.join()
    assert bob.files() == pair.ada.files()
    assert bob.repo.head == pair.ada.repo.head
    assert bob.repo.verify().ok
    with LmdbStore.open(pair.url) as shared:
        assert not list(shared.check())


def test_pushing_nothing_costs_little_and_moves_nothing(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    again = pair.ada.push()
    assert again.moved == ()
    assert again.bytes == 0


def test_pull_moves_the_branch_and_the_files_forward(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    bob = pair.join()
    pair.ada.save({"params.yaml": "lr: 0.2\n", "notes.md": "new"})
    sent = pair.ada.push()
    assert sent.bytes < 20_000
    done = bob.pull()
    assert done.checkout is not None
    assert bob.files() == pair.ada.files()
    assert bob.repo.status().clean
    assert bob.pull().checkout is None


def test_diverged_branches_are_told_apart_and_nothing_moves(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    bob = pair.join()
    pair.ada.save({"params.yaml": "lr: 0.2\n"})
    pair.ada.push()
    bob.save({"notes.md": "mine"})
    with pytest.raises(Conflict, match="not here") as refused:
        bob.push()
    assert (refused.value.kind, refused.value.help) == (
        "non-fast-forward", "mvc pull origin  (then push again)",
    )  # fmt: skip
    before = bob.files()
    with pytest.raises(Conflict, match="diverged") as apart:
        bob.pull()
    assert apart.value.help == "mvc merge origin/main  (or at once: mvc pull --merge)"
    assert bob.files() == before
    assert bob.repo.resolve("origin/main") == pair.ada.repo.head.version


def test_force_with_lease_takes_what_was_seen_and_nothing_else(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    bob = pair.join()
    pair.ada.save({"notes.md": "first"})
    pair.ada.push()
    bob.save({"notes.md": "mine"})
    with pytest.raises(Conflict) as refused:
        bob.push(force_with_lease=True)
    assert refused.value.kind == "stale-lease"
    bob.fetch()
    done = bob.push(force_with_lease=True)
    assert done.moved[0].new == bob.repo.head.version


def test_tags_and_branches_by_name(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.repo.create_tag("v-one", context=pair.ada.context(), message="hello")
    pair.ada.repo.create_branch("side", context=pair.ada.context())
    done = pair.ada.push("side", "HEAD:other", tags=True)
    assert {m.name for m in done.moved} == {"heads/side", "heads/other", "tags/v-one"}
    bob = pair.join()
    assert [t.message for t in bob.repo.tags()] == ["hello"]
    assert bob.repo.head.branch == "other"
    gone = pair.ada.push(":other")
    assert [(m.name, m.new) for m in gone.moved] == [("heads/other", None)]
    bob.fetch()
    with pytest.raises(Failure):
        bob.repo.resolve("origin/other")


def test_a_dry_run_changes_nothing(pair: Pair) -> None:
    pair.ada.save(MODEL)
    assert pair.ada.push(dry_run=True).moved[0].name == "heads/main"
    with LmdbStore.open(pair.url) as shared:
        assert shared.refs() == {}


def test_a_workspace_is_not_pushed_into_from_below(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    bob = pair.join()
    pair.ada.save({"notes.md": "first"})
    pair.ada.repo.add_remote("bob", str(bob.root))
    with pytest.raises(Conflict) as refused:
        pair.ada.push(remote="bob")
    assert refused.value.kind == "checked-out"
    pair.ada.push("main:from-ada", remote="bob")
    assert bob.repo.resolve("from-ada") == pair.ada.repo.head.version


def test_where_nothing_is_the_remote_is_unreachable(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.repo.set_remote_url("origin", str(pair.scratch / "nowhere"))
    with pytest.raises(RemoteUnreachable):
        pair.ada.push()


def test_content_comes_from_several_sources(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    bob = pair.join()
    bob.repo.add_remote("ada", str(pair.ada.root))
    pair.ada.save({"more.bin": noise(2 << 20, 5)})
    pair.ada.push()
    bob.pull("origin", "ada")
    assert bob.files() == pair.ada.files()


@pytest.mark.parametrize(
    "wanted",
    [Wanted(frozenset()), Wanted(frozenset([Component.HYPERPARAMETERS])), Wanted(depth=1)],
    ids=["records", "only", "depth"],
)
def test_what_a_clone_leaves_out_comes_when_it_is_asked_for(pair: Pair, wanted: Wanted) -> None:
    first = pair.ada.save(MODEL)
    second = pair.ada.save({"model.bin": noise(3 << 20, 2)})
    pair.ada.push()
    bob = pair.join(wanted=wanted)
    assert [h.id for h in bob.repo.history("main")] == [second.version, first.version]
    small = bob.repo.store.stats().pack_bytes
    whole = pair.ada.repo.store.stats().pack_bytes
    assert small < whole * 0.6
    with bob.repo.open_file("model.bin", first.version.hex()) as file:
        assert file.read(10) == MODEL["model.bin"][:10]
    assert bob.repo.store.stats().pack_bytes < small + (1 << 20)
    assert bob.repo.read("model.bin", first.version.hex()) == MODEL["model.bin"]
    bob.checkout("main")
    assert bob.files() == pair.ada.files()
    bob.save({"params.yaml": "lr: 0.5\n"})
    bob.push()
    pair.ada.pull()
    assert pair.ada.repo.verify().ok
    assert bob.files() == pair.ada.files()


def test_a_branch_that_only_a_remote_has_is_made_when_it_is_gone_to(pair: Pair) -> None:
    first = pair.ada.save(MODEL)
    second = pair.ada.save({"params.yaml": "lr: 0.2\n"})
    pair.ada.push("main", "HEAD~1:side", "HEAD~1:other")
    bob = pair.join()
    bob.repo.switch("side", context=bob.context())
    assert (bob.repo.head.branch, bob.repo.head.version) == ("side", first.version)
    assert bob.repo.status().clean
    bob.checkout("other")
    assert bob.repo.head.branch == "other"
    bob.repo.undo(context=bob.context())
    assert {b.name for b in bob.repo.branches()} == {"main", "side"}
    with pytest.raises(Failure) as unknown:
        bob.checkout("othr")
    assert unknown.value.cause == "did you mean other?"
    eve = Person(pair.scratch / "eve")
    eve.repo.add_remote("origin", pair.url)
    eve.fetch()
    eve.checkout("main")  # where HEAD is attached already, to no version yet
    assert (eve.repo.head.branch, eve.repo.head.version) == ("main", second.version)
    assert eve.files() == pair.ada.files()
    eve.repo.close()


def test_an_export_asks_for_content(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    bob = pair.join(wanted=Wanted(frozenset()))
    trust = partial(pytest.fail, "nothing is signed")
    with pytest.raises(Failure) as refused:
        bob.repo.promote(
            "main", "production", context=bob.context(), require=(), reason="", trust=trust
        )
    assert refused.value.help == f"mvc export {bob.repo.head.version.hex()[:10]} DIR  (fetches it)"
    bob.repo.export("HEAD", str(pair.scratch / "out"))
    assert (pair.scratch / "out" / "model.bin").read_bytes() == MODEL["model.bin"]
    bob.repo.promote(
        "main", "production", context=bob.context(), require=(), reason="", trust=trust
    )


def test_absent_content_comes_by_the_command_that_is_named(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.save({"model.bin": noise(100_000, 2)})
    pair.ada.push()
    bob = pair.join(wanted=Wanted(depth=1))
    assert bob.repo.way_to_absent().startswith("mvc verify --remote origin  (")
    bob.repo.config.unset("partial.remote")  # as where content was pruned
    bob.reopen()
    with pytest.raises(MissingObject) as caught:
        bob.repo.read("model.bin", "v1")
    assert caught.value.help == bob.repo.way_to_absent()
    command = caught.value.help.partition("  (")[0].split()
    assert command[:3] == ["mvc", "config", "set"]
    bob.repo.config.set(*command[3:])
    bob.reopen()
    assert bob.repo.read("model.bin", "v1") == MODEL["model.bin"]


def test_a_file_that_is_read_through_takes_few_requests(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.ada.save({"model.bin": noise(12 << 20, 1)})
    pair.ada.push()
    bob = pair.join(wanted=Wanted(frozenset()))
    asked: list[int] = []
    bring = Promised._bring
    monkeypatch.setattr(
        Promised, "_bring", lambda self, ids: (asked.append(len(ids)), bring(self, ids))
    )
    assert bob.repo.read("model.bin") == noise(12 << 20, 1)
    assert sum(asked) > 100
    assert len(asked) < 20


def test_a_remote_that_does_not_answer_is_asked_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.ada.save(MODEL)
    pair.ada.push()
    bob = pair.join(wanted=Wanted(frozenset()))
    asked: list[str] = []

    def refuse(remote: Remote, *_: object) -> Peer:
        asked.append(remote.name)
        raise RemoteUnreachable("nobody there")

    monkeypatch.setattr(connecting, "connect", refuse)
    for path in MODEL:
        with pytest.raises(RemoteUnreachable):
            bob.repo.read(path)
    assert asked == ["origin"]


def test_a_partial_clone_goes_on_without_its_remote_where_it_can(pair: Pair) -> None:
    pair.ada.save(MODEL)
    pair.ada.save({"model.bin": noise(1 << 20, 2)})
    pair.ada.push()
    bob = pair.join(wanted=Wanted(depth=1))
    bob.repo.set_remote_url("origin", str(pair.scratch / "nowhere"))
    bob.save({"params.yaml": "lr: 0.3\n"})
    bob.checkout("HEAD~1")
    with pytest.raises((RemoteUnreachable, MissingObject)):
        bob.checkout("v1")
    assert bob.repo.head.number == 2


# -------------------------------------------------------------------- names of others


def test_names_of_others_travel(pair: Pair) -> None:
    pair.ada.save({"a": "1"})
    names = ("v1", "x y", "été", "a:b", "HEAD", "feature/#12")
    for name in names:
        pair.ada.repo.create_tag(f"tags/{name}", context=pair.ada.context())
    pair.ada.repo.create_branch("heads/v7", context=pair.ada.context())
    pair.ada.push("main", "tags/v1", "heads/v7")
    pair.ada.push(tags=True)
    pair.ada.push("a%3Ab:tags/c%3Ad", "main:x%20z")
    bob = pair.join()
    assert {tag.name for tag in bob.repo.tags()} == {*names, "c:d"}
    assert (
        bob.repo.resolve("origin/x%20z")
        == bob.repo.resolve("tags/v1")
        == pair.ada.repo.head.version
    )
    bob.repo.checkout("heads/v7", context=bob.context())
    assert bob.repo.head.branch == "v7"
    bob.repo.switch("x%20z", context=bob.context())
    assert bob.repo.head.branch == "x z"
    pair.ada.push(":tags/c%3Ad", ":heads/v7")
    assert {"tags/c:d", "heads/v7"} & pair.ada.repo.remote_refs("origin").keys() == set()
    for spec in ("main:v7", "main:a..b", "main:tags/v7 ", "main:stages/x"):
        with pytest.raises(UsageError):
            pair.ada.push(spec)


def test_an_older_peer_is_sent_no_name_that_it_refuses(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.ada.save({"a": "1"})
    pair.ada.repo.create_tag("tags/v1", context=pair.ada.context())
    pair.ada.repo.create_tag("v1.0", context=pair.ada.context())
    told = LocalPeer.hello
    monkeypatch.setattr(
        LocalPeer, "hello", lambda self: replace(told(self), features=frozenset({"watch"}))
    )
    with pytest.raises(Failure, match=r"does not take the name tags/v1$") as caught:
        pair.ada.push(tags=True)
    assert caught.value.kind == "newer-format"
    with LmdbStore.open(pair.url) as shared:
        assert shared.refs() == {}
    pair.ada.push("main", "v1.0")
    pair.ada.push()


def test_names_that_nobody_could_write_are_left_out(pair: Pair) -> None:
    pair.ada.save({"a": "1"})
    pair.ada.push()
    head = bytes(pair.ada.repo.head.version)
    with LmdbStore.open(pair.url) as shared:
        planted = ("tags/\x1b[2J", "heads/a..b", "tags/e\u0301", "tags/good one")
        shared.update_refs([RefUpdate(name, None, head) for name in planted])
    bob = pair.join()
    assert {tag.name for tag in bob.repo.tags()} == {"good one"}
    warnings = bob.repo._core.monitor.warnings
    assert len(warnings) == 3
    assert "'tags/\\x1b[2J' is left out: it has the character U+001B" in " ".join(warnings)
    assert not any("a..b" in name for name in bob.repo._core.store.refs())
