"""What a tensor is on one side of a comparison, and whether its bytes are numbers to us."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from mvcd.inspect.statistics import is_number, unit
from mvcd.repo.compare.tensortable import TensorRow


@dataclass(frozen=True, slots=True)
class TensorForm:
    """A tensor on one side: the file it lies in, its dtype and shape."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    size: int  # bytes

    @property
    def readable(self) -> bool:
        """Whether its bytes are numbers to us. Where elements are packed together, their shape has to be whole
        blocks of them: half a byte of padding is no number."""
        if not is_number(self.dtype):
            return False
        width, elements = unit(self.dtype)
        blocks, rest = divmod(self.size, width)
        told = prod(self.shape) * (2 if self.dtype == "F4_X2" else 1)  # which are pairs
        return elements == 1 or (blocks * elements, rest) == (told, 0)


def form_of(row: TensorRow | None) -> TensorForm | None:
    return None if row is None else TensorForm(row.path, row.dtype, row.shape, row.size)
