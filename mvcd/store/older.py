"""Records for a peer that does not read every codec, or lacks a base: what it could not read is encoded anew
for it (proto/README.md, Records)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from mvcd.codec.encode import Encoder, elements_of
from mvcd.codec.encoded import CODEC_FEATURES
from mvcd.ids import Bytes, ChunkId, Digest
from mvcd.store.api import ObjectReader
from mvcd.store.frames import gather, parse_frame
from mvcd.store.record import Record, record_head


def readable(
    frames: Iterable[Bytes],
    features: Collection[str],
    store: ObjectReader,
    bases: Mapping[Digest, ChunkId | None] | None = None,
) -> Iterable[Bytes]:
    """The same objects in codecs that a peer with these features reads. With `bases`, what rests on another
    chunk than it says is whole: optimizing has given it other bases since, which the peer may lack. Raises what
    reading one raises."""
    unread = {codec for codec, feature in CODEC_FEATURES.items() if feature not in features}
    return _Older(unread, bases, store).frames(frames) if unread or bases is not None else frames


class _Older:
    def __init__(
        self,
        unread: Collection[int],
        bases: Mapping[Digest, ChunkId | None] | None,
        store: ObjectReader,
    ) -> None:
        self._unread = unread
        self._bases = bases
        self._store = store
        self._encoder = Encoder()

    def frames(self, frames: Iterable[Bytes]) -> Iterator[Bytes]:
        for frame in frames:
            records = parse_frame(frame).records
            if any(self._is_strange(record) for record, _ in records):
                yield from gather((self._anew(*each), each[0].raw_size) for each in records)
            else:
                yield frame

    def _is_strange(self, record: Record) -> bool:
        """Whether the peer may be unable to read it."""
        if record.codec in self._unread:
            return True
        bases = self._bases
        return bases is not None and record.base not in (None, bases.get(record.id, record.base))

    def _anew(self, record: Record, data: memoryview) -> Bytes:
        if not self._is_strange(record):
            return data
        element_size, dtype = elements_of(record.encoded())
        raw = self._store.get(record.id)
        encoded = self._encoder.encode(raw, element_size=element_size, dtype=dtype)
        return record_head(record.id, encoded) + bytes(encoded.body)
