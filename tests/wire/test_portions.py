"""How many chunks one Get asks for: few while nobody knows how large they are, then about PORTION_BYTES."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest

from mvcd.ids import ChunkId, Digest, Kind, NodeId
from mvcd.store.frames import RecordFrame, gather, parse_frame
from mvcd.store.memory_store import MemoryStore
from mvcd.store.record import record_head
from mvcd.wire import portions
from mvcd.wire.client import RemotePeer
from mvcd.wire.portions import FIRST_CHUNKS, GROWING_TIMES, PORTION_BYTES, Portions
from tests.store.objects import plain
from tests.wire.hosts import serving


class Counting(RemotePeer):
    """Tells how many objects each call asked for."""

    def _stream(self, request):  # type: ignore[no-untyped-def]
        vars(self).setdefault("asked", []).append(len(request.ids) // len(ChunkId.of(b"")))
        return super()._stream(request)


def asked_for(sizes: Sequence[int]) -> list[int]:
    """Objects of each call for chunks of these sizes, from a real server."""
    store = MemoryStore()
    with store.session() as session:
        objects = [plain(os.urandom(size)) for size in sizes]
        for id, encoded in objects:
            session.put(id, encoded)
        session.flush()
    served, port = serving(store)
    try:
        peer = Counting(f"127.0.0.1:{port}", "r", "r")
        ids = [id for id, _ in objects]
        got = [record.id for frame in peer.records(ids) for record, _ in frame.records]
        peer.close()
    finally:
        served.stop(1)
    assert got == ids
    return vars(peer)["asked"]


def test_a_call_brings_about_ten_mebibytes_of_large_chunks() -> None:
    size = 256 << 10
    first, *later = asked_for([size] * 200)
    assert first == FIRST_CHUNKS
    assert later and max(later) * size <= PORTION_BYTES


def test_small_chunks_come_by_the_thousand_soon() -> None:
    asked = asked_for([64] * 3000)
    assert asked[:2] == [FIRST_CHUNKS, GROWING_TIMES * FIRST_CHUNKS]
    assert len(asked) <= 5


def test_large_chunks_after_many_small_ones_are_soon_known_for_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(portions, "PORTION_BYTES", 64 << 10)
    asked = asked_for([64] * 1600 + [8 << 10] * 1000)
    whole = next(n for n in range(len(asked)) if sum(asked[:n]) > 1600)  # has small and large ones
    assert len(asked) > whole + 2
    assert max(asked[whole:]) <= 8


def test_what_names_chunks_is_asked_for_at_once() -> None:
    calls: list[int] = []

    def ask(ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        calls.append(len(ids))
        id, encoded = plain(b"a tree", Kind.NODE)
        (frame,) = gather([(record_head(id, encoded) + b"a tree", 6)])
        yield parse_frame(frame)

    assert list(Portions().frames([NodeId.of(b"%d" % n) for n in range(2000)], 1500, ask))
    assert calls == [1500, 500]
