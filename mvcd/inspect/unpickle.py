"""Pickles read without running any of them: values of our own, inert, built from their opcodes.

A pickle is a program; unpickling runs whatever it names. This reader knows the opcodes of protocols 2 to 5
(CPython's `pickletools` documents each) and makes dicts, lists, tuples, short strings and numbers, `Raw` for
bytes, and a `Thing` for every other object. Globals are names, never imported; what a call of one makes is for
the reader of a format to say. An unknown opcode, or one limit passed, ends the reading with NotThisFormat.

What cannot lead to a tensor is forgotten as it passes, and long runs of numbers are passed over by a regular
expression: a list of millions of them costs 50 ns an item and no memory. The pickle itself is read by windows,
and bytes within it are passed over unread. 100,000 tensors of torch take four million opcodes, 4 s and 150 MB.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from mvcd.inspect.spans import MAX_NAME_BYTES, NotThisFormat, ReadAt

_WINDOW_BYTES = 1 << 20
_LONGEST_RUN_BYTES = 64 << 10
"""Bytes of what one APPENDS puts in, which is 1000 items, as far as they are numbers."""

_MAX_OPCODES = 6_000_000
_MAX_OBJECTS = 2_000_000
"""Made and not forgotten again, at 60 to 100 bytes each."""

_MAX_LINE_BYTES = 512
_LONGEST_NUMBER_BYTES = 16  # bytes
_SHORTEST_RUN_BYTES = 48
"""Bytes of numbers for which the expressions below are worth their set-up."""


class Global(NamedTuple):
    """A class or function that a pickle names."""

    module: str
    name: str


class Raw(NamedTuple):
    """Bytes that a pickle holds: where they lie in the file, and how many."""

    at: int
    size: int


class Gap(NamedTuple):
    """Items of a list that were forgotten."""

    items: int


class Thing:
    """An object of no kind that is known: what it was made from, and what was put into it."""

    __slots__ = ("args", "items", "made_by", "state")

    def __init__(self, made_by: Any = None, args: Any = None) -> None:
        self.made_by = made_by
        self.args = args
        self.items: dict[Any, Any] | None = None
        self.state: Any = None


class Missing:
    """A value of no use: a long string, a big number, None."""

    __slots__ = ()


MISSING = Missing()

_USELESS = (int, float, bool, Missing, Global)


def no_call(function: Any, args: Any) -> Any:
    """What a call makes where nothing is known of the function."""
    return Thing(function, args)


def no_persistent(_: Any) -> Any:
    return MISSING


class Machine:
    """The pickle virtual machine over inert values. `call` says what a function makes of its arguments,
    `persistent` what a persistent id stands for, `built` is told of each object whose state was set, `keyed` of
    each item of a dict whose key is an object: it is kept nowhere else."""

    def __init__(
        self,
        source: bytes | ReadAt,
        call: Callable[[Any, Any], Any] = no_call,
        persistent: Callable[[Any], Any] = no_persistent,
        built: Callable[[Machine, Any], None] | None = None,
        keyed: Callable[[Thing, Any], None] | None = None,
        at: int = 0,
        end: int | None = None,
    ) -> None:
        """A pickle that begins at byte `at` of a file, and ends before `end` of it; of bytes, their own end."""
        if isinstance(source, bytes):
            self._read_at: ReadAt = lambda start, size: source[start : start + size]
            end = len(source) if end is None else end
        else:
            self._read_at = source
        assert end is not None, "a file has an end"
        self._end = end
        self._base = at  # of the window
        self.data = b""
        self.at = 0  # in the window
        self.call = call
        self.persistent = persistent
        self.built = built
        self.keyed = keyed
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # stacks below each MARK
        self.memo: list[Any] = []
        self.objects = 0

    def run(self) -> Any:
        """The pickle's value; `position` is then behind it. Raises NotThisFormat."""
        try:
            return self._run()
        except (LookupError, ValueError, TypeError, AttributeError, struct.error) as error:
            raise NotThisFormat("not a pickle of this kind") from error

    def _run(self) -> Any:
        actions = _ACTIONS
        for left in range(_MAX_OPCODES, 0, -1):
            if self.at >= len(self.data):
                self.fill(1)
            opcode = self.data[self.at]
            self.at += 1
            if opcode == 0x2E:  # STOP
                return self.stack.pop()
            actions[opcode](self)
            if not left & 0xFFF and self.objects > _MAX_OBJECTS:
                raise NotThisFormat("a pickle of more objects than we keep")
        raise NotThisFormat("pickle too long")

    # ------------------------------------------------------------ operands

    @property
    def position(self) -> int:
        """In the file."""
        return self._base + self.at

    def fill(self, count: int) -> None:
        """Moves the window to where the machine is. Raises ValueError unless `count` bytes follow."""
        position = self.position
        left = self._end - position
        self._base, self.at = position, 0
        self.data = (
            self._read_at(position, min(max(count, _WINDOW_BYTES), left)) if count <= left else b""
        )
        if len(self.data) < count:
            raise ValueError("truncated")

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            self.fill(count)
            end = count
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def skip(self, count: int) -> None:
        if count > self._end - self.position:
            raise ValueError("truncated")
        if self.at + count <= len(self.data):
            self.at += count
        else:
            self._base, self.at, self.data = self.position + count, 0, b""

    def _see(self, count: int) -> None:
        """Has `count` bytes in the window, or all that follow."""
        left = self._end - self.position
        if len(self.data) - self.at < min(count, left):
            self.fill(min(count, left))

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        self._see(_MAX_LINE_BYTES)
        end = self.data.index(b"\n", self.at, self.at + _MAX_LINE_BYTES)
        text = self.data[self.at : end].decode("utf-8")
        self.at = end + 1
        return text

    # ------------------------------------------------------------ the stack

    def marked(self) -> list[Any]:
        items = self.stack
        self.stack = self.outer.pop()
        return items

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def made(self, value: Any) -> None:
        self.objects += 1
        self.stack.append(value)

    def mark(self) -> None:
        self.outer.append(self.stack)
        self.stack = []
        self.objects += 1
        if self.at >= len(self.data):
            self._see(1)
        if self.at < len(self.data) and self.data[self.at] in _BEGINS_RUN:
            self._pass_over()

    def _pass_over(self) -> None:
        """A run of numbers, and tuples of them, that is all of what the coming APPENDS or SETITEMS puts in."""
        self._see(_LONGEST_RUN_BYTES)
        run = _RUN.match(self.data, self.at)
        if run is None or run.end() - self.at < _SHORTEST_RUN_BYTES:
            return
        end = run.end()
        closing = self.data[end : end + 1]
        if closing not in (b"e", b"u"):
            return
        items, puts = 0, 0
        for token in _TOKEN.findall(self.data, self.at, end):
            opcode = token[0]
            if opcode in _PUTS:
                puts += 1
            else:
                items += _GROWTH.get(opcode, 1)
                if items <= 0:
                    raise ValueError("stack too short")
        self.at = end + 1
        self.memo.extend([MISSING] * puts)
        self.stack = self.outer.pop()
        target = self.stack[-1]
        if closing == b"e" and type(target) is list:
            _forget(target, items)

    def text(self, width: int) -> None:
        size = self.number(width)
        if size > MAX_NAME_BYTES:
            self.skip(size)
            self.stack.append(MISSING)
        else:
            self.objects += 1 + size // 64
            self.stack.append(self.take(size).decode("utf-8"))

    def raw(self, width: int) -> None:
        size = self.number(width)
        at = self.position
        self.skip(size)
        self.made(Raw(at, size))

    def long(self, width: int) -> None:
        size = self.number(width)
        if size > _LONGEST_NUMBER_BYTES:
            self.skip(size)
            self.push(MISSING)
        else:
            self.made(int.from_bytes(self.take(size), "little", signed=True))

    # ------------------------------------------------------------ containers

    def tuple_of(self, count: int) -> None:
        if count > len(self.stack):
            raise IndexError("stack too short")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.made(items)

    def tuple_marked(self) -> None:
        items = tuple(self.marked())
        self.made(items)

    def frozenset_(self) -> None:
        self.marked()
        self.made(Thing())

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Thing):
            target.items = items = {} if target.items is None else target.items
        else:
            items = target
        if type(items) is not dict:
            raise TypeError("items of something that has none")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) in (str, int):  # a path needs a plain key; no other key is hashed
                items[key] = value
            elif self.keyed is not None and type(key) is Thing:
                self.keyed(key, value)

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is list:
            if len(values) > 1 and all(type(value) in _USELESS for value in values):
                self.objects -= len(values)
                _forget(target, len(values))
            else:
                target.extend(values)
        elif not isinstance(target, Thing):  # a set, or a list's subclass: no paths lead into it
            raise TypeError("append to something that is no list")

    # ------------------------------------------------------------ objects

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Thing):
            target.state = state
            if self.built is not None:
                self.built(self, target)

    def reduce(self) -> None:
        args = self.stack.pop()
        self.made(self.call(self.stack.pop(), args))

    def new(self, operands: int) -> None:
        made_by, args = self.stack[-operands], self.stack[1 - operands]
        del self.stack[-operands:]
        self.made(Thing(made_by, args))

    def global_(self) -> None:
        module = self.line()
        self.made(Global(module, self.line()))

    def stack_global(self) -> None:
        name = self.stack.pop()
        module = self.stack.pop()
        self.made(Global(module, name) if type(module) is type(name) is str else MISSING)

    # ------------------------------------------------------------ the memo

    def put(self, index: int) -> None:
        """Picklers number what they put in turn; `pickletools.optimize` does too."""
        value = self.stack[-1]
        if index == len(self.memo):
            self.memo.append(value)
        else:
            self.memo[index] = value

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])


