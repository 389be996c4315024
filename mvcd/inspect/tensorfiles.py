"""Reading a file's tensors and metadata, whatever its format: headers only, by content.

What does not parse has none: the answer is None, never an error, after a bounded amount of memory and work. For
files that begin as none with tensors does no reader is loaded (tensorreaders.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvcd.inspect.beginnings import HEAD_BYTES, may_hold_tensors
from mvcd.inspect.spans import ReadAt

if TYPE_CHECKING:
    from mvcd.inspect.tensorfile import Beside, TensorFile


def read(
    read_at: ReadAt,
    size: int,
    name: str = "",
    beside: Beside | None = None,
    *,
    cutting: bool = False,
) -> TensorFile | None:
    """The tensors of a file of `size` bytes. Its `name`, without directories, matters only to formats whose
    data lies in other files beside it. `beside` opens these for a format that keeps in them where a tensor's
    bytes lie; without it such tensors are in code. For `cutting`, formats of which no tensor lies in the file
    as it is are not looked into: that would cost seconds for nothing.

    `read_at` may raise OSError, which passes through; the content itself never makes this raise.
    """
    head = read_at(0, min(HEAD_BYTES, size))
    if not may_hold_tensors(head):
        return None
    from mvcd.inspect import tensorreaders  # late: start-up

    return tensorreaders.read(head, read_at, size, name, beside, cutting=cutting)
