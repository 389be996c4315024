"""Makes the API's values from the engine's: `public(Branch, found)`.

A field is the engine's of the same name, changed as the annotations of the two classes ask:

    a digest                                 becomes 64 hex digits
    `time_us`, with `utc_offset_minutes`     becomes `time`, an aware datetime
    an enum, where `str` is asked            becomes its text, or its name in small letters
    a value of the engine's                  becomes the API's value of the field's type
    a tuple, a list, a mapping, an option    becomes one of what is made of what it holds

What has another name, or is worked out, is said at the class, by `made_from`. Both classes are read once,
at the first value; a field that nothing explains is a TypeError then, and a test does that for every class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from functools import cache, cached_property, lru_cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mvcd.ids import Digest
from mvcd.lateclasses import NamedTuple

T = TypeVar("T")
Change = Callable[[Any], Any]
Maker = Callable[..., Any]
"""Makes a value of the API's of one of the engine's and, where it needs them, of fields that are given."""

Source = str | Change
"""Source of a field: the dotted name of a field of the engine's value, or a function of the value."""


class _Origins(NamedTuple):
    """What a class says of its fields."""

    parts: tuple[str, ...] = ()
    fields: Mapping[str, Source] = MappingProxyType({})


_ORIGINS: dict[type, _Origins] = {}
_MAKERS: dict[tuple[Any, ...], Maker] = {}


def made_from(*parts: str, **fields: Source) -> Callable[[type[T]], type[T]]:
    """Says of a class where the fields are that the engine's value does not have by their names.

    `fields` each have their source. The others are looked for in the value, then in these of its `parts`.
    """

    def say(kind: type[T]) -> type[T]:
        _ORIGINS[kind] = _Origins(parts, fields)
        return kind

    return say


def public(kind: type[T], value: object, **given: object) -> T:
    """The API's value for one of the engine's; `given` are fields that the engine does not know.

    Raises TypeError if `kind` has a field that neither the engine's class, nor `made_from`, nor `given` has.
    """
    key = (kind, type(value), *given)
    make = _MAKERS.get(key)
    if make is None:
        make = _MAKERS[key] = maker(kind, type(value), frozenset(given))
    made: T = make(value, given)
    return made


def moment(time_us: int, utc_offset_minutes: int = 0) -> datetime:
    """Microseconds since 1970 as a datetime in the zone that was recorded with them."""
    return _epoch(utc_offset_minutes) + timedelta(microseconds=time_us)


@lru_cache
def _epoch(utc_offset_minutes: int) -> datetime:
    return datetime.fromtimestamp(0, timezone(timedelta(minutes=utc_offset_minutes)))


def maker(kind: type, of: type, given: frozenset[str] = frozenset()) -> Maker:
    """Returns what makes a `kind` of an `of`. Raises TypeError if that is not known.

    It is written as one call of the class and compiled, as dataclasses do it: 10,000 versions take 0.1 s so,
    and 0.14 s where a loop goes over their fields.
    """
    origins, hints = _ORIGINS.get(kind, _Origins()), _hints(kind)
    names = [one.name for one in fields(kind)]
    if unknown := (origins.fields.keys() | given) - set(names):
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    words, known = [], {"kind": kind, "moment": moment}
    for name in names:
        change: Change | None
        source = origins.fields.get(name)
        if name in given:
            word, change = f"given[{name!r}]", None
        elif callable(source):
            word, change = "value", source
        else:
            try:
                word, change = _found(of, source, name, hints[name], origins.parts)
            except TypeError as error:
                raise TypeError(f"{kind.__name__}.{name}: {error}") from None
        if change is not None:
            known[f"make_{name}"] = change
            word = f"make_{name}({word})"
        words.append(word)
    text = f"lambda value, given=(): kind({', '.join(words)})"
    made: Maker = eval(text, known)  # noqa: S307  # of names of fields, which are ours
    return made


