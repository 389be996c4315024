"""Reading and writing past the page cache, where the kernel can (RWF_DONTCACHE, preadv2(2)).

A pack, or a large file of a checkout, is written once and seldom read, but a checkpoint of 2 GiB in the page
cache drives out as much of the data that a training run reads again and again. And where memory must first be
got from a hypervisor, cached pages are dear: 2 GiB took 3.1 to 5.3 s of kernel time to write and 3.9 to read,
and 0.6 and 0.5 this way. What is cached already is used, and stays. borg (posix_fadvise) and MinIO (O_DIRECT)
leave the cache alone too.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence

from mvcd.ids import Bytes

LEAST = 256 << 10
"""Bytes of a call from which on it passes by: what is smaller is small objects, which are read again."""
MAX_PARTS = 1000
"""What one pwritev takes (IOV_MAX is 1024)."""

_DONTCACHE = 0x80
_SINCE = (6, 16)
"""6.14 has the flag, but as first released could drop a page that was written again meanwhile, as the last page
of a pack is by each append."""


def write(file: int, parts: Sequence[Bytes], offset: int) -> None:
    """All of the parts, one after another from `offset` on. Raises OSError."""
    if not parts:
        return
    if len(parts) > MAX_PARTS:
        parts = [b"".join(parts)]
    size = sum(map(len, parts))
    done = _write(file, parts, offset)
    if done < size:
        rest = memoryview(b"".join(parts))
        while done < size:
            done += os.pwrite(file, rest[done:], offset + done)


def _write(file: int, parts: Sequence[Bytes], offset: int) -> int:
    if _FLAGS and sum(map(len, parts)) >= LEAST:
        try:
            return os.pwritev(file, parts, offset, _FLAGS)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:  # as on tmpfs
                raise
    return os.pwritev(file, parts, offset)


def read(file: int, size: int, offset: int) -> bytes | bytearray:
    """As `os.pread`."""
    if _FLAGS and size >= LEAST:
        data = bytearray(size)
        try:
            done = os.preadv(file, [data], offset, _FLAGS)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
        else:
            return data if done == size else data[:done]
    return os.pread(file, size, offset)


def _flags() -> int:
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if sys.platform != "linux" or found is None:
        return 0
    return _DONTCACHE if (int(found[1]), int(found[2])) >= _SINCE else 0


_FLAGS = _flags()
