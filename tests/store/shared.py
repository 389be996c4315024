"""What every store must do that moves objects and refs, be it here or at the other end of a channel.

Deltas are part of it: a store that forgets a base loses data without anybody noticing.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from itertools import pairwise

import pytest

from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.errors import Conflict, MissingObject, UsageError
from mvcd.ids import ChunkId, Kind, RecipeId, VersionId
from mvcd.store.api import RefUpdate
from mvcd.store.frames import MAX_FRAME_BYTES, check_frame, parse_frame
from tests.store.objects import compressed, delta, plain, revisions, some


class SharedContract:
    @abstractmethod
    def make(self):
        """A new, empty store."""

    @pytest.fixture
    def store(self, tmp_path):
        self.directory = tmp_path / "store"
        with self.make() as store:
            yield store

    # ------------------------------------------------------------------ objects

    def test_put_and_get(self, store):
        objects = some(seed=1, count=40)
        with store.session() as session:
            for id, encoded, _ in objects:
                assert session.put(id, encoded) > 0
            session.commit()
        assert store.has([id for id, _, _ in objects]) == [True] * 40
        for id, encoded, data in objects:
            assert store.get(id) == data
            found = store.get_encoded(id)
            assert (found.codec, found.raw_size, bytes(found.body), found.base) == (
                encoded.codec, encoded.raw_size, bytes(encoded.body), None,
            )  # fmt: skip

    def test_the_empty_object(self, store):
        id, encoded = plain(b"")
        with store.session() as session:
            session.put(id, encoded)
            session.commit()
        assert store.get(id) == b""

    def test_a_missing_object_is_an_error_that_names_it(self, store):
        id, _ = plain(b"never stored")
        for read in (store.get, store.get_encoded, store.info):
            with pytest.raises(MissingObject, match=id.short()):
                read(id)
        assert store.has([id, id]) == [False, False]

    def test_the_callers_buffer_may_be_reused(self, store):
        buffer = bytearray(b"first")
        id = ChunkId.of(buffer)
        with store.session() as session:
            session.put(id, Encoded(Codec.RAW, 5, memoryview(buffer)))
            buffer[:] = b"other"
            session.commit()
        assert store.get(id) == b"first"

    def test_sizes_have_limits(self, store):
        id, _ = plain(b"x")
        with store.session() as session:
            with pytest.raises(UsageError):
                session.put(id, Encoded(Codec.FILL, MAX_RAW_BYTES + 1, b"x"))
            with pytest.raises(UsageError):
                session.put(id, Encoded(Codec.RAW, 1, bytes(MAX_RAW_BYTES + (1 << 20))))

    def test_the_largest_object(self, store):
        data = os.urandom(MAX_RAW_BYTES)
        id, encoded = plain(data)
        with store.session() as session:
            session.put(id, encoded)
            session.commit()
        assert store.get(id) == data

    def test_the_kind_is_part_of_the_name(self, store):
        with store.session() as session:
            for kind in Kind:
                session.put(*plain(b"the same bytes", kind))
            session.commit()
        assert [store.get(plain(b"the same bytes", kind)[0]) for kind in Kind] == [
            b"the same bytes"
        ] * len(Kind)
        with pytest.raises(MissingObject):
            store.get(RecipeId.of(b"other bytes"))
        assert store.get(VersionId(plain(b"the same bytes", Kind.VERSION)[0]))

    # ------------------------------------------------------------------ records

    def test_records_are_whole_and_come_once(self, store):
        objects = some(seed=12, count=60)
        with store.session() as session:
            for id, encoded, _ in objects:
                session.put(id, encoded)
            session.commit()
        asked = [id for id, _, _ in objects[::2]]
        found = {}
        for frame in store.records([*asked, *asked[:5]]):
            for one in check_frame(parse_frame(frame), store.get):
                assert one.record.id not in found
                found[one.record.id] = one.raw
        assert found == {id: data for id, _, data in objects[::2]}
        with pytest.raises(MissingObject):
            list(store.records([asked[0], ChunkId.of(b"never stored")]))
        assert list(store.records([])) == []

    def test_frames_have_limits_however_well_records_are_packed(self, store):
        data = [bytes([n]) * MAX_RAW_BYTES for n in range(9)]
        with store.session() as session:
            for one in data:
                session.put(*compressed(one))
            session.put(*plain(os.urandom(MAX_RAW_BYTES)))
            session.commit()
        frames = list(store.records([ChunkId.of(one) for one in data]))
        assert all(len(frame) <= MAX_FRAME_BYTES for frame in frames)
        checked = [one for frame in frames for one in check_frame(parse_frame(frame), store.get)]
        assert sorted(one.raw for one in checked) == data

    def test_a_record_is_put_as_it_came(self, store):
        first, second = revisions(seed=13, count=2)
        with store.session() as session:
            session.put(*plain(first))
            session.put(*delta(second, first))
            session.commit()
        id = ChunkId.of(second)
        (frame,) = store.records([id])
        ((record, data),) = parse_frame(frame).records
        assert (record.id, record.base) == (id, ChunkId.of(first))
        (whole,) = store.records([ChunkId.of(first)])
        with self.another() as other, other.session() as session:
            with pytest.raises(MissingObject):
                session.put_record(record, data)
            ((base, base_data),) = parse_frame(whole).records
            assert session.put_record(base, base_data) > 0
            assert session.put_record(record, data) > 0
            assert session.put_record(record, data) == 0
            session.commit()
            assert other.get(id) == second
            assert list(other.records([id])) == [frame]

    def another(self):
        """One more store, as empty as the first was."""
        self.directory = self.directory.with_name("another")
        return self.make()

    # ------------------------------------------------------------------ deltas

    def test_deltas_are_read_through_their_bases(self, store):
        versions = revisions(seed=9, count=5)
        with store.session() as session:
            session.put(*plain(versions[0]))
            for base, data in pairwise(versions):
                session.put(*delta(data, base))
            session.commit()
        for data in versions:
            assert store.get(ChunkId.of(data)) == data

    def test_a_delta_without_its_base_is_refused(self, store):
        with store.session() as session, pytest.raises(MissingObject):
            session.put(*delta(*revisions(seed=11, count=2)))

    # ------------------------------------------------------------------ sessions

    def test_put_of_what_is_known_adds_nothing(self, store):
        (id, encoded, _), *_ = some(seed=6, count=1)
        with store.session() as session:
            assert session.put(id, encoded) > 0
            assert session.put(id, encoded) == 0
            session.commit()
            assert session.put(id, encoded) == 0
        with store.session() as session:
            assert session.put(id, encoded) == 0

    def test_missing(self, store):
        (a, a_stored, _), (b, b_stored, _), (c, _, _) = some(seed=7, count=3)
        with store.session() as session:
            session.put(a, a_stored)
            session.commit()
        with store.session() as session:
            session.put(b, b_stored)
            assert session.missing([a, b, c, a]) == [False, False, True, False]
            assert session.missing([]) == []

    # ------------------------------------------------------------------ refs

    def test_refs_are_set_moved_and_deleted(self, store):
        assert store.ref("branches/main") is None
        store.update_refs([RefUpdate("branches/main", None, b"1"), RefUpdate("tags/a", None, b"2")])
        store.update_refs([RefUpdate("branches/main", b"1", b"3")])
        assert store.ref("branches/main") == b"3"
        assert store.refs() == {"branches/main": b"3", "tags/a": b"2"}
        assert store.refs("tags/") == {"tags/a": b"2"}
        store.update_refs([RefUpdate("tags/a", b"2", None)])
        assert store.refs() == {"branches/main": b"3"}

    def test_refs_come_in_the_order_of_their_bytes(self, store):
        names = ["é", "b", "a/z", "a", "Z", "日"]
        store.update_refs([RefUpdate(name, None, b"v") for name in names])
        assert list(store.refs()) == sorted(names, key=str.encode)

    @pytest.mark.parametrize(
        "wrong",
        [
            RefUpdate("a", None, b"2"),
            RefUpdate("a", b"0", b"2"),
            RefUpdate("a", b"0", None),
            RefUpdate("b", b"1", b"2"),
        ],
    )
    def test_a_conflict_changes_nothing(self, store, wrong):
        store.update_refs([RefUpdate("a", None, b"1")])
        good = RefUpdate("c", None, b"new")
        for updates in ([wrong, good], [good, wrong]):
            with pytest.raises(Conflict) as caught:
                store.update_refs(updates)
            assert caught.value.kind == "ref-changed"
        assert store.refs() == {"a": b"1"}

    def test_after_a_conflict_the_session_can_try_again(self, store):
        id, encoded = plain(b"content")
        store.update_refs([RefUpdate("a", None, b"1")])
        with store.session() as session:
            session.put(id, encoded)
            with pytest.raises(Conflict):
                session.commit([RefUpdate("a", None, bytes(id))])
            session.commit([RefUpdate("a", b"1", bytes(id))])
        assert store.ref("a") == bytes(id)
        assert store.get(id) == b"content"

    def test_limits_of_names_and_values(self, store):
        store.update_refs([RefUpdate("n" * 500, None, b"v" * 65536)])
        assert store.ref("n" * 500) == b"v" * 65536
        for update in (
            RefUpdate("", None, b"v"),
            RefUpdate("n" * 501, None, b"v"),
            RefUpdate("n", None, b"v" * 65537),
        ):
            with pytest.raises(UsageError):
                store.update_refs([update])

    def test_the_number_of_changes_grows(self, store):
        seen = [store.changes()]
        store.update_refs([RefUpdate("a", None, b"1")])
        seen.append(store.changes())
        store.update_refs([RefUpdate("a", b"1", b"2"), RefUpdate("b", None, b"1")])
        seen.append(store.changes())
        with pytest.raises(Conflict):
            store.update_refs([RefUpdate("a", b"1", b"3")])
        assert store.changes() == seen[-1]
        assert seen == sorted(set(seen))
