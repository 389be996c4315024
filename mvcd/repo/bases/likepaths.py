"""How like two paths are: the series that a file belongs to, and its neighbours in it."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"\d{1,15}")


def form_of(text: str) -> str:
    """The text with each number as `#`: what the members of a series have in common."""
    return _DIGITS.sub("#", text)


def name_of(path: str) -> str:
    return path.rpartition("/")[2]


def distance(path: str, other: str) -> tuple[object, ...]:
    """How unlike two paths are: another name, another form of directories, other numbers, less in common."""
    form, other_form = form_of(path), form_of(other)
    numbers, others = _numbers(path), _numbers(other)
    place, other_place = path.rpartition("/")[0], other.rpartition("/")[0]
    apart = [-number for number in others]  # the newest of a series
    if form == other_form:
        apart = [abs(a - b) for a, b in zip(numbers, others, strict=False)]
    elif place and form_of(place) == form_of(other_place):
        apart = [abs(a - b) for a, b in zip(_numbers(place), _numbers(other_place), strict=True)]
    common = next(
        (i for i, (a, b) in enumerate(zip(path, other, strict=False)) if a != b),
        min(len(path), len(other)),
    )
    return name_of(path) != name_of(other), form != other_form, apart, -common, other


def _numbers(text: str) -> list[int]:
    return list(map(int, _DIGITS.findall(text)))
