"""Nested settings and metrics as flat keys: `{"opt": {"lr": 1e-3}}` is `opt.lr = 0.001`, within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time

from mvcd.objects.version import Value

MAX_KEYS = 10_000
MAX_LEVELS = 64
MAX_KEY_CHARACTERS = 512
"""Characters of one flat key; a file with a longer one has no values."""

MAX_TEXT_CHARACTERS = 1024
"""Characters of one value. Of longer text the beginning is kept, and a check value that tells it changed."""

_MAX_VISITS = 20 * MAX_KEYS
"""Containers and leaves seen while flattening: YAML aliases can make 10^10 of a few hundred bytes."""

_INT64 = 1 << 63


def flatten(value: object) -> dict[str, Value]:
    """Dotted keys of nested mappings and lists; positions in lists are numbers, a bare value has key "value".

    An empty mapping or list leaves no key. Where `a.b` inside and outside of `a` meet, the one whose key itself
    has the dot is written in quotes, `"a.b"`, as TOML has it. Raises ValueError where a limit above is passed
    or a key is not Unicode.
    """
    flat: dict[str, Value] = {}
    quoted: dict[str, str] = {}  # how a key with dots of its own is written where it meets another
    stack = [iter([("", value)])]
    paths = [("", "")]  # plain, and with the parts that have dots in quotes
    visits = 0
    while stack:
        for part, item in stack[-1]:
            visits += 1
            plain, exact = paths[-1]
            path = f"{plain}.{part}" if plain else part
            if (
                visits > _MAX_VISITS
                or len(path) > MAX_KEY_CHARACTERS
                or len(stack) > MAX_LEVELS + 1
            ):
                raise ValueError("too many, too long or too deep keys")
            written = f'"{part}"' if "." in part else part
            written = f"{exact}.{written}" if exact else written
            if isinstance(item, (Mapping, list, tuple)):
                stack.append(_parts(item))
                paths.append((path, written))
                break
            key = _unicode(path) or "value"
            if key in flat:
                if written != path:
                    key = written
                elif key in quoted:
                    flat[quoted.pop(key)] = flat.pop(key)
            elif written != path:
                quoted[key] = written
            flat[key] = scalar(item)
            if len(flat) > MAX_KEYS:
                raise ValueError(f"more than {MAX_KEYS:,} keys")
        else:
            stack.pop()
            paths.pop()
    return flat


def _parts(container: Mapping[object, object] | Sequence[object]) -> Iterator[tuple[str, object]]:
    pairs = container.items() if isinstance(container, Mapping) else enumerate(container)
    for key, item in pairs:
        text = str(key)
        if len(text) > MAX_KEY_CHARACTERS:
            raise ValueError("too long keys")
        yield text, item


def _unicode(key: str) -> str:
    """The key itself; JSON can spell lone surrogates, which no version can carry."""
    key.encode("utf-8")
    return key


def scalar(value: object) -> Value:
    """A leaf as a version carries it: what is no number, boolean or None becomes text, and long text is cut."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return value
    text = value.isoformat() if isinstance(value, (date, time)) else str(value)
    data = text.encode("utf-8", "replace")
    if len(text) <= MAX_TEXT_CHARACTERS:
        return data.decode()
    kept = text[:MAX_TEXT_CHARACTERS].encode("utf-8", "replace").decode()
    return f"{kept}… ({len(text):,} characters, CRC-32 {zlib.crc32(data):08x})"
