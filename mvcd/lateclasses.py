"""Dataclasses whose methods are written when they are first used, and named tuples whose types are not read:
for modules that every command imports.

`dataclasses` writes and compiles up to six methods for each class as its module is imported, 0.4 to 0.6 ms of
it: with some twenty such classes a seventh of the time of `mvc status`, which makes values of eight of them and
compares none. Here a class has descriptors instead, each of which writes its method when it is asked for and
puts it in its own place. The methods are those of `dataclasses`, as is what its functions (`fields`, `replace`,
`asdict`) find; a test holds both against each other.

Only what is used is here: no base class with fields, no order, no fields by keyword alone.

`typing.NamedTuple` compiles the type of each field to see that it is one: half of what such a class costs, 3 to
4 ms of each command. Type checkers see to that, and who asks for types (`typing.get_type_hints`) reads them.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import namedtuple
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import NamedTuple
else:

    class _Rows(type):
        """Makes a class of tuples of a class with fields."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.get("__annotations__", {})
            defaults = [body[field] for field in fields if field in body]
            if any(field in body for field in [*fields][: len(fields) - len(defaults)]):
                raise TypeError(f"{name} has a field without a default behind one with it")
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            made.__annotations__ = made.__new__.__annotations__ = fields
            for key, value in body.items():
                if key not in fields and key not in _SET_ALREADY:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Rows):
        """A base class as `typing.NamedTuple` is one. Raises TypeError for fields in a wrong order."""

    def dataclass(
        plain: type | None = None,
        /,
        *,
        frozen: bool = False,
        slots: bool = False,
        eq: bool = True,
        repr: bool = True,
    ) -> Any:
        """Makes a dataclass of a class as `dataclasses.dataclass` does.

        Raises TypeError for a class whose bases are dataclasses.
        """
        asked = {"frozen": frozen, "eq": eq, "repr": repr}
        if plain is not None:
            return _made(plain, asked, slots=slots)
        return lambda plain: _made(plain, asked, slots=slots)


__all__ = ["NamedTuple", "dataclass"]

_SET_ALREADY = ("__module__", "__annotations__", "__classcell__")

_COPIED = ("__dict__", "__weakref__")
"""What a class has because it has no slots."""
_NOTHING = {"init": False, "repr": False, "eq": False}
_ASKED = {"__repr__": {"repr": True}, "__eq__": {"eq": True}, "__hash__": {"eq": True}}
"""What of a dataclass each method comes from: the less is asked for, the less is compiled."""


class _Factory:
    """Stands for a default that is made anew for each value."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _made(plain: Any, asked: dict[str, bool], *, slots: bool) -> Any:
    if any(dataclasses.is_dataclass(base) for base in plain.__mro__[1:]):
        raise TypeError(f"{plain.__name__} has a base with fields")
    names = tuple(plain.__annotations__)
    had = {name: value for name, value in vars(plain).items() if name not in _COPIED}
    late = ["__init__", "__dataclass_fields__", "__dataclass_params__"]
    late += [f"__{name}__" for name in ("repr", "eq") if asked[name]]
    new: dict[str, Any] = {"__match_args__": names}
    if asked["eq"] and "__hash__" not in had:
        new["__hash__"] = None
        late += ["__hash__"] if asked["frozen"] else []
    new |= {name: _Late(name, had, asked) for name in late if had.get(name) is None}
    if asked["frozen"]:
        new |= {"__setattr__": _refuse_change, "__delattr__": _refuse_removal}
    if slots:
        body = {name: value for name, value in had.items() if name not in names} | new
        body |= {"__slots__": names, "__qualname__": plain.__qualname__}
        if asked["frozen"]:
            body |= {"__getstate__": _state, "__setstate__": _put_state}
        return type(plain)(plain.__name__, plain.__bases__, body)
    for name, value in new.items():
        setattr(plain, name, value)
    for name in names:
        if isinstance(value := had.get(name), dataclasses.Field):
            delattr(plain, name)
            if value.default is not dataclasses.MISSING:
                setattr(plain, name, value.default)
    return plain


class _Late:
    """A name of a dataclass that is not bound to what it stands for yet."""

    def __init__(self, name: str, body: dict[str, Any], asked: dict[str, bool]) -> None:
        self._name, self._body, self._asked = name, body, asked

    def __get__(self, value: object, kind: type) -> Any:
        home = next((one for one in kind.__mro__ if vars(one).get(self._name) is self), None)
        if home is not None:  # else another thread was here since the name was looked up
            written = self._written(home)
            if callable(written):
                written.__qualname__ = f"{home.__qualname__}.{self._name}"
            setattr(home, self._name, written)
        return getattr(kind if value is None else value, self._name)

    def _written(self, home: Any) -> Any:
        if self._name == "__init__":
            return _init(
                self._body, home.__match_args__, home.__module__, frozen=self._asked["frozen"]
            )
        part = {**_NOTHING, **_ASKED.get(self._name, self._asked), "frozen": self._asked["frozen"]}
        plain = type(home)(home.__name__, home.__bases__, dict(self._body))
        return vars(dataclasses.dataclass(**part)(plain))[self._name]


def _init(body: dict[str, Any], names: tuple[str, ...], module: str, *, frozen: bool) -> Any:
    """As `dataclasses` writes it, which compiles two more methods of a frozen class with it."""
    known: dict[str, Any] = {"_put": object.__setattr__, "_FACTORY": _FACTORY}
    words, lines = ["self"], []
    for name in names:
        default, value = body.get(name, dataclasses.MISSING), name
        if isinstance(default, dataclasses.Field):
            if default.default_factory is not dataclasses.MISSING:
                known[f"_make_{name}"] = default.default_factory
                value = f"_make_{name}() if {name} is _FACTORY else {name}"
                default = _FACTORY
            else:
                default = default.default
        if default is not dataclasses.MISSING:
            known[f"_default_{name}"] = default
        words.append(name if default is dataclasses.MISSING else f"{name}=_default_{name}")
        lines.append(f"_put(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    lines += ["self.__post_init__()"] if "__post_init__" in body else []
    text = (
        f"def _make({', '.join(known)}):\n def __init__({', '.join(words)}):\n  "
        + "\n  ".join(lines or ["pass"])
        + "\n return __init__"
    )
    made: dict[str, Any] = {}
    exec(text, vars(sys.modules[module]), made)  # noqa: S102
    written = made["_make"](**known)
    written.__annotations__ = {**body.get("__annotations__", {}), "return": None}
    return written


def _refuse_change(_: object, name: str, __: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_removal(_: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[object]:
    return [getattr(self, name) for name in self.__slots__]


def _put_state(self: Any, state: list[object]) -> None:
    for name, value in zip(self.__slots__, state, strict=True):
        object.__setattr__(self, name, value)
