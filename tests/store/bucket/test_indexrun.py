"""Index runs, written and read piece by piece."""

from __future__ import annotations

import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import IntegrityError
from mvcd.ids import ChunkId, Kind
from mvcd.store.bucket import indexrun
from mvcd.store.bucket.indexrun import (
    RUN_MAGIC,
    NamedPack,
    RunPlace,
    RunReader,
    decode_run,
    encode_run,
    object_name,
)

PACKS = [NamedPack(bytes([n]) * 32, 1000 + n) for n in range(5)]
_number = st.integers(0, 2**32 - 1)
_digest = st.binary(min_size=32, max_size=32)
_place = st.builds(
    RunPlace, st.integers(0, 4), _number, _number, _number, st.sampled_from(list(Kind)),
    st.none() | _digest,
)  # fmt: skip


@given(rows=st.dictionaries(_digest, _place, max_size=60), numbers=st.permutations(range(5)))
def test_rows_are_those_of_an_index_where_packs_have_other_numbers(rows, numbers) -> None:
    data = encode_run(PACKS, rows, [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexrun, "_PIECE_ROWS", 7)
        run = RunReader(object_name(data), data)
        found = list(run.rows(numbers))
    assert (run.packs, run.count, run.held()) == (PACKS, len(rows), {})
    assert found == [(key, rows[key].row(numbers[rows[key].pack])) for key in sorted(rows)]
    assert decode_run(object_name(data), data).rows == rows


def _named(body: bytes) -> tuple[str, bytes]:
    data = RUN_MAGIC + zstandard.ZstdCompressor(write_checksum=True).compress(body)
    return object_name(data), data


def _body(digests: list[bytes], packs: list[int], *, bases: int = 0, more: bytes = b"") -> bytes:
    head = struct.pack("<IIIIQ", 0, 1, len(digests), bases, 0) + bytes(16)
    places = b"".join(struct.pack("<IIIIB", pack, 0, 1, 1, Kind.CHUNK) for pack in packs)
    return (
        head + struct.pack("<32sQ", bytes(32), 9) + b"".join(digests) + places
        + bytes(32 * bases) + more
    )  # fmt: skip


A, B = sorted([ChunkId.of(b"a"), ChunkId.of(b"b")])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (_body([B, A], [0, 0]), "do not ascend"),
        (_body([A, A], [0, 0]), "do not ascend"),
        (_body([A, B], [0, 1]), "names no pack"),
        (_body([A, B], [0]), "as its head says"),
        (_body([A], [0], bases=1), "more bases"),
        (_body([A], [0], more=b"?"), "goes on"),
        (_body([A], [0])[:-60], "as its head says"),
        (struct.pack("<IIIIQ", 0, 1, 2**31, 0, 0) + bytes(16), "larger than a run may be"),
    ],
)
def test_what_is_no_run_is_told(body: bytes, why: str) -> None:
    with pytest.raises(IntegrityError, match="is damaged") as caught:
        decode_run(*_named(body))
    assert why in str(caught.value.cause)
