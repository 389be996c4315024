"""Reading and writing past the page cache, where the kernel can (RWF_DONTCACHE, preadv2(2)).

A pack, or a large file of a checkout, is written once and seldom read, but a checkpoint of 2 GiB in the page
cache drives out as much of the data that a training run reads again and again. And where memory must first be
got from a hypervisor, cached pages are dear: 2 GiB took 3.1 to 5.3 s of kernel time to write and 3.9 to read,
and 0.6 and 0.5 this way. What is cached already is used, and stays. borg (posix_fadvise) and MinIO (O_DIRECT)
leave the cache alone too.

A server keeps in the cache what was pulled, for others pull it within minutes: a clone of 2 GiB took 3.4 s,
from the disk 4.2. What is pushed passes by there too: cached, it made pulls fast from the first one on, but a
push took 4.2 instead of 3.6 s.

Where nothing can pass by, what is written sets out for the disk at once: left to the fsync of each 64 MiB a
push took 3.9 s, and so 3.4.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence

from mvcd.disk._io import read_stretches, start_write_back
from mvcd.ids import Bytes

LEAST_BYTES = 256 << 10
"""Bytes of a call from which on it passes by: what is smaller is small objects, which are read again."""
MAX_PARTS = 1000
"""What one pwritev takes (IOV_MAX is 1024)."""
MAX_BYTES = 256 << 20
"""Most bytes of one call; Linux takes 2 GiB."""

_DONTCACHE = 0x80
_SINCE = (6, 16)
"""6.14 has the flag, but as first released could drop a page that was written again meanwhile, as the last page
of a pack is by each append."""


def write(file: int, parts: Sequence[Bytes], offset: int) -> None:
    """All of the parts, one after another from `offset` on, without a copy: the same part may come ten thousand
    times, as in a file of zeros. Raises OSError."""
    group: list[Bytes] = []
    size = 0
    for part in parts:
        if len(group) == MAX_PARTS or (group and size + len(part) > MAX_BYTES):
            _write_group(file, group, offset, size)
            offset += size
            group, size = [], 0
        group.append(part)
        size += len(part)
    if group:
        _write_group(file, group, offset, size)


def _write_group(file: int, parts: list[Bytes], offset: int, size: int) -> None:
    flags = _FLAGS if size >= LEAST_BYTES else 0
    done = _write(file, parts, offset, flags)
    end = 0
    for part in parts if done < size else ():
        start, end = end, end + len(part)
        while done < end:
            done += os.pwrite(file, memoryview(part)[done - start :], offset + done)
    if size >= LEAST_BYTES and not flags:
        start_write_back(file, offset, size)


def _write(file: int, parts: Sequence[Bytes], offset: int, flags: int) -> int:
    if flags:
        try:
            return os.pwritev(file, parts, offset, flags)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:  # as on tmpfs
                raise
    return os.pwritev(file, parts, offset)


def read(stretches: list[tuple[int, int, int]], *, cached: bool = False) -> bytes:
    """The bytes of each (descriptor, offset, size), one after another; ends where a file ends before its
    stretch does. The page cache keeps them if `cached`. Raises OSError."""
    return read_stretches(stretches, 0 if cached else _FLAGS, LEAST_BYTES)


def read_into(file: int, out: memoryview, offset: int, *, cached: bool = False) -> int:
    """Fills `out` from `offset` on, as `read` reads. Returns how many bytes there were. Raises OSError."""
    flags = _FLAGS if not cached and len(out) >= LEAST_BYTES else 0
    done = 0
    while done < len(out):
        try:
            count = os.preadv(file, [out[done:]], offset + done, flags)
        except OSError as error:
            if not flags or error.errno != errno.EOPNOTSUPP:  # as on tmpfs
                raise
            flags = 0
            continue
        if count == 0:
            break
        done += count
    return done


def _flags() -> int:
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if sys.platform != "linux" or found is None:
        return 0
    return _DONTCACHE if (int(found[1]), int(found[2])) >= _SINCE else 0


_FLAGS = _flags()
