"""Mutated input for every function in C; a program of run.py, which builds what this imports.

Bodies of the codecs from tests/vectors and of our encoder are flipped, cut, lengthened and spliced, sizes lie,
and the functions below them get odd arguments. They may raise what they document, or answer; the sanitizers
see the rest.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mvcd.chunking import _cut
from mvcd.codec import _planes, _rans
from mvcd.codec.alone import BODY_CHOICES
from mvcd.codec.decode import decode, decode_into, decode_many
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.disk import _io
from mvcd.errors import CorruptObject
from mvcd.ids import ChunkId
from mvcd.inspect import _compare
from mvcd.inspect.compare import DTYPES, ELEMENTS, WIDTHS
from mvcd.objects import _small
from mvcd.repo.ondisk import _read, _scan, _write
from mvcd.store import _faults, _records
from mvcd.store.record import CODECS, TYPES, Record, record_head
from tests.codec.samples import PACK, noise, table, weights

VECTORS = Path(__file__).parents[1] / "vectors" / "codec.json"
Case = tuple[Encoded, bytes | None]
REFUSED = (CorruptObject, ValueError, OSError, OverflowError, MemoryError, TypeError)


def cases() -> list[Case]:
    """Honest bodies of every codec, with the bases of deltas."""
    found: list[Case] = []
    for case in json.loads(VECTORS.read_text())["decodes"]:
        base = bytes.fromhex(case["base"]) if "base" in case else None
        id = None if base is None else ChunkId.of(base)
        body = bytes.fromhex(case["body"])
        found.append((Encoded(Codec(case["codec"]), case["raw_size"], body, id), base))
    encoder = Encoder()
    for _, write in PACK.values():
        old, new = write(weights(3000)), write([w * 1.01 for w in weights(3000)])
        found.append((encoder.encode(old), None))
        found.append((encoder.encode(new, base=(ChunkId.of(old), old)), old))
    found += [(encoder.encode(data), None) for data in (noise(5000), table(200), bytes(9000))]
    return found


def mutated(data: bytes, source: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(source.choice((1, 1, 2, 5))):
        at = source.randrange(len(found) + 1)
        match source.randrange(6):
            case 0 if at < len(found):
                found[at] ^= 1 << source.randrange(8)
            case 1 if at < len(found):
                found[at] = source.choice((0, 1, 3, 127, 128, 255))
            case 2:
                del found[at:]
            case 3:
                found[at:at] = source.randbytes(source.choice((1, 2, 8, 100)))
            case 4:
                del found[at : at + source.choice((1, 4, 64))]
            case 5:
                found[at : at + 8] = found[: source.choice((2, 8))]
    return bytes(found)


def size_near(size: int, source: random.Random) -> int:
    near = (0, 1, size - 1, size, size, size, size + 1, size * 2, 7, 131_072, MAX_RAW_BYTES)
    return max(0, min(source.choice(near), MAX_RAW_BYTES))


def decoding(known: list[Case], source: random.Random) -> None:
    encoded, base = source.choice(known)
    body = mutated(bytes(encoded.body), source)
    size = size_near(encoded.raw_size, source)
    codec = source.choice([encoded.codec] * 4 + list(Codec))
    if base is not None and source.random() < 0.3:
        base = mutated(base, source)
    bad = Encoded(codec, size, body, encoded.base)
    with suppress(*REFUSED):
        assert len(decode(bad, base)) == size
    with suppress(*REFUSED):
        decode_into(bad, memoryview(bytearray(size)), base)
    with suppress(*REFUSED):
        decode_many([bad, encoded, bad])
    with suppress(*REFUSED):
        decode_many([encoded, bad, encoded], [base, base, base])


def planes(known: list[Case], source: random.Random) -> None:
    data = mutated(source.choice((noise(300), bytes(77), PACK["BF16"][1](weights(500)))), source)
    scratch = bytearray(_planes.tiers_scratch(len(data)))
    if not data:
        return
    _planes.tiers_select(source.randrange(3))
    stored = _planes.tiers(data, source.choice((0, 10, len(data), 1 << 40)), scratch)
    if stored is not None:
        assert _planes.untier(stored, len(data), scratch) == data
        for size in (len(data), size_near(len(data), source) % 5000):
            with suppress(*REFUSED):
                _planes.untier(
                    mutated(stored, source), size, bytearray(_planes.tiers_scratch(size))
                )
    width = source.choice((1, 2, 4, 8, 3, 0, -1))
    base = source.choice((None, mutated(data, source)))
    with suppress(*REFUSED):
        _planes.split(
            bytearray(source.choice((len(data), len(data) + 9, 3))), data, width, True, base
        )
    with suppress(*REFUSED):
        parts = tuple(mutated(data, source)[: source.choice((5, 40))] for _ in range(width))
        _planes.join(len(data), parts, b"", source.random() < 0.5, base, None)
    some = [mutated(data, source) for _ in range(source.randrange(4))]
    scratch = bytearray(_planes.body_scratch(source.choice((0, 300, 5000))))
    with suppress(*REFUSED):
        _planes.encode_bodies(some, width, True, BODY_CHOICES, source.choice((0, 52, -1)), scratch)
    _planes.period(data)
    _planes.probe(data)
    with suppress(*REFUSED):
        _planes.lanes(data)


def classes(known: list[Case], source: random.Random) -> None:
    """Honest bodies of every width, and mutated ones, each by any set of instructions."""
    width, change = source.choice((1, 2, 4, 8)), source.choice((0, 1, 3, 255))
    base = source.randbytes(source.choice((0, 1, 63, 300, 9000, 20_000)))
    kept = source.randrange(len(base) + 1)
    data = base[:kept] + bytes(b ^ source.randrange(change + 1) for b in base[kept:])
    scratch = bytearray(_rans.scratch(len(data), width))
    _rans.select(source.randrange(3))
    shift = source.randrange(8 * width)
    body = _rans.encode(data, base, width, width > 1 and source.random() < 0.5, shift, scratch)
    _rans.select(source.randrange(3))
    assert _rans.decode(body, len(data), base, width, None) == data
    for _ in range(20):
        bad = mutated(body, source)
        size = source.choice((len(data), size_near(len(data), source) % 50_000))
        with suppress(*REFUSED):
            _rans.decode(bad, size, (base + bytes(size))[:size], width, bytearray(size))
        with suppress(*REFUSED):
            good = (body, len(data), base, width)
            _rans.decode_each([good, (bad, size, (base + bytes(size))[:size], width), good])


def cutting(known: list[Case], source: random.Random) -> None:
    data = source.randbytes(source.choice((0, 1, 31, 64, 5000, 300_000))) * source.choice((1, 3))
    start = source.randrange(65)
    low = source.choice((0, 1, 32, 64, 2048, -1, 1 << 62))
    high = source.choice((low, low + 1, 8192, 1, 0))
    final, limit = source.random() < 0.5, source.choice((0, 1, 1000))
    for kernel in (None, *_cut.kernels()):
        with suppress(*REFUSED):
            _cut.cut_points(memoryview(data)[start:], final, low, high, limit, kernel)


def comparing(known: list[Case], source: random.Random) -> None:
    """Any bytes under any dtype, and whole units of two dtypes, each in memory of just its size."""
    _compare.select(source.randrange(4))
    old = source.randbytes(source.choice((0, 1, 7, 64, 999, 4096)))
    new = source.choice((mutated(old, source), old))
    most = len(DTYPES) + 2
    with suppress(*REFUSED):
        _compare.compare(source.randrange(-2, most), old, source.randrange(-2, most), new)
    numbers = source.randrange(len(DTYPES)), source.randrange(len(DTYPES))
    step = math.lcm(*(ELEMENTS[number] for number in numbers))
    elements = step * source.choice((0, 1, 2, 5, 2500 // step))
    sides = [exactly(source.randbytes(elements // ELEMENTS[n] * WIDTHS[n])) for n in numbers]
    assert _compare.compare(numbers[0], sides[0], numbers[1], sides[1])[0] == elements
    both = numbers[1], sides[1], numbers[0], sides[0]
    for run in (both, both[:2]):
        low, high = _compare.extent(*run)
        if low <= high:
            assert sum(_compare.histogram(low, high, 64, *run)) <= elements


def exactly(data: bytes) -> memoryview:
    """Without the zero that follows every `bytes`, so that a read of it is noticed."""
    return memoryview((ctypes.c_uint8 * len(data)).from_buffer_copy(data)).cast("B")


def files(known: list[Case], source: random.Random) -> None:
    """The modules that call the system: odd names, sizes, descriptors."""
    with tempfile.TemporaryDirectory() as made:
        place = os.fsencode(made)
        names = [
            source.randbytes(source.choice((1, 8, 200, 255))).translate(None, b"/\0")
            for _ in range(5)
        ]
        wanted = [
            (place + b"/" + n, source.choice((0o600, 0o777, -1)), noise(len(n) * 50)) for n in names
        ]
        with suppress(*REFUSED):
            _write.write_files(wanted)
        paths = [path for path, _, _ in wanted] + [place, b"", b"/dev/null", place + b"/none"]
        with suppress(*REFUSED):
            _read.read_files(paths, source.choice((0, 100, 1 << 20)))
        for asked in (None, b"", b"\0".join(names) + b"\0", b"".join(names), b"a" * 300 + b"\0"):
            with suppress(*REFUSED):
                _scan.list_directory(place, asked, source.random() < 0.5)
        _scan.list_directories([place, *paths[: source.randrange(6)]])
        fd = os.memfd_create("mutate")
        os.write(fd, noise(20_000))
        numbers = (0, 1, 100, 4095, 4097, 19_999, 20_001, 1 << 40, (1 << 63) - 1, -1)
        some = [
            (fd, source.choice(numbers), source.choice(numbers[:6]))
            for _ in range(source.randrange(300))
        ]
        with suppress(*REFUSED):
            _io.read_stretches(some, 0, source.choice((0, 1 << 20)))
        with suppress(*REFUSED):
            _io.read_stretches(sorted(some), 0, 0)
        os.close(fd)


def small(known: list[Case], source: random.Random) -> None:
    """Ids and recipes of small files: odd sizes, and what is no bytes."""
    sizes = (0, 1, 63, 64, 65, 128, 129, 1023, 1024, 1025, 5000, 8191, 8192, 8193)
    contents: list[bytes] = [
        source.randbytes(source.choice(sizes)) for _ in range(source.randrange(20))
    ]
    if source.random() < 0.1:
        contents += source.choice(([None], ["x"], [5]))  # type: ignore[arg-type]
    context = "c" * source.choice((0, 5, 64, 65))
    for kernel in (*_small.kernels(), "none"):
        for call in (
            lambda k=kernel: _small.digests(contents, source.choice((None, context)), k),
            lambda k=kernel: _small.points(contents, k),
            lambda k=kernel: _small.recipes(contents, context, "r", k),
        ):
            with suppress(*REFUSED):
                call()


def records(known: list[Case], source: random.Random) -> None:
    """Frames that are cut and changed, and types that make no records."""
    ids = [ChunkId.of(bytes([n])) for n in range(3)]
    frame = bytearray()
    for id in ids * source.randrange(4):
        body = source.randbytes(source.choice((0, 1, 7, 8, 9, 200)))
        base = source.choice((None, ids[0]))
        frame += record_head(id, Encoded(Codec.RAW, len(body), body, base)) + body
    for _ in range(source.randrange(3) if frame else 0):
        frame[source.randrange(len(frame))] = source.randrange(256)
    data = bytes(frame[: source.randrange(len(frame) + 1)])
    record: Any = source.choice((Record, Record, tuple, bytes, 5))
    types: Any = source.choice((TYPES, TYPES, {}, dict.fromkeys(TYPES, int), dict.fromkeys(TYPES)))
    for small in (0, 1 << 20):
        with suppress(*REFUSED):
            _records.parse(data, record, types, source.choice((CODECS, {})), 1 << 20, small)
    with suppress(*REFUSED):
        _records.rows(data, 1, source.choice((0, 1 << 31)))
    place = (0, source.randrange(300), source.randrange(300), source.randrange(300), 1, None)
    with suppress(*REFUSED):
        _records.raws(data, source.choice((0, 9, 1 << 60)), [source.choice((place, None, (1,)))])  # type: ignore[list-item]
    bodies: list[Any] = [(id, (0, 1, source.randbytes(source.randrange(70)), None)) for id in ids]
    bodies += source.choice(([], [None], [(ids[0], (300, 1, b"", None))], [(b"x", (0, 1, b"", 5))]))
    with suppress(*REFUSED):
        _records.make(source.choice((1, 4, 255)), bodies)


KINDS: tuple[Callable[[list[Case], random.Random], None], ...] = (
    decoding, decoding, decoding, planes, planes, classes, classes, cutting, comparing, files, small,
    records,
)  # fmt: skip


def main(seconds: float) -> None:
    known, source = cases(), random.Random(os.environ.get("SEED", "1"))
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        for kind in KINDS:
            kind(known, source)
            count += 1
    print(f"{count} mutations, nothing found")


def prove() -> None:
    """The control: a read one byte behind a block of ours must be noticed."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        block = libc.malloc(100)
        libc.memcmp(ctypes.c_void_p(block), ctypes.c_void_p(block), ctypes.c_size_t(101))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] != 0, "AddressSanitizer is not in force"
    for module in (
        _cut,
        _planes,
        _rans,
        _compare,
        _read,
        _scan,
        _small,
        _write,
        _io,
        _faults,
        _records,
    ):
        assert b"__asan_init" in Path(str(module.__file__)).read_bytes(), module


if __name__ == "__main__":
    prove() if sys.argv[1] == "prove" else main(float(sys.argv[1]))
