"""CRC-32C by the vectors of RFC 3720, appendix B.4, and what tells one byte from another."""

from __future__ import annotations

import pytest

from mvcd.inspect.crc32c import crc32c


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_vectors(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected
