"""What a push sends, and in which order, to a peer whose acknowledgements come late and in any order."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence

import pytest

from mvcd.codec.encoded import CODEC_FEATURES
from mvcd.errors import MissingObject
from mvcd.ids import Bytes, Digest
from mvcd.monitor import Silent
from mvcd.store.frames import CROWDED_FRAME_BYTES, parse_frame
from mvcd.store.memory_store import MemoryStore
from mvcd.store.peer import Hello
from mvcd.sync import push as pushing
from mvcd.sync.push import _Sender
from tests.store.objects import delta, plain, revisions

PATIENCE = 10.0


class LatePeer:
    """Knows an object from when its put was acknowledged, which it is once others were put too, or nothing
    more is to come; needs the base of each before it."""

    def __init__(
        self, seed: int, known: Sequence[Digest], frames: Sequence[int] = range(4)
    ) -> None:
        self.known = set(known)
        self.put_twice: list[Digest] = []
        self.questions = 0
        self.sizes: list[int] = []
        self._each = frames
        self.frames = frames[0]
        self.flying = self.most = 0
        self._random = random.Random(seed)
        self._changed = threading.Condition()
        self._begun = 0

    def told(self) -> Hello:
        return Hello("0" * 32, True, features=frozenset(CODEC_FEATURES.values()))

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        with self._changed:
            self.questions += 1
            return [id in self.known for id in ids]

    def put(self, frame: Bytes) -> None:
        records = [record for record, _ in parse_frame(frame).records]
        with self._changed:
            self._begun += 1
            self.sizes.append(len(frame))
            self.flying += 1
            self.most = max(self.most, self.flying)
            self._changed.notify_all()
            arrived = set(self.known)
            for record in records:
                if record.base is not None and record.base not in arrived:
                    raise MissingObject(f"the base of {record.id.short()} is not there yet")
                arrived.add(record.id)
            until = self._begun + self._random.randrange(3)
            self._changed.wait_for(lambda: self._begun >= until, self._random.random() / 50)
            self.put_twice += [record.id for record in records if record.id in self.known]
            self.known.update(record.id for record in records)
            self.frames = self._random.choice(self._each)
            self.flying -= 1


def stored(store: MemoryStore, seed: int) -> list[Digest]:
    """Objects in which bases and differences are far apart, some of them differences of differences."""
    source = random.Random(seed)
    ids: list[Digest] = []
    with store.session() as session:
        for chain in range(12):
            data = revisions(seed * 100 + chain, 4)
            for n, one in enumerate(data):
                id, encoded = plain(one) if n == 0 else delta(one, data[n - source.randint(1, n)])
                session.put(id, encoded)
                ids.append(id)
        session.commit()
    source.shuffle(ids)
    return ids


@pytest.mark.parametrize("seed", range(20))
def test_a_base_is_acknowledged_before_its_difference(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "HAS_BATCH_IDS", 1 + seed % 7)
    source = random.Random(seed)
    with MemoryStore() as store:
        ids = stored(store, seed)
        peer = LatePeer(seed, [])
        with _Sender(store, peer, Silent()) as sender:  # type: ignore[arg-type]
            for part in parts(source, [*ids, *source.sample(ids, 10)]):
                sender.send(part)
            sender.finish()
        assert peer.known == set(ids)
        assert peer.put_twice == []
        assert sender.sent.objects == len(ids)


def parts(source: random.Random, ids: list[Digest]) -> Iterator[list[Digest]]:
    while ids:
        size = source.randint(1, 9)
        yield ids[:size]
        ids = ids[size:]


def test_a_base_that_nobody_named_comes_along() -> None:
    with MemoryStore() as store:
        first, second = revisions(1, 2)
        base, whole = plain(first)
        id, difference = delta(second, first)
        with store.session() as session:
            session.put(base, whole)
            session.put(id, difference)
            session.commit()
        for known, sent in (([], 2), ([base], 1), ([id], 1)):
            peer = LatePeer(1, known)
            with _Sender(store, peer, Silent()) as sender:  # type: ignore[arg-type]
                sender.send([id])
                sender.finish()
            assert peer.known == {base, id} and peer.questions == 1
            assert sender.sent.objects == sent


@pytest.mark.parametrize("frames", [1, 2])
def test_no_more_fly_than_the_peer_would_have(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "RECORD_BATCH_OBJECTS", 1)
    with MemoryStore() as store:
        ids = stored(store, 1)
        peer = LatePeer(1, [], [frames])
        with _Sender(store, peer, Silent()) as sender:  # type: ignore[arg-type]
            sender.send(ids)
            sender.finish()
        assert peer.known == set(ids) and peer.most == frames


@pytest.mark.parametrize(("frames", "smaller"), [(1, True), (2, False)])
def test_a_peer_of_many_gets_smaller_frames(frames: int, smaller: bool) -> None:
    source = random.Random(7)
    with MemoryStore() as store:
        with store.session() as session:
            ids = [plain(source.randbytes(400 << 10)) for _ in range(12)]
            for id, encoded in ids:
                session.put(id, encoded)
            session.commit()
        peer = LatePeer(7, [], [frames])
        with _Sender(store, peer, Silent()) as sender:  # type: ignore[arg-type]
            sender.send([id for id, _ in ids])
            sender.finish()
        assert peer.known == {id for id, _ in ids} and peer.put_twice == []
        assert (max(peer.sizes) <= CROWDED_FRAME_BYTES) == smaller
