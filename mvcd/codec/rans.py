"""Classes of differences by rANS in short Python: what `rans.c` computes, bit for bit (CODEC.md, RANS)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from mvcd.codec.planes import _ordered, _unordered, _xor
from mvcd.ids import Bytes

LANES: Final = 32
SCALE_BITS: Final = 10
SCALE: Final = 1 << SCALE_BITS
LOW: Final = 1 << 15
"""The least state; the greatest is below 2^31, so that a word of 16 bits brings any state back in one step."""
MAX_CONTEXTS: Final = 8
FLAG_FLOATS: Final = 1
FLAG_SKIPS: Final = 2
SAMPLES: Final = 128
SKIP_BITS: Final = 64
"""Bits that one step without change must save on average before the map of steps is written."""


class Model(NamedTuple):
    """What the header says, but for tables: how elements become classes, and contexts."""

    width: int
    floats: bool
    shift: int
    contexts: int
    top: int
    bias: int

    @property
    def bits(self) -> int:
        return 8 * self.width

    def fold(self, x: int, y: int) -> int:
        """`x` as a folded difference from the base's element `y`."""
        bits = self.bits
        d = (self._value(x) - self._value(y) - self.bias) % (1 << bits)
        return (d << 1) % (1 << bits) ^ -(d >> (bits - 1)) % (1 << bits)

    def unfold(self, folded: int, y: int) -> int:
        bits = self.bits
        d = folded >> 1 ^ -(folded % 2)
        x = (d + self._value(y) + self.bias) % (1 << bits)
        return _unordered(x, bits) if self.floats else x

    def context(self, y: int) -> int:
        magnitude = y % (1 << (self.bits - 1))
        return min(max(self.top - (magnitude >> self.shift), 0), self.contexts - 1)

    def _value(self, x: int) -> int:
        return _ordered(x, self.bits) if self.floats else x


def class_of(folded: int) -> int:
    if folded < 2:
        return folded
    length = folded.bit_length()
    return 2 * (length - 1) + (folded >> (length - 2)) % 2


def rest_bits(symbol: int) -> int:
    """Bits below a class: those of the folded difference that it does not tell."""
    return max((symbol >> 1) - 1, 0)


