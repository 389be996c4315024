"""Annotations of versions (ANNOTATIONS.md): text under keys, a ref each, of which the later one holds."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from mvcd.errors import CorruptObject, UsageError
from mvcd.ids import VersionId
from mvcd.lateclasses import NamedTuple
from mvcd.repo.records.refs import NOTES

FORMAT = 1
MAX_KEY_CHARACTERS = 250
MAX_TEXT_BYTES = 24 << 10
MAX_AUTHOR_CHARACTERS = 200
MAX_KEYS = 1000
"""Keys of a version that have a value, for who writes."""
END_US = 1 << 62
"""Microseconds since 1970 that no annotation reaches."""
_SINGLE_VERSIONS = 64
"""Versions whose annotations are looked up one by one."""
DESCRIPTION = "description"
"""The key of a version's description."""

_KEY = rf"[A-Za-z0-9_](?:[A-Za-z0-9 ._/:+@-]{{0,{MAX_KEY_CHARACTERS - 2}}}[A-Za-z0-9._/:+@-])?"
_NAME = rf"{NOTES}([0-9a-f]{{64}})/({_KEY})="
_WRONG = (ValueError, KeyError, TypeError, RecursionError)
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]"
"""Patterns are compiled when they are first needed: 2 ms, which a log need not wait for."""


class Annotation(NamedTuple):
    """The text under a key, None if the key was removed; microseconds since 1970."""

    time_us: int
    author: str
    text: str | None


class AnnotatedStore(Protocol):
    """What is asked of a store here."""

    def refs(self, prefix: str = "") -> dict[str, bytes]: ...


# -------------------------------------------------------------------- names


def require_key(key: str) -> None:
    """Raises UsageError unless `key` may be one."""
    if not re.fullmatch(_KEY, key):
        raise UsageError(
            f"{key[:MAX_KEY_CHARACTERS]!r} cannot be the key of an annotation",
            kind="bad-key",
            cause=f"keys have up to {MAX_KEY_CHARACTERS} letters, digits, spaces and . _ - / : + @, begin with "
            "a letter, a digit or _, and do not end in a space",
        )


def require_text(key: str, text: str) -> None:
    """Raises UsageError unless `text` may stand under a key."""
    if found := _control_in(text):
        raise UsageError(
            f"the text of {key} has the character U+{ord(found[0]):04X}",
            kind="bad-text",
            cause="annotations are text; of what is no character to be read they may have tabs and line ends",
        )
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        raise UsageError(
            f"the text of {key} has {size:,} bytes",
            kind="too-long",
            cause=f"an annotation has at most {MAX_TEXT_BYTES:,}",
            help="commit what is larger as a file, and annotate where it is",
        )


def _control_in(text: str) -> re.Match[str] | None:
    return None if text.isprintable() else re.search(_CONTROL, text)


def prefix_of(id: VersionId) -> str:
    return f"{NOTES}{id}/"


def name_of(id: VersionId, key: str) -> str:
    return f"{NOTES}{id}/{key}="


def subject_of(name: str) -> tuple[VersionId, str] | None:
    """The version and the key that a ref's name tells; None if it is no annotation's."""
    found = re.fullmatch(_NAME, name)
    return None if found is None else (VersionId.parse(found[1]), found[2])


# -------------------------------------------------------------------- values


def encode(annotation: Annotation) -> bytes:
    document = {
        "author": annotation.author,
        "format": FORMAT,
        "time_us": annotation.time_us,
        "value": annotation.text,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(value: bytes) -> Annotation:
    """Raises CorruptObject unless the value is one that ANNOTATIONS.md allows."""
    try:
        found = _checked(json.loads(value))
        if encode(found) != value:
            raise ValueError("it is not written so")
    except _WRONG as error:
        raise CorruptObject("an annotation is damaged", cause=str(error)) from error
    return found


def _checked(document: Any) -> Annotation:
    if set(document) != {"author", "format", "time_us", "value"} or document["format"] != FORMAT:
        raise ValueError("its format is not known")
    time_us, author, text = document["time_us"], document["author"], document["value"]
    if type(time_us) is not int or not 0 <= time_us < END_US:
        raise ValueError("its time is wrong")
    if not isinstance(author, str) or len(author) > MAX_AUTHOR_CHARACTERS:
        raise ValueError("its author is no name")
    if not author.isprintable():
        raise ValueError("its author is not printable")
    if text is not None:
        if not isinstance(text, str) or _control_in(text):
            raise ValueError("its value is no text")
        if len(text.encode()) > MAX_TEXT_BYTES:
            raise ValueError(f"its text has {len(text.encode()):,} bytes")
    return Annotation(time_us, author, text)


def is_whole(value: bytes) -> bool:
    try:
        decode(value)
    except CorruptObject:
        return False
    return True


def is_greater(new: bytes, old: bytes | None) -> bool:
    """Whether `new` holds over `old`. What is damaged holds over nothing. Raises CorruptObject for a damaged
    `new`."""
    mine = decode(new)
    if old is None:
        return True
    try:
        return _rank(mine) > _rank(decode(old))
    except CorruptObject:
        return True


def _rank(annotation: Annotation) -> tuple[int, bytes, bool, bytes]:
    text = annotation.text
    return annotation.time_us, annotation.author.encode(), text is not None, (text or "").encode()


def written_by(author: str) -> str:
    """An author as he may stand in an annotation."""
    text = "".join(c if c.isprintable() else " " for c in author)
    return text[:MAX_AUTHOR_CHARACTERS]


# -------------------------------------------------------------------- what a version has


def of_version(store: AnnotatedStore, id: VersionId) -> dict[str, Annotation]:
    """A version's annotations by key, removed ones included, in the order of keys. Damaged ones are left
    out."""
    refs, prefix = store.refs(prefix_of(id)), len(prefix_of(id))
    return {name[prefix:-1]: found for name, found in _read(refs) if name.endswith("=")}


def _read(refs: Mapping[str, bytes]) -> Iterator[tuple[str, Annotation]]:
    """Those that can be read. What rests here was looked at when it came, so it is not held against its one
    form again: 9 us each instead of 19."""
    for name, value in refs.items():
        try:
            found = _checked(json.loads(value))
        except _WRONG:
            continue
        yield name, found


def texts_of(store: AnnotatedStore, id: VersionId) -> dict[str, str]:
    """The texts that a version's keys have."""
    found = of_version(store, id)
    return {key: each.text for key, each in found.items() if each.text is not None}


def texts_by_version(refs: Mapping[str, bytes]) -> dict[VersionId, dict[str, str]]:
    """The texts of all annotations among these refs."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, annotation in _read(refs):
        match = re.fullmatch(_NAME, name)
        if match is not None and annotation.text is not None:
            found[match[1]][match[2]] = annotation.text
    return {VersionId.parse(id): texts for id, texts in found.items()}


def subjects_of(names: Iterable[str]) -> set[VersionId]:
    """The versions that annotations of these names are about."""
    subjects = map(subject_of, names)
    return {subject[0] for subject in subjects if subject is not None}


class Texts:
    """The texts of versions that are asked for one after another: a look for each takes 30 us, so when they are
    many, all annotations that there are come in one."""

    def __init__(self, store: AnnotatedStore) -> None:
        self._store = store
        self._looks = 0
        self._all: Mapping[VersionId, dict[str, str]] | None = None

    def of(self, id: VersionId) -> dict[str, str]:
        if self._all is None and self._looks < _SINGLE_VERSIONS:
            self._looks += 1
            return texts_of(self._store, id)
        if self._all is None:
            self._all = texts_by_version(self._store.refs(NOTES))
        return self._all.get(id, {})