def _forget(target: list[Any], count: int) -> None:
    """Adds `count` items that are of no use, as one."""
    if target and type(target[-1]) is Gap:
        target[-1] = Gap(target[-1].items + count)
    else:
        target.append(Gap(count))


_LONGS = b"|".join(b"\\x8a" + bytes([size]) + b".{%d}" % size for size in range(1, 9))
_TOKENS = rb"[N\x88\x89)]|K.|M..|J.{4}|G.{8}|" + _LONGS + rb"|[\x85-\x87]|q.|r.{4}|\x94"
_TOKEN = re.compile(_TOKENS, re.DOTALL)
_RUN = re.compile(rb"(?:" + _TOKENS + rb")+", re.DOTALL)
_BEGINS_RUN = frozenset(b"N\x88\x89)KMJG\x8a")
_PUTS = frozenset(b"qr\x94")
_GROWTH = {0x85: 0, 0x86: -1, 0x87: -2}
"""What a tuple's opcode does to the number of items; numbers add one."""

_ACTIONS: dict[int, Callable[[Machine], object]] = {
    0x80: lambda m: m.take(1),  # PROTO
    0x95: lambda m: m.take(8),  # FRAME
    0x28: Machine.mark,
    0x30: lambda m: m.stack.pop(),  # POP
    0x31: lambda m: m.marked(),  # POP_MARK
    0x32: lambda m: m.push(m.stack[-1]),  # DUP
    # the memo
    0x71: lambda m: m.put(m.number(1)),  # BINPUT
    0x72: lambda m: m.put(m.number(4)),  # LONG_BINPUT
    0x94: lambda m: m.memo.append(m.stack[-1]),  # MEMOIZE
    0x68: lambda m: m.get(m.number(1)),  # BINGET
    0x6A: lambda m: m.get(m.number(4)),  # LONG_BINGET
    # scalars
    0x4E: lambda m: m.push(MISSING),  # NONE
    0x88: lambda m: m.push(True),  # NEWTRUE
    0x89: lambda m: m.push(False),  # NEWFALSE
    0x4B: lambda m: m.push(m.number(1)),  # BININT1
    0x4D: lambda m: m.made(m.number(2)),  # BININT2
    0x4A: lambda m: m.made(int.from_bytes(m.take(4), "little", signed=True)),  # BININT
    0x8A: lambda m: m.long(1),  # LONG1
    0x8B: lambda m: m.long(4),  # LONG4
    0x47: lambda m: m.made(struct.unpack(">d", m.take(8))[0]),  # BINFLOAT
    0x58: lambda m: m.text(4),  # BINUNICODE
    0x8C: lambda m: m.text(1),  # SHORT_BINUNICODE
    0x8D: lambda m: m.text(8),  # BINUNICODE8
    0x54: lambda m: m.raw(4),  # BINSTRING
    0x55: lambda m: m.raw(1),  # SHORT_BINSTRING
    0x42: lambda m: m.raw(4),  # BINBYTES
    0x43: lambda m: m.raw(1),  # SHORT_BINBYTES
    0x8E: lambda m: m.raw(8),  # BINBYTES8
    0x96: lambda m: m.raw(8),  # BYTEARRAY8
    # containers
    0x5D: lambda m: m.made([]),  # EMPTY_LIST
    0x7D: lambda m: m.made({}),  # EMPTY_DICT
    0x8F: lambda m: m.made(Thing()),  # EMPTY_SET
    0x29: lambda m: m.push(()),  # EMPTY_TUPLE
    0x85: lambda m: m.tuple_of(1),
    0x86: lambda m: m.tuple_of(2),
    0x87: lambda m: m.tuple_of(3),
    0x74: Machine.tuple_marked,
    0x61: lambda m: m.append([m.stack.pop()]),  # APPEND
    0x65: lambda m: m.append(m.marked()),  # APPENDS
    0x90: lambda m: m.append(m.marked()),  # ADDITEMS
    0x91: Machine.frozenset_,
    0x73: lambda m: m.set_items([m.stack.pop(-2), m.stack.pop()]),  # SETITEM
    0x75: lambda m: m.set_items(m.marked()),  # SETITEMS
    # objects
    0x63: Machine.global_,
    0x93: Machine.stack_global,
    0x51: lambda m: m.made(m.persistent(m.stack.pop())),  # BINPERSID
    0x52: Machine.reduce,
    0x81: lambda m: m.new(2),  # NEWOBJ
    0x92: lambda m: m.new(3),  # NEWOBJ_EX
    0x62: Machine.build,
}
