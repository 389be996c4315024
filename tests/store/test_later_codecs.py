"""Objects in a codec that only later versions know: kept, moved and told apart from damage, but not read."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import CorruptObject, Failure
from mvcd.ids import ChunkId
from mvcd.store.api import RefUpdate
from mvcd.store.frames import check_frame, parse_frame
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.rebuild import rebuild_index
from tests.store.objects import plain

LATER = cast(Codec, 200)
RAW = b"what a later version knows to write" * 20
ID = ChunkId.of(RAW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with LmdbStore.create(tmp_path / "store") as store, store.session() as session:
        session.put(ID, Encoded(LATER, len(RAW), b"in its own way"))
        session.put(*plain(b"text"))
        session.commit([RefUpdate("main", None, bytes(ID))])
    return tmp_path / "store"


def require_unreadable(store: LmdbStore) -> None:
    with pytest.raises(Failure) as caught:
        store.get(ID)
    assert (caught.value.kind, caught.value.help) == ("unknown-codec", "upgrade mvc")
    assert "codec 200" in str(caught.value.cause)
    assert store.has([ID]) == [True]
    assert store.damaged() == []


def test_it_cannot_be_read_and_is_no_damage(path: Path) -> None:
    with LmdbStore.open(path) as store:
        require_unreadable(store)
        with pytest.raises(Failure, match="cannot be read"):
            dict(store.get_many([ID]))
        assert list(store.check(read_data=True)) == []


def test_a_new_index_names_it_and_collection_keeps_it(path: Path) -> None:
    (path / "data.mdb").unlink()
    assert rebuild_index(path).damaged == 0
    with LmdbStore.open(path) as store:
        require_unreadable(store)
        store.collect(lambda *_: iter([ID]))
        require_unreadable(store)
        assert not store.has([plain(b"text")[0]])[0]


def test_it_is_sent_as_it_is_and_refused_with_a_reason(path: Path) -> None:
    with LmdbStore.open(path) as store:
        (frame,) = store.records([ID])
    with pytest.raises(Failure) as caught:
        check_frame(parse_frame(frame), lambda _: b"")
    assert caught.value.kind == "unknown-codec"


def test_a_codec_that_a_flipped_bit_made_is_damage(tmp_path: Path) -> None:
    id, encoded = plain(RAW)
    with LmdbStore.create(tmp_path / "store") as store, store.session() as session:
        session.put(id, encoded)
        session.commit([RefUpdate("main", None, bytes(id))])
    (pack,) = (tmp_path / "store" / "packs").iterdir()
    data = bytearray(pack.read_bytes())
    data[data.index(b"\x89OBJ") + 5] ^= 0x80
    pack.write_bytes(data)
    with LmdbStore.open(tmp_path / "store") as store:
        with pytest.raises(CorruptObject):
            store.get(id)
        assert store.damaged() == [id]
