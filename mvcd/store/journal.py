"""The second copy of refs, operations and the audit log (FORMAT.md, section Journal).

Best effort by design: a line is written after the commit it tells of, without an fsync, so it costs
microseconds and can be lost. Each writer looks at the last line first; if that is not the change just
before its own, it writes a full line, which makes up for everything lost.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mvcd.disk import group
from mvcd.disk.replace import replacing
from mvcd.ids import DIGEST_SIZE
from mvcd.store.api import AuditRow

JOURNAL = "refs.journal"
TAIL = 64 << 10


@dataclass(frozen=True, slots=True)
class Change:
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
class History:
    """What a journal tells: all after change `changes`, and how many lines were bad.

    Of these `damaged_lines` are not what a crash leaves: that is an unfinished line, at the end or before a
    line that makes up for it.
    """

    changes: int = 0
    refs: dict[str, bytes] = field(default_factory=dict)
    operations: dict[int, bytes] = field(default_factory=dict)
    audit: dict[int, AuditRow] = field(default_factory=dict)
    bad_lines: int = 0
    damaged_lines: int = 0
    holes: int = 0


class Journal:
    def __init__(self, path: str) -> None:
        self._path = path

    def last(self) -> Change | None:
        """The last whole line."""
        try:
            with open(self._path, "rb") as file:
                end = file.seek(0, os.SEEK_END)
                size = min(TAIL, end)
                while True:
                    file.seek(end - size)
                    lines = file.read(size).splitlines()
                    for line in reversed(lines if size == end else lines[1:]):
                        if line:
                            return _parse(line)
                    if size == end:
                        return None
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

    def read(self) -> History:
        """Everything the journal tells; absent or damaged lines leave gaps, never wrong values."""
        history = History()
        changes = []
        bad_before = False
        for line, ended in self._lines():
            change = _parse(line)
            if change is None:
                history.bad_lines += 1
                history.damaged_lines += bad_before
                bad_before = ended
            else:
                changes.append(change)
                history.damaged_lines += bad_before and not (change.full or not change.changes)
                bad_before = False
        history.damaged_lines += bad_before
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

    def _lines(self) -> Iterator[tuple[bytes, bool]]:
        """Each line, and whether it has its end."""
        try:
            with open(self._path, "rb") as file:
                for line in file:
                    if line.strip():
                        yield line.rstrip(b"\n"), line.endswith(b"\n")
        except FileNotFoundError:
            return


def _parse(line: bytes) -> Change | None:
    crc, _, text = line.partition(b" ")
    if crc != b"%08x" % zlib.crc32(text):
        return None
    value: dict[str, Any] = json.loads(text)
    return Change(
        value["changes"],
        value["full"],
        {name: _from_text(data) for name, data in value["refs"].items()},
        [(n, base64.b64decode(data)) for n, data in value["operations"]],
        tuple(_to_row(n, base64.b64decode(data)) for n, data in value.get("audit", ())),
        value.get("audited", 0),
    )


def _to_row(sequence: int, value: bytes) -> AuditRow:
    return AuditRow(sequence, value[:DIGEST_SIZE], value[DIGEST_SIZE:])


def _to_text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _from_text(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
