"""Annotations between repositories: in whatever order they travel, all end with the same, and without force."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import Conflict, MissingObject, MvcError, UsageError
from mvcd.ids import VersionId
from mvcd.repo.core import connecting
from mvcd.repo.core.remotes import Remote
from mvcd.repo.records.annotations import Annotation, encode, name_of, of_version, texts_of
from mvcd.repo.records.refs import NOTES
from mvcd.repo.share import noting
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.peer import TAKES_NOTES, Peer
from mvcd.sync.local import LocalPeer
from tests.support.memory import in_memory
from tests.sync.people import Pair, Person
from tests.wire.hosts import serving

# -------------------------------------------------------------------- against a dict

Entry = tuple[int, bytes, bool, bytes]
Model = dict[str, Entry]
"""By key what holds, as a tuple that orders as ANNOTATIONS.md says."""

AUTHORS = ("Ada", "Bob", "Zoë")
KEYS = ("a", "b")


def entry(time_us: int, author: str, text: str | None) -> Entry:
    return time_us, author.encode(), text is not None, (text or "").encode()


def merged(one: Model, other: Model) -> Model:
    return {key: max(m[key] for m in (one, other) if key in m) for key in one.keys() | other.keys()}


@dataclass
class Replicas:
    """Three people and what they share; each example writes keys of its own, so nothing begins anew."""

    people: list[Person]
    hub: str
    version: VersionId
    numbers: Iterator[int] = field(default_factory=count)

    def write(self, who: int, key: str, text: str | None, clock_us: int) -> None:
        person = self.people[who]
        context = replace(person.context(), author=AUTHORS[who], time_us=clock_us)
        person.repo.annotate(self.version.hex(), {key: text}, context=context)

    def held(self, who: int, prefix: str) -> Model:
        found = of_version(self.people[who].repo.store, self.version)
        return {
            key.removeprefix(prefix): entry(e.time_us, e.author, e.text)
            for key, e in found.items()
            if key.startswith(prefix)
        }


@pytest.fixture(scope="module")
def replicas() -> Iterator[Replicas]:
    with in_memory() as scratch, ExitStack() as keep:
        LmdbStore.create(scratch / "shared").close()
        pair = keep.enter_context(Pair(scratch))
        pair.ada.save({"x.txt": "1"})
        pair.ada.push()
        people = [pair.ada, pair.join("bob"), pair.join("zoe")]
        yield Replicas(people, pair.url, pair.ada.repo.resolve("HEAD"))


WHO = st.integers(0, 2)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"), WHO, st.sampled_from(KEYS),
            st.none() | st.sampled_from(["x", "y", "ü\n"]), st.integers(0, 3),
        ),
        st.tuples(st.just("push"), WHO),
        st.tuples(st.just("fetch"), WHO),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_replicas_converge_in_any_order(replicas: Replicas, steps: list[tuple]) -> None:
    prefix = f"{next(replicas.numbers)}/"
    mine: list[Model] = [{}, {}, {}]
    hub: Model = {}
    for step in (*steps, *(("push", who) for who in range(3)), *(("fetch", w) for w in range(3))):
        who = step[1]
        if step[0] == "write":
            _, _, key, text, clock_us = step
            replicas.write(who, prefix + key, text, clock_us)
            old = mine[who].get(key)
            if ((old[3].decode() if old[2] else None) if old else None) != text:
                time_us = clock_us if old is None else max(clock_us, old[0] + 1)
                mine[who] = {**mine[who], key: entry(time_us, AUTHORS[who], text)}
        elif step[0] == "push":
            replicas.people[who].push()
            hub = merged(hub, mine[who])
        else:
            replicas.people[who].fetch()
            mine[who] = merged(hub, mine[who])
        assert replicas.held(who, prefix) == mine[who]
    assert mine[0] == mine[1] == mine[2] == hub


# -------------------------------------------------------------------- one by one


@pytest.fixture
def shared(pair: Pair) -> Pair:
    """Ada has v1 and v2 there, and a v3 of her own."""
    for number in "12":
        pair.ada.save({"x.txt": number})
    pair.ada.push()
    pair.ada.save({"x.txt": "3"})
    return pair


def note(person: Person, rev: str, **texts: str | None) -> None:
    person.repo.annotate(rev, texts, context=person.context())


def texts(person: Person, rev: str) -> dict[str, str]:
    return texts_of(person.repo.store, person.repo.resolve(rev))


def notes_at(url: str) -> dict[str, bytes]:
    with LmdbStore.open(url) as store:
        return store.refs(NOTES)


def peer_of(pair: Pair, url: str | None = None) -> Peer:
    remote = Remote("", url or pair.url)
    return connecting.connect(remote, lambda _: {}, lambda: 1, lambda _: None)


def test_they_go_for_every_version_that_is_there(shared: Pair) -> None:
    ada = shared.ada
    ada.repo.create_branch("side", "v1", context=ada.context())
    note(ada, "v1", k="one")
    note(ada, "v3", k="three")
    told = ada.push("side", dry_run=True)
    assert [move.name.partition("/")[0] for move in told.moved] == ["heads", "notes"]
    assert notes_at(shared.url) == {}
    done = ada.push("side")
    assert done.moved == told.moved
    assert set(notes_at(shared.url)) == {name_of(ada.repo.resolve("v1"), "k")}
    assert len(ada.push("main", dry_run=True).moved) == 2
    ada.push("main")
    bob = shared.join()
    assert (texts(bob, "v1"), texts(bob, "v3")) == ({"k": "one"}, {"k": "three"})
    assert ada.push().moved == ()
    assert bob.fetch().moved == ()


def test_a_pull_and_a_follower_bring_them(shared: Pair) -> None:
    shared.ada.push()
    bob = shared.join()
    note(bob, "v2", k="bob's")
    assert len(bob.push().moved) == 1
    note(shared.ada, "v2", other="ada's")
    shared.ada.pull()
    assert texts(shared.ada, "v2") == {"k": "bob's", "other": "ada's"}
    shared.ada.save({"x.txt": "4"})
    note(shared.ada, "v4", k="new")
    shared.ada.push()
    list(bob.repo.follow(None, "main", str(shared.scratch / "live"), once=True))
    assert texts(bob, "origin/main") == {"k": "new"}
    assert texts(bob, "v2") == {"k": "bob's", "other": "ada's"}


def test_a_removal_is_not_undone_by_who_has_not_heard(shared: Pair) -> None:
    note(shared.ada, "v1", k="x")
    shared.ada.push()
    bob = shared.join()
    note(shared.ada, "v1", k=None)
    shared.ada.push()
    bob.save({"y.txt": "1"})
    bob.push()
    assert texts(bob, "v1") == {"k": "x"}
    shared.ada.fetch()
    bob.fetch()
    assert texts(bob, "v1") == texts(shared.ada, "v1") == {}


def test_undo_reaches_those_who_have_it(shared: Pair) -> None:
    note(shared.ada, "v1", k="old")
    note(shared.ada, "v1", k="new")
    shared.ada.push()
    bob = shared.join()
    number = next(o.number for o in shared.ada.repo.operations() if o.verb == "note")
    shared.ada.repo.undo(number, context=shared.ada.context())
    shared.ada.push()
    bob.fetch()
    assert texts(bob, "v1") == {"k": "old"}


def test_somebody_writes_the_same_key_at_that_moment(
    shared: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.ada.push()
    bob = shared.join()
    note(shared.ada, "v1", k="ada's", mine="1")
    note(bob, "v1", k="bob's")
    note(bob, "v1", k="bob's later")
    told, tries = LocalPeer.update_refs, []

    def between(self, updates, **options):
        tries.append(len(updates))
        if len(tries) == 1:
            monkeypatch.setattr(LocalPeer, "update_refs", told)
            bob.push()
            monkeypatch.setattr(LocalPeer, "update_refs", between)
        return told(self, updates, **options)

    monkeypatch.setattr(LocalPeer, "update_refs", between)
    shared.ada.push()
    assert tries == [2, 1], "Bob's is later, so only the other one goes again"
    bob.fetch()
    shared.ada.fetch()
    assert texts(bob, "v1") == texts(shared.ada, "v1")
    assert texts(bob, "v1")["mine"] == "1"


def test_one_who_is_always_beaten_is_told(shared: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    note(shared.ada, "v1", k="x")

    def never(*_: object, **__: object) -> None:
        raise Conflict("moved", kind="ref-changed")

    monkeypatch.setattr(LocalPeer, "update_refs", never)
    peer = peer_of(shared)
    with pytest.raises(Conflict):
        noting.outgoing(shared.ada.repo._core, peer, {}, shared.ada.context())
    peer.close()
    assert texts(shared.ada, "v1") == {"k": "x"}


def test_a_peer_that_is_too_old_gets_none(shared: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    told = LocalPeer.hello
    less = lambda self: replace(told(self), features=told(self).features - {TAKES_NOTES})  # noqa: E731
    monkeypatch.setattr(LocalPeer, "hello", less)
    said: list[str] = []
    monkeypatch.setattr(shared.ada.repo._core.monitor, "warn", said.append, raising=False)
    note(shared.ada, "v1", k="x")
    shared.ada.push()
    assert notes_at(shared.url) == {}
    assert said == [
        f"1 annotation stays here: the mvc at {shared.url} is too old to take annotations"
    ]


def hostile(version: VersionId) -> dict[str, tuple[str, bytes]]:
    """By what is wrong: a name and a value."""
    name, fine = name_of(version, "k"), encode(Annotation(5, "eve", "x"))
    return {
        "over-long": (name, encode(Annotation(5, "eve", "x" * 24_577))),
        "control": (name, encode(Annotation(5, "eve", "\x1b]0;owned\x07"))),
        "author": (name, encode(Annotation(5, "eve\nx", "x"))),
        "time": (name, encode(Annotation(1 << 62, "eve", "x"))),
        "garbage": (name, b"\x0a\xff\xff\xff\xff\x0f"),
        "empty": (name, b""),
        "spaced": (name, fine.replace(b",", b", ")),
        "key": (f"{NOTES}{version}/ k=", fine),
        "no key": (f"{NOTES}{version}/k", fine),
        "no version": (f"{NOTES}main/k=", fine),
    }


WRONG = list(hostile(VersionId.of(b"")))


@pytest.mark.parametrize("what", WRONG)
def test_a_receiver_refuses_what_is_none(shared: Pair, what: str) -> None:
    name, value = hostile(shared.ada.repo.resolve("v1"))[what]
    peer = peer_of(shared)
    try:
        with pytest.raises(UsageError) as caught:
            peer.update_refs(
                [RefUpdate(name, None, value)], force=frozenset(), author="e", detail=""
            )
    finally:
        peer.close()
    assert caught.value.kind in ("bad-name", "bad-value")
    assert notes_at(shared.url) == {}


@pytest.mark.parametrize("what", WRONG)
def test_who_fetches_leaves_out_what_is_none(shared: Pair, what: str) -> None:
    version = shared.ada.repo.resolve("v1")
    name, value = hostile(version)[what]
    fine = RefUpdate(name_of(version, "fine"), None, encode(Annotation(5, "bob", "x")))
    with LmdbStore.open(shared.url) as store:
        store.update_refs([RefUpdate(name, None, value), fine])
    said: list[str] = []
    shared.ada.repo._core.monitor.warn = said.append  # type: ignore[method-assign]
    shared.ada.fetch()
    assert texts(shared.ada, "v1") == {"fine": "x"}
    assert len(said) == 1 and "left out 1 ref" in said[0]


def test_a_receiver_refuses_what_does_not_hold_or_is_about_nothing(shared: Pair) -> None:
    version = shared.ada.repo.resolve("v1")
    name = name_of(version, "k")
    one, other = (encode(Annotation(n, "ada", "x")) for n in (1, 2))
    peer = peer_of(shared)

    def send(name: str, old: bytes | None, new: bytes | None) -> str:
        try:
            peer.update_refs([RefUpdate(name, old, new)], force=frozenset(), author="a", detail="")
        except MvcError as error:
            return error.kind
        return "yes"

    try:
        assert send(name, None, one) == "yes"
        assert send(name, one, other) == "yes"
        assert send(name, other, one) == "non-fast-forward"
        assert send(name, other, other) == "yes"
        with pytest.raises(MissingObject):
            absent = name_of(VersionId.of(b"nothing"), "k")
            peer.update_refs(
                [RefUpdate(absent, None, one)], force=frozenset(), author="", detail=""
            )
    finally:
        peer.close()
    assert notes_at(shared.url) == {name: other}


def test_notes_of_versions_that_are_not_here_do_not_come(shared: Pair) -> None:
    with LmdbStore.open(shared.url) as store:
        absent = name_of(VersionId.of(b"nothing"), "k")
        store.update_refs([RefUpdate(absent, None, encode(Annotation(1, "a", "x")))])
    shared.ada.fetch()
    assert shared.ada.repo.store.refs(NOTES) == {}


def test_all_of_it_over_grpc_in_several_updates(shared: Pair) -> None:
    """More than one message has room for: 60 texts of 24 KiB, and what they replace beside them."""
    with LmdbStore.open(shared.url) as store:
        served, port = serving(store)
        try:
            url = f"grpc://127.0.0.1:{port}/r"
            shared.ada.repo.set_remote_url("origin", url)
            for letter in "xy":
                note(shared.ada, "v2", **{f"k{n}": letter * 24_576 for n in range(60)})
                assert len(shared.ada.push().moved) >= 60
            bob = shared.join(url=url)
            assert texts(bob, "v2") == texts(shared.ada, "v2") != {}
            note(bob, "v1", k="1")
            bob.push()
            shared.ada.pull()
            assert texts(shared.ada, "v1") == {"k": "1"}
        finally:
            served.stop(1)
