"""Frames on their way into a session: put as a whole or record by record, what is there is the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mvcd.codec.encoded import Encoded
from mvcd.errors import CorruptObject, UsageError
from mvcd.ids import Digest
from mvcd.store.arrivals import Arrivals
from mvcd.store.frames import SMALL_BYTES, parse_frame
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.pack import pack_name
from mvcd.store.record import PACK_HEADER, record_head
from mvcd.store.session import LmdbSession
from tests.store.objects import delta, plain, revisions, some

Object = tuple[Digest, Encoded]

SMALL: list[Object] = [(id, encoded) for id, encoded, _ in some(seed=31, count=40)]
FIRST, SECOND = revisions(seed=32, count=2)
LARGE = plain(random.Random(33).randbytes(60 * SMALL_BYTES))


def frame_of(objects: list[Object]) -> bytes:
    return b"".join(record_head(id, encoded) + bytes(encoded.body) for id, encoded in objects)


@pytest.mark.parametrize(
    ("frames", "whole"),
    [
        ([SMALL[:20], SMALL[20:]], 2),
        ([SMALL[:20], SMALL[10:30], SMALL[30:]], 3),  # some known; they are left out
        ([SMALL[:20], SMALL[:20]], 2),
        ([[*SMALL[:3], SMALL[1]]], 0),  # the same twice in one frame
        ([[plain(FIRST), delta(SECOND, FIRST), *SMALL[:5]]], 0),  # a difference
        ([[LARGE, SMALL[0]]], 0),
        ([[]], 0),
    ],
)
def test_what_came_is_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: list[list[Object]], whole: int
) -> None:
    puts = []
    put_ready = LmdbSession.put_ready
    monkeypatch.setattr(LmdbSession, "put_ready", lambda s, r: (puts.append(r), put_ready(s, r))[1])
    known: set[Digest] = set()
    with LmdbStore.create(tmp_path) as store, store.session() as session:
        arrivals = Arrivals(store, session)
        for objects in frames:
            new = {id: encoded for id, encoded in objects if id not in known}
            known |= new.keys()
            assert arrivals.receive(parse_frame(frame_of(objects))) == len(new)
        session.commit()
        assert len(puts) == whole
        every = {id: encoded for objects in frames for id, encoded in objects}
        assert arrivals.objects == len(every)
        assert arrivals.raw_bytes == sum(encoded.raw_size for encoded in every.values())
        assert store.stats().objects == len(every)
        assert list(store.check()) == []


def test_a_small_frame_rests_as_it_came(tmp_path: Path) -> None:
    frame = frame_of(SMALL)
    with LmdbStore.create(tmp_path) as store, store.session() as session:
        Arrivals(store, session).receive(parse_frame(frame))
        session.commit()
        pack = Path(store.pack_directory, pack_name(0)).read_bytes()
    assert pack[PACK_HEADER.size :] == frame


def test_nothing_of_a_frame_is_put_of_which_one_record_is_wrong(tmp_path: Path) -> None:
    forged = (SMALL[0][0], SMALL[4][1])
    cut = frame_of(SMALL)[:-1]
    with LmdbStore.create(tmp_path) as store, store.session() as session:
        arrivals = Arrivals(store, session)
        with pytest.raises(CorruptObject):
            arrivals.receive(parse_frame(frame_of([*SMALL[1:4], forged])))
        with pytest.raises(UsageError):
            arrivals.receive(parse_frame(cut))
        session.commit()
        assert arrivals.objects == 0
        assert store.stats().objects == 0
