"""Writing annotations (records/ANNOTATIONS.md), and taking them back."""

from __future__ import annotations

from collections.abc import Mapping

from mvcd.errors import Conflict, Failure, UsageError
from mvcd.ids import VersionId
from mvcd.repo.core.core import Core
from mvcd.repo.records.annotations import (
    END_US,
    MAX_KEYS,
    Annotation,
    decode,
    encode,
    is_whole,
    name_of,
    of_version,
    require_key,
    require_text,
    written_by,
)
from mvcd.repo.records.committed import Context
from mvcd.repo.records.operations import Operation
from mvcd.repo.records.refs import EMPTY_ID, NOTES
from mvcd.store.api import RefUpdate

_ATTEMPTS = 5
_NAMED_KEYS = 4
"""Keys named in the log of operations."""


def annotate(
    core: Core, rev: str, changes: Mapping[str, str | None], *, context: Context
) -> VersionId:
    """Sets keys of a version to texts, and removes those given None; answers its id.

    What is as it was asked for already is not written again. Raises UsageError(kind="bad-key", "bad-text",
    "too-long"), Failure(kind="no-versions", "too-many").
    """
    for key, text in changes.items():
        require_key(key)
        if isinstance(text, str):
            require_text(key, text)
        elif text is not None:
            raise UsageError(
                f"the text of {key} is {type(text).__name__}, not str", kind="bad-text",
                help=f"str(...) makes it one; None removes {key}",
            )  # fmt: skip
    with core.lock.hold():
        id = core.resolve(rev)
        if id == EMPTY_ID:
            raise Failure(
                "v0 is the empty version: there is nothing to annotate", kind="no-versions",
                help="mvc commit -m '...'",
            )  # fmt: skip
        for attempt in range(_ATTEMPTS):
            updates = _updates(core, id, changes, context)
            if not updates:
                break
            try:
                core.record(context, "note", _detail(core, id, updates), updates)
                break
            except Conflict:  # somebody wrote the same key, from another workspace or by a push
                if attempt == _ATTEMPTS - 1:
                    raise
    return id


def _updates(
    core: Core, id: VersionId, changes: Mapping[str, str | None], context: Context
) -> list[RefUpdate]:
    had = of_version(core.store, id)
    texts = {key: found.text for key, found in had.items()}
    different = {key: text for key, text in changes.items() if texts.get(key) != text}
    many = sum(text is not None for text in (texts | different).values())
    if many > MAX_KEYS and any(text is not None for text in different.values()):
        raise Failure(
            f"v{core.version(id).generation} would have {many:,} annotations", kind="too-many",
            cause=f"a version has at most {MAX_KEYS:,}",
            help="commit what is more as a file",
        )  # fmt: skip
    return [_written(core, name_of(id, key), different[key], context) for key in sorted(different)]


def _written(core: Core, name: str, text: str | None, context: Context) -> RefUpdate:
    """The update by which this text holds over what is there."""
    old = core.store.ref(name)
    time_us = max(0, context.time_us)
    if old is not None and is_whole(old):
        time_us = max(time_us, decode(old).time_us + 1)
    if time_us >= END_US:
        key = name.removeprefix(NOTES).partition("/")[2].removesuffix("=")
        raise Conflict(
            f"{key} cannot be written again", kind="clock",
            cause="what is there says that it was written at the end of time; nothing holds over that",
            help="use another key",
        )  # fmt: skip
    return RefUpdate(name, old, encode(Annotation(time_us, written_by(context.author), text)))


def _detail(core: Core, id: VersionId, updates: list[RefUpdate]) -> str:
    keys = [u.name.partition("/")[2].partition("/")[2].removesuffix("=") for u in updates]
    more = f" and {len(keys) - _NAMED_KEYS:,} more" if len(keys) > _NAMED_KEYS else ""
    return f"note v{core.version(id).generation} {', '.join(keys[:_NAMED_KEYS])}{more}"


def taken_back(core: Core, undone: Operation, context: Context) -> list[RefUpdate]:
    """Writes what an operation found under the keys that it wrote, with a new time, so that it holds wherever
    they have gone meanwhile. Raises Conflict where one was written since."""
    found = []
    for move in undone.moves:
        if not move.name.startswith(NOTES):
            continue
        if core.store.ref(move.name) != move.new:
            raise Conflict(
                f"operation {undone.number} cannot be undone any more",
                kind="ref-changed",
                cause=f"{move.name} was written again since",
                help="mvc op log  (undo what came later first)",
            )
        if move.new is None:
            found.append(RefUpdate(move.name, None, move.old))
        else:
            before = move.old if move.old is not None and is_whole(move.old) else None
            text = None if before is None else decode(before).text
            found.append(_written(core, move.name, text, context))
    return found
