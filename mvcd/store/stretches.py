"""Where a pack holds no good records: its bytes read forward, a window at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mvcd.store.record import PACK_HEADER, RECORD_MAGIC, BadRecord, parse_record

WINDOW_BYTES = 8 << 20
"""Bytes of a pack read at a time; the longest record has 2.1 MiB."""


def bad_stretches(read: Callable[[int, int], bytes], length: int) -> Iterator[tuple[int, int]]:
    """Where a pack of this committed length holds no whole records that match their checksums, from and to.
    `read` answers bytes from an offset on, fewer where there are none."""
    at = start = PACK_HEADER.size
    data = b""
    while at < length:
        try:
            at += parse_record(data, at - start).size
            continue
        except BadRecord:
            pass
        if start != at or not data:  # perhaps it only goes on beyond what was read
            data, start = read(at, min(WINDOW_BYTES, length - at)), at
            if data:
                continue
            yield at, length
            return
        begin = at
        at = _next_record(read, at + 1, length)
        data = b""
        yield begin, at


def _next_record(read: Callable[[int, int], bytes], at: int, length: int) -> int:
    """Where the next good one begins; the end where there is none."""
    while at < length:
        data = read(at, min(WINDOW_BYTES, length - at))
        found = data.find(RECORD_MAGIC)
        if found < 0:
            if at + len(data) >= length or len(data) < len(RECORD_MAGIC):
                return length
            at += len(data) - len(RECORD_MAGIC) + 1
            continue
        at += found
        try:
            parse_record(read(at, min(WINDOW_BYTES, length - at)))
            return at
        except BadRecord:
            at += 1
    return length
