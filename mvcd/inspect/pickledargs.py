"""The attributes of one pickled object, read without running any of it: transformers' `training_args.bin`.

A pickle is a program, and unpickling runs whatever it names. Here `pickletools` only takes the opcodes apart,
and what they would build is inert: dicts, lists, text, numbers, and for every other object its attributes or
the arguments it was made from. Nothing is imported or called. Bounded by MAX_PICKLE_BYTES bytes and MAX_OPCODES
opcodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mvcd.inspect.spans import NotThisFormat

MAX_PICKLE_BYTES = 1 << 20
MAX_OPCODES = 100_000
_MAX_LEVELS = 8


class _Name(str):
    """What a GLOBAL names, "module.name"."""

    __slots__ = ()


class _Object:
    __slots__ = ("args", "kind", "state")

    def __init__(self, kind: Any, args: Any) -> None:
        self.kind, self.args, self.state = kind, args, None


def attributes(data: bytes) -> dict[str, object]:
    """Returns those of the pickled object: plain values, enumerations as their value, no other objects.

    Raises NotThisFormat, also for a pickle of something without attributes, or past a limit.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise NotThisFormat("pickle too large")
    try:
        root = _run(data)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise NotThisFormat("not a pickle of this kind") from error
    state = (root.state or {}) if isinstance(root, _Object) else root
    if not isinstance(state, dict):
        raise NotThisFormat("no object with attributes")
    found = _Plainly().of(state)
    return found if isinstance(found, dict) else {}


_LEFT_OUT = object()


class _Plainly:
    """Values as they may be kept. Counts what it visits, for a pickle of a few bytes can share one list 2^60
    times, or contain itself."""

    def __init__(self) -> None:
        self._visits = 0

    def of(self, value: object, depth: int = 0) -> object:
        self._visits += 1
        if self._visits > MAX_OPCODES or depth > _MAX_LEVELS:
            return _LEFT_OUT
        if isinstance(value, _Object):
            args = value.args if isinstance(value.args, (tuple, list)) else ()
            plain = len(args) == 1 and isinstance(args[0], (str, int, float))
            return args[0] if plain else _LEFT_OUT  # an enumeration's value, a device's name
        if isinstance(value, dict):
            pairs = ((str(key), self.of(item, depth + 1)) for key, item in value.items())
            return {key: item for key, item in pairs if item is not _LEFT_OUT}
        if isinstance(value, (list, tuple)):
            items = (self.of(item, depth + 1) for item in value)
            return [item for item in items if item is not _LEFT_OUT]
        return value if isinstance(value, (str, int, float, type(None))) else _LEFT_OUT


# ---------------------------------------------------------------- opcodes


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def marked(self) -> list[Any]:
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return items

    def tuple_of(self, count: int) -> None:
        if count > len(self.stack):
            raise IndexError("stack too short")
        items = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        self.stack.append(items)

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        items = zip(pairs[::2], pairs[1::2], strict=True)
        if isinstance(target, dict):
            target.update({key: value for key, value in items if type(key) in (str, int)})

    def append(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], _Object):
            plain = state[0] if isinstance(state, tuple) and len(state) == 2 else state
            self.stack[-1].state = plain

    def call(self, operands: int) -> None:
        """REDUCE and its like: a function or class, and what it is given."""
        parts = self.stack[len(self.stack) - operands :]
        if len(parts) < operands:
            raise IndexError("stack too short")
        del self.stack[len(self.stack) - operands :]
        kind, args = parts[0], parts[1]
        made: Any = {} if kind == "collections.OrderedDict" and not args else _Object(kind, args)
        self.stack.append(made)

    def global_(self, name: str) -> None:
        self.stack.append(_Name(".".join(name.split(" ", 1))))

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_Name(f"{module}.{name}"))


def _run(data: bytes) -> Any:
    import pickletools  # late: start-up

    machine = _Machine()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if count >= MAX_OPCODES:
            raise NotThisFormat("pickle too long")
        if opcode.name == "STOP":
            return machine.stack.pop()
        _ACTIONS[opcode.name](machine, argument)
    raise ValueError("no end")


def _push(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


_ACTIONS: Mapping[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda _, __: None,
    "FRAME": lambda _, __: None,
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.marked(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "BINPUT": lambda m, at: m.memo.__setitem__(at, m.stack[-1]),
    "LONG_BINPUT": lambda m, at: m.memo.__setitem__(at, m.stack[-1]),
    "MEMOIZE": lambda m, _: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    "BINGET": lambda m, at: m.stack.append(m.memo[at]),
    "LONG_BINGET": lambda m, at: m.stack.append(m.memo[at]),
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    **dict.fromkeys(
        """BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING
           SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8""".split(),
        _push,
    ),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_SET": lambda m, _: m.stack.append([]),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "TUPLE1": lambda m, _: m.tuple_of(1),
    "TUPLE2": lambda m, _: m.tuple_of(2),
    "TUPLE3": lambda m, _: m.tuple_of(3),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.marked())),
    "FROZENSET": lambda m, _: m.stack.append(m.marked()),
    "APPEND": lambda m, _: m.append([m.stack.pop()]),
    "APPENDS": lambda m, _: m.append(m.marked()),
    "ADDITEMS": lambda m, _: m.append(m.marked()),
    "SETITEM": lambda m, _: m.set_items([m.stack.pop(-2), m.stack.pop()]),
    "SETITEMS": lambda m, _: m.set_items(m.marked()),
    "GLOBAL": lambda m, name: m.global_(name),
    "STACK_GLOBAL": lambda m, _: m.stack_global(),
    "BINPERSID": lambda m, _: m.stack.append(_Object("", (m.stack.pop(),))),
    "REDUCE": lambda m, _: m.call(2),
    "NEWOBJ": lambda m, _: m.call(2),
    "NEWOBJ_EX": lambda m, _: m.call(3),
    "BUILD": lambda m, _: m.build(),
}
