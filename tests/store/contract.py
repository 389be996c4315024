"""What every store on this machine must do, beyond what all do (group.py). Each implementation's tests
inherit it and make stores.

Lease rules are part of it: a store that sweeps what a session counts on loses data without anybody noticing.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from itertools import pairwise

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import Conflict, CorruptObject, MissingObject, StaleReuse, UsageError
from mvcd.ids import ChunkId, Digest, Kind, RecipeId, VersionId
from mvcd.store.api import AuditHead, RefUpdate, Store
from mvcd.store.audit import row_digest
from mvcd.store.memory_store import MemoryStore
from mvcd.store.readymade import made_ready
from tests.store.objects import compressed, delta, mark_values, node_of, plain, revisions, some
from tests.store.shared import SharedContract


class StoreContract(SharedContract):
    def test_a_store_has_an_id_and_nothing_to_salvage(self, store):
        assert len(bytes.fromhex(store.id)) == 16
        assert store.id == store.id
        store.salvage()
        store.salvage()
        store.require_room(1, "a byte")

    # ------------------------------------------------------------------ objects

    def test_what_was_put_is_read(self, store):
        objects = some(seed=1, count=40)
        with store.session() as session:
            for id, encoded, _ in objects:
                assert session.put(id, encoded) > 0
            session.commit()
        for id, encoded, data in objects:
            assert store.get(id) == data
            found = store.get_encoded(id)
            assert (found.codec, found.raw_size, bytes(found.body), found.base) == (
                encoded.codec,
                encoded.raw_size,
                bytes(encoded.body),
                None,
            )
            info = store.info(id)
            assert (info.kind, info.raw_size, info.stored_size, info.base) == (
                id.kind,
                len(data),
                len(encoded.body),
                None,
            )
        assert store.stats().objects == 40
        assert list(store.check()) == []

    def test_what_is_ready_is_put_together(self, store):
        """What is known adds nothing, be it stored, put before or both."""
        objects = [plain(b"%d" % n * 20) for n in range(30)]
        sizes = [20 * len(b"%d" % n) for n in range(30)]
        with store.session() as session:
            session.put(*objects[3])
            session.commit()
            session.put(*objects[5])
            first = made_ready(dict(objects[:20]))
            added = session.put_ready(first)
            assert added.objects == 18
            assert added.raw_bytes == sum(sizes[:20]) - sizes[3] - sizes[5]
            assert added.raw_bytes < added.stored_bytes < len(first.data)
            rest = made_ready(dict(objects[20:]))
            rest = rest._replace(data=memoryview(bytearray(rest.data)))  # as of bodies in a lot
            assert session.put_ready(rest).raw_bytes == sum(sizes[20:])
            assert session.put_ready(first) == session.put_ready(rest) == (0, 0, 0)
            assert session.put_ready(made_ready({})) == (0, 0, 0)
            session.commit()
        for id, encoded in objects:
            assert store.get(id) == encoded.body

    def test_nothing_is_there_before_flush_and_everything_after(self, store):
        (id, encoded, data), *_ = some(seed=2, count=1)
        with store.session() as session:
            session.put(id, encoded)
            assert store.has([id]) == [False]
            session.drain()
            assert store.has([id]) == [False]
            session.flush()
            assert store.has([id]) == [True]
            assert store.get(id) == data

    def test_leaving_a_session_drops_what_was_not_flushed(self, store):
        (id, encoded, _), *_ = some(seed=3, count=1)
        with store.session() as session:
            session.put(id, encoded)
        assert store.has([id]) == [False]

    def test_wrong_bytes_are_never_returned(self, store):
        id, _ = plain(b"right")
        with store.session() as session:
            session.put(id, Encoded(Codec.RAW, 5, b"wrong"))
            session.commit()
        with pytest.raises(CorruptObject, match=id.short()):
            store.get(id)
        assert [damage.id for damage in store.check()] == [id]

    def test_a_body_that_does_not_decode_is_corrupt(self, store):
        id, _ = plain(b"right")
        with store.session() as session:
            session.put(id, Encoded(Codec.ZSTD, 5, b"no zstd frame"))
            session.commit()
        with pytest.raises(CorruptObject):
            store.get(id)

    def test_kinds_are_kept_apart(self, store):
        data = b"the same bytes"
        ids = [plain(data, kind)[0] for kind in Kind]
        with store.session() as session:
            for kind in Kind:
                session.put(*plain(data, kind))
            session.commit()
        assert [store.info(id).kind for id in ids] == list(Kind)
        assert {type(id) for id, _ in store.ids()} == {type(id) for id in ids}

    def test_ids_come_in_order(self, store):
        objects = some(seed=4, count=300, size=20)
        with store.session() as session:
            for id, encoded, _ in objects:
                session.put(id, encoded)
            session.commit()
        listed = list(store.ids())
        assert [bytes(id) for id, _ in listed] == sorted(bytes(id) for id, _, _ in objects)
        assert all(info == store.info(id) for id, info in listed)

    def test_codecs_are_told_of_what_is_here(self, store):
        noise, as_it_is = plain(b"not much to be won")
        text, smaller = compressed(b"again and again " * 500)
        with store.session() as session:
            session.put(noise, as_it_is)
            session.put(text, smaller)
            session.commit()
        absent = ChunkId.of(b"absent")
        assert store.codecs([noise, absent, text]) == {noise: Codec.RAW, text: Codec.ZSTD}
        assert store.codecs([]) == {}

    def test_find_by_prefix(self, store):
        objects = some(seed=5, count=200, size=20)
        with store.session() as session:
            for id, encoded, _ in objects:
                session.put(id, encoded)
            session.commit()
        for id, _, _ in objects[:20]:
            for digits in (4, 5, 11, 64):
                assert id in store.find(id.kind, id.hex()[:digits])
            other = Kind.NODE if id.kind is Kind.CHUNK else Kind.CHUNK
            assert id not in store.find(other, id.hex())
        assert store.find(Kind.CHUNK, "f" * 64) == []
        for prefix in ("abc", "xyzw"):
            with pytest.raises(UsageError):
                store.find(Kind.CHUNK, prefix)

    def test_find_stops_at_its_limit(self, store):
        ids = [Digest.__new__(ChunkId, b"\xab\xcd" + n.to_bytes(30)) for n in range(9)]
        with store.session() as session:
            for id in ids:
                session.put(id, Encoded(Codec.RAW, 1, b"x"))
            session.commit()
        assert store.find(Kind.CHUNK, "abcd") == ids
        assert store.find(Kind.CHUNK, "abcd", limit=3) == ids[:3]
        assert store.find(Kind.CHUNK, ids[4].hex()[:63]) == ids[:9]

    # ------------------------------------------------------------------ deltas

    def test_deltas_are_decoded_through_their_bases(self, store):
        versions = revisions(seed=9, count=5)
        with store.session() as session:
            session.put(*plain(versions[0]))
            for base, data in pairwise(versions):
                session.put(*delta(data, base))
            session.commit()
        for data in versions:
            assert store.get(ChunkId.of(data)) == data
        info = store.info(ChunkId.of(versions[4]))
        assert info.base == ChunkId.of(versions[3])
        assert list(store.check()) == []

    # ------------------------------------------------------------------ sessions

    def test_a_closed_session_is_of_no_use(self, store):
        id, encoded = plain(b"x")
        session = store.session()
        session.close()
        session.close()
        for use in (
            lambda: session.put(id, encoded),
            lambda: session.missing([id]),
            session.flush,
            session.commit,
        ):
            with pytest.raises(UsageError):
                use()

    def test_a_conflict_leaves_no_operation(self, store):
        store.update_refs([RefUpdate("a", None, b"1")], operation=b"first")
        with pytest.raises(Conflict):
            store.update_refs([RefUpdate("a", None, b"2")], operation=b"second")
        assert list(store.operations()) == [(1, b"first")]

    # ------------------------------------------------------------------ audit

    def test_audit_rows_form_a_chain(self, store):
        assert list(store.audit()) == []
        assert store.audit_head() == AuditHead(0, bytes(32))
        with store.session() as session:
            session.commit([RefUpdate("a", None, b"1")], audit=b"first")
            assert session.commit(operation=b"op", audit=b"second") == 1
            session.commit(audit=b"")
        rows = list(store.audit())
        assert [(row.sequence, row.data) for row in rows] == [
            (1, b"first"),
            (2, b"second"),
            (3, b""),
        ]
        assert rows[0].previous == bytes(32)
        assert [row.previous for row in rows[1:]] == [row_digest(row) for row in rows[:2]]
        assert store.audit_head() == AuditHead(3, row_digest(rows[2]))
        assert list(store.audit(start=2)) == rows[1:]
        assert list(store.audit(start=9)) == []
        assert list(store.check()) == []

    def test_a_conflict_leaves_no_audit_row(self, store):
        with store.session() as session:
            with pytest.raises(Conflict):
                session.commit([RefUpdate("a", b"0", b"1")], audit=b"row")
            with pytest.raises(UsageError):
                session.commit(audit=bytes(5 << 20))
        assert store.audit_head().sequence == 0

    def test_many_audit_rows(self, store, monkeypatch):
        monkeypatch.setattr("mvcd.store.audit.BATCH_ROWS", 7)
        with store.session() as session:
            for n in range(1, 31):
                session.commit(audit=b"%d" % n)
        assert [row.data for row in store.audit()] == [b"%d" % n for n in range(1, 31)]
        assert list(store.check()) == []

    # ------------------------------------------------------------------ operations

    def test_operations_are_numbered_from_one(self, store):
        numbers = [store.update_refs([], operation=b"op %d" % n) for n in range(1, 6)]
        assert numbers == [1, 2, 3, 4, 5]
        assert store.update_refs([RefUpdate("a", None, b"1")]) == 0
        expected = [(n, b"op %d" % n) for n in numbers]
        assert list(store.operations(newest_first=False)) == expected
        assert list(store.operations()) == expected[::-1]
        assert list(store.operations(start=3)) == expected[2::-1]
        assert list(store.operations(newest_first=False, start=3)) == expected[2:]
        assert list(store.operations(newest_first=False, start=9)) == []
        assert list(store.operations(start=9)) == expected[::-1]

    def test_many_operations(self, store):
        with store.session() as session:
            for n in range(1, 1501):
                if n % 50 == 0:
                    session.commit(operation=b"%d" % n)
        numbers = [n for n, _ in store.operations()]
        assert numbers == list(range(30, 0, -1))

    # ------------------------------------------------------------------ cache

    def test_another_stores_refs_and_logs_are_taken_over(self, store, monkeypatch):
        monkeypatch.setattr("mvcd.store.bucket.bucket_takenover.SEGMENT_BYTES", 4000)
        other = MemoryStore()
        id, encoded = plain(b"named")
        for n in range(150):
            with other.session() as session:
                session.put(id, encoded)
                update = RefUpdate(f"heads/{n}", None, bytes(id))
                session.commit([update], operation=b"%d" % n * 20, audit=b"row %d" % n * 20)
        with store.session() as session:
            session.put(id, encoded)
            session.commit([RefUpdate("heads/gone", None, bytes(id))], operation=b"o", audit=b"a")
        refs = {"heads/only": bytes(id)}
        for _ in range(2):
            store.take_over(other, refs)
            assert store.refs() == refs
            assert list(store.operations()) == list(other.operations())
            assert list(store.audit(start=40)) == list(other.audit(start=40))
            assert store.audit_head() == other.audit_head()
            assert store.changes() == other.changes()
            assert list(store.check()) == []
        with store.session() as session:
            assert session.commit(operation=b"next", audit=b"next") == 151
        assert store.audit_head().sequence == 151
        assert store.changes() == 151
        store.take_over(MemoryStore(), {})
        assert (store.refs(), list(store.operations()), list(store.audit())) == ({}, [], [])
        with store.session() as session:
            assert session.commit(operation=b"first", audit=b"first") == 1
        assert list(store.check()) == []

    def test_dropped_operations_stay_dropped_where_they_are_taken_over(self, store):
        other = MemoryStore()
        for n in range(5):
            other.update_refs([], operation=bytes([n]) * 32)
        other.collect(mark_values, drop_operations_below=3)
        store.take_over(other, {})
        assert [n for n, _ in store.operations()] == [5, 4, 3]
        assert store.update_refs([], operation=b"next") == 6
        assert list(store.check()) == []

    def test_all_ids_come_in_the_order_of_their_places(self, store):
        objects = some(seed=30, count=50)
        for id, encoded, _ in objects:
            with store.session() as session:
                session.put(id, encoded)
                session.commit()
        assert store.placed_ids() == [id for id, _, _ in objects]

    def test_cache_rows(self, store):
        store.cache_put({b"a/1": b"one", b"a/2": b"two", b"b": b""})
        assert store.cache_get([b"a/1", b"x", b"b"]) == [b"one", None, b""]
        assert list(store.cache_scan(b"a/")) == [(b"a/1", b"one"), (b"a/2", b"two")]
        store.cache_put({b"a/1": None, b"a/2": b"2", b"never there": None})
        assert list(store.cache_scan(b"")) == [(b"a/2", b"2"), (b"b", b"")]
        with store.session() as session:
            session.commit(cache={b"b": None, b"c": b"3"})
        assert list(store.cache_scan(b"")) == [(b"a/2", b"2"), (b"c", b"3")]

    def test_many_cache_rows(self, store):
        rows = {b"k%05d" % n: b"%d" % n for n in range(2500)}
        store.cache_put(rows)
        assert dict(store.cache_scan(b"k")) == rows
        assert len(list(store.cache_scan(b"k01"))) == 1000

    def test_limits_of_cache_keys(self, store):
        store.cache_put({b"k" * 500: b"v"})
        for key in (b"", b"k" * 501):
            with pytest.raises(UsageError):
                store.cache_put({key: b"v"})

    # ------------------------------------------------------------------ collection

    def test_collect_keeps_what_refs_and_operations_name(self, store):
        objects = some(seed=8, count=20)
        chunks = [(id, data) for id, _, data in objects if id.kind is Kind.CHUNK]
        with store.session() as session:
            for id, encoded, _ in objects:
                session.put(id, encoded)
            session.commit([RefUpdate("a", None, bytes(chunks[0][0]))])
            session.commit(operation=bytes(chunks[1][0]))
        planned = store.collect(mark_values, dry_run=True)
        assert store.stats().objects == 20
        report = store.collect(mark_values)
        assert (report.objects, report.kept_objects) == (18, 2)
        assert report == planned
        assert report.raw_bytes == sum(len(d) for i, _, d in objects if i not in dict(chunks[:2]))
        assert report.freed_bytes > 0
        assert dict(store.ids()).keys() == {id for id, _ in chunks[:2]}
        for id, data in chunks[:2]:
            assert store.get(id) == data
        assert list(store.check()) == []

    def test_collect_drops_old_operations_and_what_only_they_name(self, store):
        ids = []
        with store.session() as session:
            for n in range(1, 6):
                id, encoded = plain(b"%d" % n)
                session.put(id, encoded)
                session.commit(operation=bytes(id))
                ids.append(id)
        store.collect(mark_values, drop_operations_below=4)
        assert [n for n, _ in store.operations()] == [5, 4]
        assert store.has(ids) == [False, False, False, True, True]
        assert store.update_refs([], operation=bytes(ids[4])) == 6
        assert list(store.check()) == []

    def test_collect_keeps_bases_of_what_lives(self, store):
        versions = revisions(seed=10, count=4)
        with store.session() as session:
            session.put(*plain(versions[0]))
            for base, data in pairwise(versions):
                session.put(*delta(data, base))
            session.commit([RefUpdate("a", None, bytes(ChunkId.of(versions[2])))])
        report = store.collect(mark_values)
        assert (report.objects, report.kept_objects) == (1, 3)
        assert store.get(ChunkId.of(versions[2])) == versions[2]
        assert list(store.check()) == []

    def test_collect_spares_what_a_session_relies_on(self, store):
        (old, old_stored), (new, new_stored) = plain(b"old"), plain(b"new")
        with store.session() as session:
            session.put(old, old_stored)
            session.commit()
        with store.session() as session:
            assert session.missing([old]) == [False]
            session.put(new, new_stored)
            session.flush()
            assert store.collect(mark_values).objects == 0
            session.commit([RefUpdate("a", None, bytes(old) + bytes(new))])
        assert store.collect(mark_values).objects == 0
        assert store.get(old) == b"old"
        store.update_refs([RefUpdate("a", bytes(old) + bytes(new), None)])
        assert store.collect(mark_values).objects == 2

    def test_mark_is_told_what_sessions_rely_on(self, store):
        """A session may reuse a whole tree by its root; what lies below must stay too."""
        leaf, leaf_stored = plain(b"leaf")
        root, root_stored = node_of(leaf)
        with store.session() as session:
            session.put(leaf, leaf_stored)
            session.put(root, root_stored)
            session.commit()

        def mark(refs, operations, leased, read):
            for id in leased:
                yield id
                if id.kind is Kind.NODE:
                    yield from (ChunkId(data) for _, data in read([id]))

        with store.session() as session:
            session.missing([root])
            assert store.collect(mark).objects == 0
        assert store.collect(mark).objects == 2

    def test_a_session_that_lost_the_race_with_a_collection_is_told(self, store, monkeypatch):
        id, encoded = plain(b"content")
        with store.session() as session:
            session.put(id, encoded)
            session.commit()
        with store.session() as session:
            session.missing([id])
            self.sweep_regardless_of_leases(store, monkeypatch)
            assert not store.has([id])[0]
            with pytest.raises(StaleReuse):
                session.commit([RefUpdate("a", None, bytes(id))])
            assert store.ref("a") is None
            assert session.missing([id]) == [True]
            session.put(id, encoded)
            session.commit([RefUpdate("a", None, bytes(id))])
        assert store.get(id) == b"content"

    @abstractmethod
    def sweep_regardless_of_leases(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Collects everything, as when the session's lease came a moment too late to be seen."""

    def test_a_sweep_that_hurt_nobody_is_no_conflict(self, store):
        old, old_stored = plain(b"old")
        with store.session() as session:
            session.put(old, old_stored)
            session.commit()
        with store.session() as session:
            new, new_stored = plain(b"new")
            session.put(new, new_stored)
            session.flush()
            assert store.collect(mark_values).objects == 1
            session.commit([RefUpdate("a", None, bytes(new))])
        assert store.get(new) == b"new"

    # ------------------------------------------------------------------ threads

    def test_threads_read_beside_a_writer_and_a_collector(self, store):
        objects = [plain(b"keep %d" % n) for n in range(50)]
        with store.session() as session:
            for id, encoded in objects:
                session.put(id, encoded)
            session.commit([RefUpdate("keep", None, b"".join(id for id, _ in objects))])
        stop = threading.Event()
        wrong: list[object] = []

        def read() -> None:
            while not stop.is_set():
                for n, (id, _) in enumerate(objects):
                    try:
                        if store.get(id) != b"keep %d" % n:
                            wrong.append(id)
                    except Exception as error:  # any error is a failure of the test
                        wrong.append(error)
                        return

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for n in range(15):
                with store.session() as session:
                    session.put(*plain(b"garbage %d" % n + bytes(5000)))
                    session.commit()
                store.collect(mark_values)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert wrong == []
        assert store.stats().objects == 50

    def test_types_of_ids_do_not_matter_for_equality(self, store):
        """A version's id read from a ref is a plain VersionId; recipes come as RecipeId."""
        id, encoded = plain(b"v", Kind.VERSION)
        with store.session() as session:
            session.put(id, encoded)
            session.commit()
        assert store.get(VersionId(bytes(id))) == b"v"
        with pytest.raises(MissingObject):
            store.get(RecipeId.of(b"v"))
