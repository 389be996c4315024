from __future__ import annotations

import pytest

from mvcd.chunking.params import DEFAULT, TENSOR_PIECE_BYTES, ChunkParams
from mvcd.errors import UsageError


@pytest.mark.parametrize(
    "sizes",
    [
        (255, 8192, 9000),
        (256, 1023, 9000),  # a gap below the spacing of proposals
        (4096, 8192, 4096),
        (4096, 8192, (1 << 20) + 1),
        (-1, 8192, 9000),
    ],
)
def test_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        ChunkParams(*sizes)


def test_limit_is_the_share_of_proposals_that_cut() -> None:
    assert ChunkParams(256, 1024, 9000).limit == 2**64 - 1  # all
    assert ChunkParams(256, 3072, 9000).limit == 2**64 // 3 - 1
    assert ChunkParams(256, 32768, 65536).limit == 2**59 - 1


def test_mean_size() -> None:
    assert DEFAULT.mean_size == 64551  # test_cut measures it
    assert ChunkParams(1000, 1024, 1 << 20).mean_size == 2024  # no chunk gets near the maximum


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        DEFAULT.min_size = 1  # type: ignore[misc]
    assert hash(DEFAULT) == hash(ChunkParams(36864, 36864, 114688))
    assert TENSOR_PIECE_BYTES == 262144