def _found(
    of: type, source: str | None, name: str, to: Any, parts: tuple[str, ...]
) -> tuple[str, Change | None]:
    """The expression for what a field is made of, and how it is made of that."""
    places = ("", *(f"{part}." for part in parts))
    for path in [source] if source else [place + name for place in places]:
        found = _type_of(of, path)
        if found is not MISSING:
            return f"value.{path}", _change(to, found)
    for place in places if to is datetime and source is None else ():
        if _type_of(of, f"{place}{name}_us") is int:
            zone = f"{place}utc_offset_minutes"
            zoned = name == "time" and _type_of(of, zone) is int
            return f"moment(value.{place}{name}_us{f', value.{zone}' if zoned else ''})", None
    raise TypeError(f"{of.__qualname__} has no {source or name}")


# ---------------------------------------------------------------------- types

_UNIONS = (Union, UnionType)
_MAPPINGS = (Mapping, dict)
_PLAIN = {str, int, float, bool, NoneType, object, Any}
"""What may stand where anything may."""


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _type_of(of: Any, path: str) -> Any:
    """The type that `path` has in a class, by its annotations; MISSING without it."""
    for name in path.split("."):
        if not isinstance(of, type):
            return MISSING
        member = getattr(of, name, None)
        if name in _hints(of):
            of = _hints(of)[name]
        elif isinstance(member, property):
            of = get_type_hints(member.fget).get("return", MISSING)
        elif isinstance(member, cached_property):
            of = get_type_hints(member.func).get("return", MISSING)
        else:
            return MISSING
    return of


def _change(to: Any, of: Any) -> Change | None:
    """How a value of type `of` becomes one of type `to`; None: it is one. Raises TypeError if it cannot."""
    outer, other = get_origin(to), get_origin(of)
    change: Change | None = None
    if outer in _MAPPINGS and other in _MAPPINGS:
        return _change_of_mapping(get_args(to), get_args(of))
    if to == of or (to in (object, Any) and _members(of) <= _PLAIN):
        pass
    elif outer in _UNIONS:
        change = _change_of_optional(to, of)
    elif outer is tuple and other in (tuple, list):
        change = _change_of_row(get_args(to), get_args(of), other)
    elif to is str and isinstance(of, type) and issubclass(of, Digest):
        change = of.hex
    elif to is str and isinstance(of, type) and issubclass(of, Enum):
        change = _word
    elif isinstance(of, type) and _has_fields(of) and isinstance(to, type) and is_dataclass(to):
        change = maker(to, of)
    else:
        raise TypeError(f"a {of} is no {to}")
    return change


def _has_fields(of: type) -> bool:
    """Whether a class is a dataclass or a named tuple."""
    return is_dataclass(of) or hasattr(of, "_fields")


def _members(of: Any) -> set[Any]:
    return set(get_args(of)) if get_origin(of) in _UNIONS else {of}


def _word(member: Enum) -> str:
    return member.value if isinstance(member.value, str) else member.name.lower()


def _change_of_optional(to: Any, of: Any) -> Change | None:
    """Of what may be None; of several types only if all of the one are of the other."""
    wanted = set(get_args(to))
    there = _members(of)
    if there <= wanted:
        return None
    one, other = wanted - {NoneType}, there - {NoneType}
    if len(one) != 1 or len(other) != 1 or there - wanted - other:
        raise TypeError(f"a {of} is no {to}")
    change = _change(one.pop(), other.pop())
    if change is None or NoneType not in there:
        return change
    return lambda value: None if value is None else change(value)


def _change_of_row(to: tuple[Any, ...], of: tuple[Any, ...], outer: Any) -> Change | None:
    """Of a tuple of any length, or of a list; or of a tuple that has a type a place."""
    if to[-1] is Ellipsis:
        change = _change(to[0], of[0])
        if change is not None:
            return lambda row: tuple(map(change, row))
        return tuple if outer is list else None
    if len(to) != len(of):
        raise TypeError(f"a row of {of} is none of {to}")
    found = [_change(a, b) for a, b in zip(to, of, strict=True)]
    changes = [change or _same for change in found]
    return lambda row: tuple(change(one) for change, one in zip(changes, row, strict=True))


def _change_of_mapping(to: tuple[Any, ...], of: tuple[Any, ...]) -> Change:
    """A copy: whoever changes his own changes nothing here."""
    key, value = _change(to[0], of[0]), _change(to[1], of[1])
    if key is None:
        if value is None:
            return dict
        return lambda found: {k: value(v) for k, v in found.items()}
    other = value or _same
    return lambda found: {key(k): other(v) for k, v in found.items()}


def _same(value: Any) -> Any:
    return value