def encode(data: Bytes, base: Bytes, width: int, floats: bool, shift: int) -> bytes:
    """The body. `base` is as long as `data`; `shift` tells where the base's exponent begins: its lowest bit."""
    raw, other = bytes(data), bytes(base)
    xs, ys = _elements(raw, width), _elements(other, width)
    model = guess(xs, ys, width, floats, shift)
    folded = [model.fold(x, y) for x, y in zip(xs, ys, strict=True)]
    symbols = [class_of(v) for v in folded]
    contexts = [model.context(y) for y in ys]
    coded = [any(symbols[t : t + LANES]) for t in range(0, len(xs), LANES)]
    skips = (len(coded) - sum(coded)) * SKIP_BITS > len(coded)
    kept = [i for i in range(len(xs)) if coded[i // LANES] or not skips]
    tables = [
        frequencies([symbols[i] for i in kept if contexts[i] == c], 2 * model.bits)
        for c in range(model.contexts)
    ]
    classes, rests = _Coder(), _Coder()
    for i in reversed(kept):
        before = list(accumulate(tables[contexts[i]], initial=0))
        classes.put(i % LANES, tables[contexts[i]][symbols[i]], before[symbols[i]])
        if i % LANES == 0:  # the words of a step: what a reader takes last was written first
            step = [
                (j % LANES, folded[j], rest_bits(symbols[j]))
                for j in range(i, min(i + LANES, len(xs)))
            ]
            rests.put_step(step)
    n = len(xs) * width
    flags = FLAG_FLOATS * floats | FLAG_SKIPS * skips
    return b"".join(
        (
            bytes([flags, shift, model.contexts, 0]),
            model.top.to_bytes(width, "little"),
            model.bias.to_bytes(width, "little"),
            len(classes.words).to_bytes(4, "little"),
            _bitmap(coded) if skips else b"",
            *(_write_table(table) for table in tables),
            *(x.to_bytes(4, "little") for x in (*classes.states, *rests.states)),
            classes.stream(),
            rests.stream(),
            _xor(raw[n:], other[n:]),
        )
    )


def guess(xs: Sequence[int], ys: Sequence[int], width: int, floats: bool, shift: int) -> Model:
    """Contexts from the greatest exponent but for one base element in 128 on; as bias the median difference
    where at least three quarters of them have its sign, as in averages of squares. Both from 128 elements."""
    sample = [len(xs) * k // SAMPLES for k in range(SAMPLES)] if xs else []
    if not floats or not sample:
        return Model(width, floats, shift, 1, 0, 0)
    bits = 8 * width
    exponents = sorted(ys[i] % (1 << (bits - 1)) >> shift for i in sample)
    model = Model(width, floats, shift, MAX_CONTEXTS, exponents[SAMPLES - 2], 0)
    half = 1 << (bits - 1)
    unbiased = [
        (_ordered(xs[i], bits) - _ordered(ys[i], bits) + half) % (1 << bits) - half for i in sample
    ]
    unbiased.sort()
    quarter, median, last = (unbiased[SAMPLES * k // 4] for k in (1, 2, 3))
    biased = (quarter > 0) == (last > 0) and quarter != 0 and last != 0
    return model._replace(bias=median % (1 << bits) if biased else 0)


def frequencies(symbols: Sequence[int], alphabet: int) -> list[int]:
    """Frequencies that add up to SCALE, at least 1 for each class that occurs; all 0 if none does."""
    total = len(symbols)
    counts = [symbols.count(s) for s in range(alphabet)]
    found = [max(1, (2 * c * SCALE + total) // (2 * total)) if c else 0 for c in counts]
    while total and sum(found) > SCALE:
        found[found.index(max(found))] -= 1
    if total:
        found[found.index(max(found))] += SCALE - sum(found)
    return found


class _Coder:
    """The states of all lanes and the words they gave out, the last one first."""

    def __init__(self) -> None:
        self.states = [LOW] * LANES
        self.words: list[int] = []

    def put(self, lane: int, frequency: int, start: int) -> None:
        x = self.states[lane]
        if x >= frequency << (31 - SCALE_BITS):
            self.words.append(x & 0xFFFF)
            x >>= 16
        self.states[lane] = (x // frequency << SCALE_BITS) + x % frequency + start

    def put_step(self, step: list[tuple[int, int, int]]) -> None:
        """(lane, value, bits of it) of all lanes of a step: the upper bits, then the words of 16 below them."""
        for lane, value, bits in reversed(step):
            x, some = self.states[lane], bits % 16
            if x >= 1 << (31 - some):
                self.words.append(x & 0xFFFF)
                x >>= 16
            self.states[lane] = x << some | value % (1 << bits) >> (bits - some)
        for place in (32, 16, 0):
            self.words += [
                v >> place & 0xFFFF for _, v, bits in reversed(step) if bits >= place + 16
            ]

    def stream(self) -> bytes:
        return b"".join(word.to_bytes(2, "little") for word in reversed(self.words))


def decode(body: Bytes, size: int, base: Bytes, width: int) -> bytes:
    """The raw bytes. Raises ValueError if the body is not of the form."""
    reader, tail = _Reader(bytes(body)), size % width
    n, bits = size // width, 8 * width
    flags, shift, contexts, zero = reader.take(4)
    top, bias, words = reader.number(width), reader.number(width), reader.number(4)
    known = FLAG_SKIPS | (FLAG_FLOATS if width > 1 else 0)
    if flags & ~known or shift >= bits or not 1 <= contexts <= MAX_CONTEXTS or zero:
        raise ValueError("flags, shift or contexts are none of ours")
    model = Model(width, bool(flags & FLAG_FLOATS), shift, contexts, top, bias)
    steps = (n + LANES - 1) // LANES
    coded = [True] * steps
    if flags & FLAG_SKIPS:
        bitmap = int.from_bytes(reader.take((steps + 7) // 8), "little")
        if bitmap >> steps:
            raise ValueError("the map of steps has bits beyond the last")
        coded = [bool(bitmap >> t & 1) for t in range(steps)]
    tables = [_read_table(reader, 2 * bits) for _ in range(contexts)]
    states = [reader.number(4) for _ in range(2 * LANES)]
    if not all(LOW <= x < 1 << 31 for x in states):
        raise ValueError("a state is out of range")
    classes = _Words(reader.take(2 * words), states[:LANES])
    left = len(reader.body) - reader.at - tail
    if left < 0 or left % 2:
        raise ValueError("the streams have another length")
    rests = _Words(reader.take(left), states[LANES:])
    ys = _elements(bytes(base), width)
    data = bytearray()
    for t in range(steps):
        step = ys[LANES * t : LANES * (t + 1)]
        folded = [0] * len(step)
        if coded[t]:
            symbols = [
                classes.symbol(lane, tables[model.context(y)]) for lane, y in enumerate(step)
            ]
            folded = rests.step(symbols)
        for v, y in zip(folded, step, strict=True):
            data += model.unfold(v, y).to_bytes(width, "little")
    for stream in (classes, rests):
        stream.require_end()
    return bytes(data) + _xor(reader.take(tail), bytes(base)[n * width :])


class _Reader:
    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def take(self, size: int) -> bytes:
        self.at += size
        if self.at > len(self.body):
            raise ValueError("the body is too short")
        return self.body[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")


class _Words:
    """The states of all lanes, and the words that feed them."""

    def __init__(self, stream: bytes, states: list[int]) -> None:
        self._words = _elements(stream, 2)
        self._at = 0
        self._states = states

    def _next(self) -> int:
        if self._at == len(self._words):
            raise ValueError("a stream is too short")
        self._at += 1
        return self._words[self._at - 1]

    def _feed(self, lane: int, x: int) -> None:
        self._states[lane] = x << 16 | self._next() if x < LOW else x

    def symbol(self, lane: int, table: list[int]) -> int:
        x = self._states[lane]
        slot, start = x % SCALE, 0
        for symbol, frequency in enumerate(table):
            if slot < start + frequency:
                self._feed(lane, frequency * (x >> SCALE_BITS) + slot - start)
                return symbol
            start += frequency
        raise AssertionError("frequencies add up to SCALE")

    def step(self, symbols: list[int]) -> list[int]:
        """The folded differences of the lanes of a step."""
        bits = [rest_bits(symbol) for symbol in symbols]
        low = [0] * len(symbols)
        for place in (0, 16, 32):
            for lane, length in enumerate(bits):
                if length >= place + 16:
                    low[lane] |= self._next() << place
        found = []
        for lane, (symbol, length) in enumerate(zip(symbols, bits, strict=True)):
            some, x = length % 16, self._states[lane]
            rest = (x % (1 << some)) << (length - some) | low[lane]
            found.append(symbol if symbol < 2 else (2 + symbol % 2) << length | rest)
            self._feed(lane, x >> some)
        return found

    def require_end(self) -> None:
        if self._at != len(self._words) or self._states != [LOW] * LANES:
            raise ValueError("words are left, or a state is not the first one")


def _read_table(reader: _Reader, alphabet: int) -> list[int]:
    bitmap = reader.number(alphabet // 8)
    found = [0] * alphabet
    for symbol in range(alphabet):
        if bitmap >> symbol & 1:
            first = reader.take(1)[0]
            found[symbol] = 1 + (first if first < 128 else (first - 128) << 8 | reader.take(1)[0])
    if not bitmap:
        found[0] = SCALE
    if sum(found) != SCALE:
        raise ValueError("frequencies do not add up")
    return found


def _write_table(table: list[int]) -> bytes:
    stored = b""
    for frequency in filter(None, table):
        less = frequency - 1
        stored += bytes([less]) if less < 128 else bytes([128 | less >> 8, less & 255])
    return _bitmap([bool(f) for f in table]) + stored


def _bitmap(flags: Sequence[bool]) -> bytes:
    value = sum(flag << i for i, flag in enumerate(flags))
    return value.to_bytes((len(flags) + 7) // 8, "little")


def _elements(data: bytes, width: int) -> list[int]:
    return list(_each(data, width))


def _each(data: bytes, width: int) -> Iterator[int]:
    for at in range(0, len(data) // width * width, width):
        yield int.from_bytes(data[at : at + width], "little")
