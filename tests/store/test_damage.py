"""Flip, truncate, delete x pack, index, journal, format: damage is reported, wrong bytes never returned.

A damaged index can end the process that maps it, so those cases are looked at from a child process.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from contextlib import suppress
from itertools import pairwise

import pytest

from mvcd.errors import IntegrityError, MvcError
from mvcd.ids import Digest, Kind
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.rebuild import rebuild_index
from tests.store.children import Child
from tests.store.objects import delta, plain, revisions, some
from tests.support.spoiling import spoil_store


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A store in two packs, and the raw bytes of all objects."""
    path = tmp_path_factory.mktemp("sound") / "store"
    raw = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvcd.store.session.SEAL_BYTES", 30_000)
        with LmdbStore.create(path) as store:
            chain = revisions(seed=5, count=6)
            deltas = [
                plain(chain[0]),
                *(delta(b, a) for a, b in pairwise(chain)),
            ]
            for n, (id, encoded, data) in enumerate(
                [*some(seed=1, count=200), *((*d, r) for d, r in zip(deltas, chain, strict=True))]
            ):
                with store.session() as session:
                    session.put(id, encoded)
                    if n % 20 == 0:
                        session.commit(
                            [RefUpdate(f"r{n}", None, bytes(id))], operation=b"op %d" % n
                        )
                    else:
                        session.commit()
                raw[id] = data
            refs = store.refs()
            operations = list(store.operations())
            assert store.stats().packs == 2
    return path, raw, refs, operations


@pytest.fixture
def copy(sound, tmp_path):
    shutil.copytree(sound[0], tmp_path / "store")
    return tmp_path / "store"


