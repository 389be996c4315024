"""Stored bytes -> fewer stored bytes: what an earlier encoder wrote, encoded as today's would.

What the elements are is read off the old form: its codec tells their width, and its flags whether they are
floats. Of which kind, for two bytes each, is tried.
"""

from __future__ import annotations

from typing import Final

from mvcd.codec.decode import DELTA_WIDTH, FLAG_FLOATS, PLANES_WIDTH, RANS_WIDTH
from mvcd.codec.encode import Encoder, elements_of
from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import Bytes

EDITION: Final = 1
"""Raise it when encoding makes smaller bodies: what was tried before is tried again (FORMAT.md of the store,
section Optimizing)."""
WORTH_SHARE: Final = 1 / 64
"""Share of the old body that has to be saved."""

_WIDTHS: Final = {**PLANES_WIDTH, **DELTA_WIDTH}
_FLOATS: Final = {2: ("BF16", "F16"), 4: ("F32",), 8: ("F64",)}


class Recoder:
    """Encodes objects anew. One per thread, as `Encoder`."""

    def __init__(self) -> None:
        self._encoder = Encoder()

    def recode(self, encoded: Encoded, raw: Bytes, base: Bytes | None) -> Encoded | None:
        """A smaller form with the same base or none. None where there is none.

        `raw` is what `encoded` decodes to, `base` what its base does. The result's body may be `raw` itself.
        """
        if encoded.codec is Codec.WIDENED4:
            return None  # half of it is noise, the rest is gone
        width, dtypes = self._elements(encoded)
        offered = None if encoded.base is None or base is None else (encoded.base, base)
        found = [
            self._encoder.encode(raw, element_size=width, dtype=dtype, base=offered)
            for dtype in dtypes
        ]
        best = min(found, key=_cost)
        return best if _cost(best) < _cost(encoded) * (1 - WORTH_SHARE) else None

    def _elements(self, encoded: Encoded) -> tuple[int, tuple[str | None, ...]]:
        """Their size in bytes, and the dtypes that they may have."""
        if encoded.codec in RANS_WIDTH:
            width, dtype = elements_of(encoded)
            return width, (dtype,)
        width = _WIDTHS.get(encoded.codec, 1)
        floats = encoded.codec in _WIDTHS and memoryview(encoded.body)[0] & FLAG_FLOATS
        return width, _FLOATS.get(width, (None,)) if floats else (None,)


def _cost(encoded: Encoded) -> int:
    """Bytes in a pack, but for what all records have."""
    return len(encoded.body) + (0 if encoded.base is None else len(encoded.base))
