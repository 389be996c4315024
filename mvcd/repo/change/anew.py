"""What a commit does about content that is known to be damaged: it reads every file, and stores anew what it
can."""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

from mvcd.ids import Digest
from mvcd.repo.core.core import Core
from mvcd.store.api import Session


def worth_reading_all(core: Core) -> list[Digest]:
    """What is known to be damaged, if files that have not changed may hold the good bytes: that is tried once
    for the same damage, since it reads every file."""
    damaged = core.store.damaged()
    if not damaged:
        return []
    (tried,) = core.store.cache_get([_tried(core)])
    return [] if tried == _digest(damaged) else damaged


def stored_anew(core: Core, session: Session, damaged: Sequence[Digest]) -> str:
    """After every file was put into `session`: makes durable what was damaged. What to say of it, "" for
    nothing."""
    if not damaged:
        return ""
    session.flush()
    left = core.store.damaged()
    core.store.cache_put({_tried(core): _digest(left)})
    count = len(set(damaged) - set(left))
    return f"; {count} damaged objects were stored anew" if count else ""


def _tried(core: Core) -> bytes:
    return b"healing/" + core.workspace.encode()


def _digest(ids: Sequence[Digest]) -> bytes:
    return blake3(b"".join(ids)).digest()
