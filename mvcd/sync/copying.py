"""A whole store made equal to another one: objects, refs, operations, audit rows (mvcd/team/COPY.md).

Unlike a push, which carries what refs reach and becomes an operation of the other side, a copy has all objects,
and the logs as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from itertools import zip_longest

from mvcd.errors import IntegrityError, UsageError
from mvcd.monitor import Monitor
from mvcd.store.api import Store
from mvcd.sync.local import LocalPeer
from mvcd.sync.push import Sent, send_objects

BATCH_IDS = 16 << 10


def copy_store(source: Store, target: Store, refs: Mapping[str, bytes], monitor: Monitor) -> Sent:
    """Gives `target` the objects of `source` that it lacks, then logs equal to those of `source`, and these
    refs. Nothing of it is visible before all objects are there. Raises IntegrityError where `source` is
    damaged, and what reading and writing raise."""
    damaged = source.damaged()
    if damaged:
        raise IntegrityError(
            f"{len(damaged)} objects are known to be damaged",
            cause=f"the first is {damaged[0].hex()[:12]}",
        )
    ids = source.placed_ids()
    peer = LocalPeer(
        target, "", repo_id=target.id, visible=lambda _: False, judge=lambda *_: None, borrowed=True
    )
    with closing(peer):
        try:
            sent = send_objects(source, peer, ids, monitor=monitor)
        except UsageError as error:  # so a peer calls bytes that are no sound records
            raise IntegrityError("an object is damaged", cause=error.cause or str(error)) from error
        peer.update_refs([], force=frozenset(), author="", detail="")  # what was put is durable
    target.take_over(source, refs)
    return sent


def require_equal(
    source: Store,
    target: Store,
    refs: Mapping[str, bytes],
    monitor: Monitor,
    *,
    read_data: bool,
) -> None:
    """Compares what `copy_store` made with what it was made of; with `read_data` each object of `target` is
    read back and hashed. Raises IntegrityError at the first difference or damage."""
    all_ids = source.placed_ids()
    for start in range(0, len(all_ids), BATCH_IDS):
        ids = all_ids[start : start + BATCH_IDS]
        gone = [id for id, here in zip(ids, target.has(ids), strict=True) if not here]
        if gone:
            raise _differs(f"object {gone[0].hex()[:12]} did not arrive")
    if target.refs() != dict(refs):
        raise _differs("its refs are not those that were copied")
    operations = source.operations(newest_first=False), target.operations(newest_first=False)
    _require_same("operation", *operations)
    _require_same("row of the audit log", source.audit(), target.audit())
    if source.audit_head() != target.audit_head():
        raise _differs("its audit log ends elsewhere")
    for damage in target.check(read_data=read_data, monitor=monitor):
        raise _differs(f"{damage.where}: {damage.problem}")


def _require_same(what: str, ours: Iterable[object], theirs: Iterable[object]) -> None:
    for number, (one, other) in enumerate(zip_longest(ours, theirs), start=1):
        if one != other:
            raise _differs(f"{what} {number} is another one, counted from the first that is there")


def _differs(why: str) -> IntegrityError:
    return IntegrityError("the copy is not equal to what was copied", kind="copy", cause=why)
