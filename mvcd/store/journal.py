"""The second copy of refs, operations and the audit log (FORMAT.md, section Journal).

Best effort by design: a line is written after the commit it tells of, without an fsync, so it costs
microseconds and can be lost. Each writer looks at the last lines first; if the newest is not the change just
before its own, or one of them was torn, it writes a full line, which makes up for everything lost.
"""

from __future__ import annotations

import base64
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from mvcd.disk import group
from mvcd.disk.replace import replacing
from mvcd.ids import DIGEST_BYTES
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.store.api import AuditRow

JOURNAL = "refs.journal"
TAIL_BYTES = 64 << 10
SECTOR_BYTES = 512
"""Bytes that a disk writes whole or not at all."""

_NULS = re.compile(rb"\0+")
_FULL = re.compile(rb'[0-9a-f]{8} \{"changes":\d+,"full":true,')


class Change(NamedTuple):
    """One line: refs (None: deleted), operations and audit rows after transaction number `changes`.

    `audited` is the number of the last audit row told up to here. Lines with `changes` 0 tell nothing
    but audit rows.
    """

    changes: int
    full: bool
    refs: Mapping[str, bytes | None]
    operations: Iterable[tuple[int, bytes]]
    audit: Iterable[AuditRow] = ()
    audited: int = 0

    def line(self) -> bytes:
        value: dict[str, Any] = {
            "changes": self.changes,
            "full": self.full,
            "refs": {name: _to_text(value) for name, value in self.refs.items()},
            "operations": [[n, _to_text(data)] for n, data in self.operations],
        }
        if self.audited:
            rows = [[row.sequence, _to_text(row.previous + row.data)] for row in self.audit]
            value |= {"audit": rows, "audited": self.audited}
        text = json.dumps(value, separators=(",", ":")).encode()
        return b"%08x %s\n" % (zlib.crc32(text), text)


@dataclass(slots=True)
class JournalState:
    """What a journal tells: all after change `changes`, and how many lines were bad.

    Of these `damaged_lines` are not what a crash or a power cut leaves: that is a torn line, or an unfinished
    one before a line that makes up for it. `torn`: one was torn after the last full line, so what is told may
    have a gap that nobody has made up for yet.
    """

    changes: int = 0
    refs: dict[str, bytes] = field(default_factory=dict)
    operations: dict[int, bytes] = field(default_factory=dict)
    audit: dict[int, AuditRow] = field(default_factory=dict)
    bad_lines: int = 0
    damaged_lines: int = 0
    holes: int = 0
    torn: bool = False


class _Line(NamedTuple):
    """A line as it is in the file, without its end, and where it begins."""

    text: bytes
    offset: int
    ended: bool

    @property
    def torn(self) -> bool:
        """Whether a cut alone explains that it is bad: it has no end, or zeros, which no line has, in place of
        sectors that never reached the disk while the length of the file did."""
        if not self.ended:
            return True
        runs = [run.span() for run in _NULS.finditer(self.text)]
        return bool(runs) and all(self._at_edge(*run) for run in runs)

    def _at_edge(self, start: int, end: int) -> bool:
        begins = not start or not (self.offset + start) % SECTOR_BYTES
        return begins and (end == len(self.text) or not (self.offset + end) % SECTOR_BYTES)


class Journal:
    def __init__(self, path: str) -> None:
        self._path = path

    def last(self) -> Change | None:
        """The last line; None where it, or one of those since the last full one, is not whole: who appends
        has to make up for that. Looks back as far as TAIL_BYTES, more only for a line that is longer."""
        try:
            with open(self._path, "rb") as file:
                end = file.seek(0, os.SEEK_END)
                size = min(TAIL_BYTES, end)
                while True:
                    file.seek(end - size)
                    lines = file.read(size).splitlines()
                    lines = [line for line in (lines if size == end else lines[1:]) if line]
                    if lines or size == end:
                        return _last(lines)
                    size = min(2 * size, end)
        except FileNotFoundError:
            return None

    def append(self, *changes: Change) -> None:
        """One write call, so that lines of several processes never mix. Raises OSError.

        It starts with a line end, which closes a line that a crash left unfinished.
        """
        file = group.create(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(file, b"\n" + b"".join(change.line() for change in changes))
        finally:
            os.close(file)

    def begin(self) -> None:
        """Makes an empty one where there is none; its name is durable when its directory is synced next."""
        os.close(group.create(self._path, os.O_WRONLY | os.O_CREAT))

    def rewrite(self, changes: Iterable[Change]) -> None:
        """Replaces the journal by these lines. A line appended meanwhile may be lost; the next writer
        sees the hole and makes up for it. Raises OSError."""
        with replacing(self._path) as file:
            file.writelines(change.line() for change in changes)

    def read(self) -> JournalState:
        """Everything the journal tells; absent or damaged lines leave gaps, never wrong values."""
        history = JournalState()
        changes = []
        unfinished = False
        for line in self._lines():
            change = _parse(line.text)
            if change is not None:
                changes.append(change)
                history.damaged_lines += unfinished and not (change.full or not change.changes)
                history.torn &= not change.full
                unfinished = False
                continue
            history.bad_lines += 1
            if line.torn:  # so may the line be that made up for the one before
                history.torn, unfinished = True, False
            else:
                history.damaged_lines += unfinished
                unfinished = True
        history.damaged_lines += unfinished
        for change in sorted(changes, key=lambda c: (c.changes, c.full)):
            if change.full:
                history.refs = {}
            elif change.changes > history.changes + 1:
                history.holes += 1
            for name, value in change.refs.items():
                if value is None:
                    history.refs.pop(name, None)
                else:
                    history.refs[name] = value
            history.operations.update(change.operations)
            history.audit.update((row.sequence, row) for row in change.audit)
            history.changes = change.changes
        return history

    def exists(self) -> bool:
        return os.path.exists(self._path)

    def _lines(self) -> Iterator[_Line]:
        offset = 0
        try:
            with open(self._path, "rb") as file:
                for line in file:
                    if line.strip():
                        yield _Line(line.rstrip(b"\n"), offset, line.endswith(b"\n"))
                    offset += len(line)
        except FileNotFoundError:
            return


def _last(lines: list[bytes]) -> Change | None:
    """The last of some lines, if all from the last full one on are whole."""
    for line in reversed(lines):
        if not _is_whole(line):
            return None
        if _FULL.match(line):
            break
    return _parse(lines[-1]) if lines else None


def _is_whole(line: bytes) -> bool:
    crc, _, text = line.partition(b" ")
    return crc == b"%08x" % zlib.crc32(text)


def _parse(line: bytes) -> Change | None:
    if not _is_whole(line):
        return None
    value: dict[str, Any] = json.loads(line.partition(b" ")[2])
    return Change(
        value["changes"],
        value["full"],
        {name: _from_text(data) for name, data in value["refs"].items()},
        [(n, base64.b64decode(data)) for n, data in value["operations"]],
        tuple(_to_row(n, base64.b64decode(data)) for n, data in value.get("audit", ())),
        value.get("audited", 0),
    )


def _to_row(sequence: int, value: bytes) -> AuditRow:
    return AuditRow(sequence, value[:DIGEST_BYTES], value[DIGEST_BYTES:])


def _to_text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _from_text(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
