"""The operation log: what every verb did to refs, HEAD and the workspace, so that `undo` can take it back.

An operation is recorded in the same transaction as the ref moves it describes. Its bytes are canonical
JSON (sorted keys, no spaces); ref values are base64. Operations are roots of gc as long as they are kept.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mvcd.errors import CorruptObject
from mvcd.ids import VersionId
from mvcd.lateclasses import NamedTuple
from mvcd.repo.records.refs import NOTES, SAVED, STAGES, root_name, version_named
from mvcd.store.api import RefUpdate

if TYPE_CHECKING:
    from mvcd.repo.records.committed import Context

_IS_ROOT = re.compile(re.escape(root_name("ID")).replace("ID", "[^/]+"))


class RefMove(NamedTuple):
    name: str
    old: bytes | None
    new: bytes | None


class Operation(NamedTuple):
    """One entry of the operation log."""

    number: int
    time_us: int
    utc_offset_minutes: int
    author: str
    verb: str
    detail: str  # what a person reads: "commit v12 'lower the rate'"
    moves: tuple[RefMove, ...]
    files: bool = False  # whether workspace files were rewritten
    saved: VersionId | None = None  # the work that was overwritten
    undoes: int | None = None
    workspace: str | None = (
        None  # the id of the one it was done in; None: it is of no workspace, or old
    )


def encode(
    context: Context,
    verb: str,
    detail: str,
    updates: Sequence[RefUpdate],
    *,
    files: bool = False,
    saved: VersionId | None = None,
    undoes: int | None = None,
    workspace: str | None = None,
) -> bytes:
    record: dict[str, Any] = {
        "author": context.author,
        "detail": detail,
        "moves": [
            [u.name, _pack(u.expect), _pack(u.target)]
            for u in updates
            if not u.name.startswith(SAVED)  # a verb's own note, gone when it ends
            and not _IS_ROOT.fullmatch(u.name)  # where a directory is now, which nobody can undo
        ],
        "time_us": context.time_us,
        "utc_offset_minutes": context.utc_offset_minutes,
        "verb": verb,
    }
    if files:
        record["files"] = True
    if saved is not None:
        record["saved"] = saved.hex()
    if undoes is not None:
        record["undoes"] = undoes
    if workspace is not None:
        record["workspace"] = workspace
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(number: int, data: bytes) -> Operation:
    try:
        record = json.loads(data)
        return Operation(
            number=number,
            time_us=record["time_us"],
            utc_offset_minutes=record["utc_offset_minutes"],
            author=record["author"],
            verb=record["verb"],
            detail=record["detail"],
            moves=tuple(RefMove(n, _unpack(o), _unpack(t)) for n, o, t in record["moves"]),
            files=record.get("files", False),
            saved=VersionId.parse(record["saved"]) if "saved" in record else None,
            undoes=record.get("undoes"),
            workspace=record.get("workspace"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptObject(f"operation {number} cannot be read", cause=str(error)) from error


def versions_named(operation: Operation) -> set[VersionId]:
    """Every version an operation mentions: what must stay for it to be undone."""
    values = [(m.name, v) for m in operation.moves for v in (m.old, m.new) if v is not None]
    named = [version_named(name, value) for name, value in values]
    return {id for id in (operation.saved, *named) if id is not None}


def inverse(operation: Operation) -> list[RefUpdate]:
    """The updates that take an operation's ref moves back, provided nothing moved since.

    Records of promotion stay: the history of a stage only grows (`promotion.compensation`). Annotations are
    written again (`annotating.taken_back`).
    """
    return [
        RefUpdate(m.name, m.new, m.old)
        for m in operation.moves
        if not m.name.startswith((STAGES, NOTES))
    ]


def _pack(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _unpack(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value, validate=True)