def flip(path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        old = file.read(1)[0]
        file.seek(position)
        file.write(bytes([old ^ 1 << position % 8]))


def look(path, raw) -> tuple[set, set]:
    """(objects that are not read, objects `check` names); fails if any is read wrong."""
    unread = set()
    with LmdbStore.open(path) as store:
        for id, data in raw.items():
            try:
                assert store.get(id) == data
            except IntegrityError:
                unread.add(id)
        return unread, {damage.id for damage in store.check()}


# ---------------------------------------------------------------------- packs


def test_a_flipped_bit_in_a_pack_is_always_found(sound, copy):
    """Each byte of the pack means something, so each flip hurts an object or the header."""
    _, raw, _, _ = sound
    source = random.Random(1)
    pack = sorted((copy / "packs").iterdir())[0]
    size = pack.stat().st_size
    positions = [*range(70), *(source.randrange(size) for _ in range(60)), size - 1]
    with LmdbStore.open(copy) as store:
        for position in positions:
            flip(pack, position)
            damages = list(store.check(read_data=False))
            assert damages, position
            hurt = {damage.id for damage in damages}
            for id in hurt - {None}:
                with suppress(IntegrityError):
                    assert store.get(id) == raw[id]  # only the checksum itself was hit
            for id, data in raw.items():
                if id not in hurt and (store.info(id).base is None):
                    assert store.get(id) == data
            flip(pack, position)
        assert list(store.check()) == []


def test_a_damaged_base_hurts_what_rests_on_it(sound, copy):
    _, raw, _, _ = sound
    with LmdbStore.open(copy) as store:
        based = [id for id in raw if store.info(id).base is not None]
        root = next(b for id in based if store.info(b := store.info(id).base).base is None)
        location = store.location(root)
        pack = copy / "packs" / f"{location.pack:08x}.pack"
        flip(pack, location.offset + location.size - 1)
        for id in (root, *based):
            with pytest.raises(IntegrityError):
                store.get(id)
        assert {damage.id for damage in store.check()} >= {root, *based}


@pytest.mark.parametrize("keep", [0, 10, 16, 17, 5_000])
def test_a_truncated_pack(sound, copy, keep):
    _, raw, _, _ = sound
    pack = sorted((copy / "packs").iterdir())[0]
    os.truncate(pack, keep)
    unread, reported = look(copy, raw)
    assert unread
    assert reported >= unread
    assert None in reported
    with LmdbStore.open(copy) as store, store.session() as session:
        id, encoded = plain(b"life goes on")
        session.put(id, encoded)
        session.commit()
        assert store.get(id) == b"life goes on"


def test_a_deleted_pack(sound, copy):
    _, raw, _, _ = sound
    sorted((copy / "packs").iterdir())[0].unlink()
    unread, reported = look(copy, raw)
    assert unread
    assert reported == unread | {None}


def test_two_packs_swapped(sound, copy):
    _, raw, _, _ = sound
    a, b = sorted((copy / "packs").iterdir())
    a.rename(copy / "c")
    b.rename(a)
    (copy / "c").rename(b)
    unread, reported = look(copy, raw)
    assert unread == raw.keys()
    assert reported == raw.keys() | {None}


# ---------------------------------------------------------------------- index


def observed(path, sound) -> str:
    """What a child that opens and checks the store sees: "intact", "reported", or how it died."""
    _, raw, refs, operations = sound

    def work(report):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # LMDB prints a line before it aborts
        try:
            unread, reported = look(path, raw)
            with LmdbStore.open(path) as store:
                same = store.refs() == refs and list(store.operations()) == operations
        except MvcError:
            report("reported")
            return
        except AssertionError:
            report("WRONG BYTES")
            return
        if unread and not reported:
            report(f"UNREPORTED: {unread}")
        else:
            report("reported" if unread or reported else "intact" if same else "WRONG REFS")

    status, lines = Child(work).end()
    return lines[-1] if lines and status == 0 else f"died of {status}"


NEVER_BELIEVED = {"intact", "reported"} | {
    f"died of {-number}" for number in (signal.SIGABRT, signal.SIGBUS, signal.SIGSEGV)
}


def damage_index(sound, tmp_path, seed: int, rounds: int) -> dict[str, int]:
    seen: dict[str, int] = {}
    source = random.Random(seed)
    path = tmp_path / "store"
    shutil.copytree(sound[0], path)
    original = (path / "data.mdb").read_bytes()
    for _ in range(rounds):
        data = bytearray(original)
        for _ in range(source.choice((1, 1, 8))):
            data[source.randrange(len(data))] ^= 1 << source.randrange(8)
        (path / "data.mdb").write_bytes(data)
        what = observed(path, sound)
        seen[what.split(":")[0]] = seen.get(what.split(":")[0], 0) + 1
    return seen


@pytest.mark.thorough
def test_flipped_bits_in_the_index(sound, tmp_path):
    """Reported, or without effect (free pages, unused space), or LMDB ends the process. Never believed."""
    seen = damage_index(sound, tmp_path, seed=1, rounds=60)
    assert seen.keys() <= NEVER_BELIEVED, seen
    assert seen["reported"]


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_flipped_bits_in_the_index_at_length(sound, tmp_path):
    seen = damage_index(sound, tmp_path, seed=2, rounds=3000)
    assert seen.keys() <= NEVER_BELIEVED, seen


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_a_truncated_index_is_reported(sound, copy, share):
    data = copy / "data.mdb"
    os.truncate(data, int(data.stat().st_size * share))
    assert observed(copy, sound) in ("reported", f"died of {-signal.SIGABRT}")


def test_a_deleted_index_is_reported(sound, copy):
    (copy / "data.mdb").unlink()
    with pytest.raises(IntegrityError):
        LmdbStore.open(copy)
    assert not (copy / "data.mdb").exists(), (
        "an empty index in its place would look like an empty store"
    )


def test_a_deleted_lock_file_does_no_harm(sound, copy):
    (copy / "lock.mdb").unlink()
    assert observed(copy, sound) == "intact"


@pytest.mark.parametrize("table", ["refs", "operations", "cache"])
def test_flipped_values_in_tables(sound, copy, table):
    """LMDB has no checksums, so ours must notice."""
    with LmdbStore.open(copy) as store:
        store.cache_put({b"key": b"value"})
        index = store.index

        def damage(txn):
            cursor = txn.cursor(db=getattr(index, table))
            cursor.first()
            value = bytearray(cursor.value())
            value[-1] ^= 1
            txn.put(cursor.key(), bytes(value), db=getattr(index, table))

        index.write(damage)
        if table == "cache":
            assert store.cache_get([b"key"]) == [None]
            assert list(store.cache_scan(b"k")) == []
            return
        assert [damage.problem.split(":")[0] for damage in store.check()] == [
            {"refs": "ref", "operations": "operation"}[table]
        ]
        with pytest.raises(IntegrityError):
            store.refs() if table == "refs" else list(store.operations())


def test_rows_that_lie_are_reported(sound, copy):
    """Wrong place, kind, size, or no place at all."""
    _, raw, _, _ = sound
    ids = sorted(raw)[:5]
    with LmdbStore.open(copy) as store:
        index = store.index

        def lie(txn):
            rows = [txn.get(id, db=index.objects) for id in ids]
            txn.put(ids[0], rows[1], db=index.objects)
            txn.put(ids[1], rows[1][:-1], db=index.objects)
            txn.put(ids[2], b"\xff\xff\xff\xff" + rows[2][4:], db=index.objects)
            txn.put(ids[3], rows[3][:16] + b"\x09" + rows[3][17:], db=index.objects)
            txn.put(ids[4], rows[4][:4] + b"\xff\xff\xff\x7f" + rows[4][8:], db=index.objects)

        index.write(lie)
        for id in ids:
            with pytest.raises(IntegrityError):
                store.get(id)
        assert {bytes(damage.id) for damage in store.check()} == {bytes(id) for id in ids}


def test_a_lost_operation_is_reported(sound, copy):
    with LmdbStore.open(copy) as store:
        store.index.write(lambda txn: txn.delete((3).to_bytes(8), db=store.index.operations))
        assert [damage.problem for damage in store.check()] == ["sequence: operation 3 is absent"]


# ---------------------------------------------------------------------- journal and format


@pytest.mark.parametrize("how", ["flip", "truncate", "garbage"])
def test_a_damaged_journal_leaves_gaps_and_no_lies(sound, copy, how):
    _, _, refs, operations = sound
    journal = copy / "refs.journal"
    if how == "flip":
        flip(journal, journal.stat().st_size // 2)
    elif how == "truncate":
        os.truncate(journal, journal.stat().st_size // 2)
    else:
        journal.write_bytes(os.urandom(1000) + b"\n" + journal.read_bytes())
    report = rebuild_index(copy)
    assert report.journal_gaps > 0
    with LmdbStore.open(copy) as store:
        assert store.refs().items() <= refs.items()
        assert set(store.operations()) <= set(operations)
        assert (
            len(store.refs()) >= {"flip": len(refs) - 1, "truncate": 1, "garbage": len(refs)}[how]
        )


@pytest.mark.parametrize("text", ["", "mvc-store", "mvc-store one\nid 1\n", "\xff\xfe"])
def test_a_damaged_format_file(copy, text):
    (copy / "format").write_text(text, encoding="latin-1")
    with pytest.raises(IntegrityError):
        LmdbStore.open(copy)


def test_a_newer_format_is_refused(copy):
    (copy / "format").write_text("mvc-store 2\nid 00\n")
    with pytest.raises(MvcError) as caught:
        LmdbStore.open(copy)
    assert caught.value.kind == "newer-format"
    assert caught.value.help == "upgrade mvc"


def test_a_sample_reads_other_objects_each_time(copy) -> None:
    with LmdbStore.open(copy) as store:
        everything = set(spoil_store(store, set(Kind)))
        found: set[Digest] = set()
        rounds = 0
        while found != everything:
            share = {d.id for d in store.check(sample=0.2) if d.id is not None}
            assert 0 < len(share) < len(everything) / 2
            found |= share
            rounds += 1
            assert rounds < 200
        assert {d.id for d in store.check()} == everything
