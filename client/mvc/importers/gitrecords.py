"""What git's plumbing writes, as values: commits, tags, and rows of differences."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha1, sha256
from typing import IO

from mvc.api.errors import IntegrityError

_BLOCK_BYTES = 1 << 20
_PERSON = re.compile(rb"(.*?) ?<(.*?)> ?(-?\d+) ([+-]\d{4})")
_LATEST_SECONDS = 1 << 37
"""Seconds since 1970 from which a time is taken for a mistake: the year 6325."""
REGULAR, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
_NOTHING = "000000"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit: the id of its content and git's mode. `path` is bytes where it is not UTF-8."""

    id: str
    mode: str


@dataclass(frozen=True, slots=True)
class GitCommit:
    """What a commit says of itself, and the reason why that is not quite what git has, if so."""

    author: str
    time: datetime
    message: str
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class GitTag:
    """A tag: the commit it is of, and for an annotated one its message and who made it when."""

    commit: str
    message: str = ""


@dataclass(slots=True)
class GitNames:
    """Branches and tags by name; `head` is the branch that is checked out, or a commit, or neither."""

    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, GitTag] = field(default_factory=dict)
    head: str | None = None
    detached: str | None = None
    other_tags: list[str] = field(default_factory=list)  # of no commit
    remote_only: list[str] = field(default_factory=list)  # branches that only a remote has


Change = tuple[str, Blob | None]
"""A path, and what the commit has there; None where its parent had something."""


def commit_of(data: bytes) -> GitCommit:
    """Reads who made a commit, when and why."""
    headers, message = parted(data)
    coding = headers.get(b"encoding", b"utf-8").decode("ascii", "replace")
    said, person = _text(message, coding), _PERSON.fullmatch(headers.get(b"author", b""))
    if person is None:
        return GitCommit("", _moment(0, 0), said, "its author cannot be read")
    name, mail = _text(person[1], coding), _text(person[2], coding)
    seconds, zone, doubt = int(person[3]), _zone_minutes(person[4]), None
    if not 0 <= seconds < _LATEST_SECONDS or abs(zone) >= 24 * 60:
        doubt = f"its time is {person[3].decode()} {person[4].decode()}, which is none"
        seconds = seconds if 0 <= seconds < _LATEST_SECONDS else 0
    return GitCommit(f"{name} <{mail}>" if mail else name, _moment(seconds, zone), said, doubt)


def changes_in(told: IO[bytes]) -> Iterator[tuple[str, list[Change]]]:
    """Parses `diff-tree -z --raw`: a commit's id, then (":" modes ids letter, path) of each change."""
    commit, changes, about = "", list[Change](), b""
    for part in _fields(told):
        if about:
            change = _change(about, part)
            changes += [] if change is None else [change]
            about = b""
        elif part.startswith(b":"):
            about = part
        else:
            if commit:
                yield commit, changes
            commit, changes = part.decode(), []
    if commit:
        yield commit, changes


def _change(about: bytes, path: bytes) -> Change | None:
    """One row; None where a submodule, which is no file, comes, changes or goes."""
    before, mode, _, id, letter = (word.decode() for word in about[1:].split(b" "))
    if (
        SUBMODULE in (before, mode)
        and before in (_NOTHING, SUBMODULE)
        and mode in (_NOTHING, SUBMODULE)
    ):
        return None
    gone = letter == "D" or mode == SUBMODULE
    return os.fsdecode(path), None if gone else Blob(id, mode)


def _fields(told: IO[bytes]) -> Iterator[bytes]:
    left = b""
    while block := told.read1(_BLOCK_BYTES):  # type: ignore[attr-defined]  # it is buffered
        *whole, left = (left + block).split(b"\0")
        yield from whole


def parted(data: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """The headers of a commit or tag, the first of each name, and its message."""
    top, _, message = data.partition(b"\n\n")
    headers: dict[bytes, bytes] = {}
    for line in top.split(b"\n"):
        name, _, value = line.partition(b" ")
        if name:  # else it goes on the header before
            headers.setdefault(name, value)
    return headers, message


def tag_text(headers: dict[bytes, bytes], message: bytes) -> str:
    text = _text(message.partition(b"-----BEGIN ")[0], "utf-8").strip("\n")
    person = _PERSON.fullmatch(headers.get(b"tagger", b""))
    if person is None:
        return text
    seconds = min(max(int(person[3]), 0), _LATEST_SECONDS)
    when = _moment(seconds, _zone_minutes(person[4])).isoformat(sep=" ")
    name, mail = _text(person[1], "utf-8"), _text(person[2], "utf-8")
    return f"{text}\n\nTagged by {name} <{mail}>, {when}".lstrip("\n")


def _text(data: bytes, coding: str) -> str:
    """Text of a commit, whose coding is what it says, if it is that; then git says UTF-8."""
    for name in (coding, "utf-8"):
        try:
            return data.decode(name)
        except (LookupError, UnicodeError):
            continue
    return data.decode("latin-1")


def _zone_minutes(text: bytes) -> int:
    number = int(text)
    return (abs(number) // 100 * 60 + abs(number) % 100) * (1 if number >= 0 else -1)


def _moment(seconds: int, zone_minutes: int) -> datetime:
    zone = timezone(timedelta(minutes=zone_minutes if abs(zone_minutes) < 24 * 60 else 0))
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone)


class RunningId:
    """git's id of an object, as its bytes come."""

    def __init__(self, id: str, kind: bytes, size: int) -> None:
        self._id, self._size, self._came = id, size, 0
        self._state = sha1(usedforsecurity=False) if len(id) == 40 else sha256()
        self._state.update(b"%s %d\0" % (kind, size))

    def update(self, data: bytes) -> None:
        self._came += len(data)
        self._state.update(data)

    def require_same(self) -> None:
        """Raises IntegrityError where what came has not the id that was asked for."""
        found = self._state.hexdigest()
        if found != self._id:
            whole = self._came == self._size
            raise IntegrityError(
                f"git's object {self._id} is damaged",
                cause=f"what git gave has the id {found}" if whole else "git gave only part of it",
                help="git fsck  (names all that is damaged)",
            )
