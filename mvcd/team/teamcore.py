"""A team's repository as the `Core` that verbs of `mvcd.repo` take, for one caller.

They see what the caller may see (visible.py). What they record is judged and audited as a push is, and what
they store is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from mvcd.codec.encoded import Encoded
from mvcd.errors import AuthError, Failure, UsageError
from mvcd.ids import Digest, VersionId
from mvcd.monitor import Silent
from mvcd.repo.core.core import Core
from mvcd.repo.core.location import Location
from mvcd.repo.core.lock import WorkspaceLock
from mvcd.repo.records.committed import Context
from mvcd.repo.records.operations import decode
from mvcd.store.api import RefUpdate, Session, Store
from mvcd.store.stores import is_bucket
from mvcd.team.host import TeamRepository
from mvcd.team.visible import VisibleStore
from mvcd.wire.host import Update

LOCK_SECONDS = 60.0
"""Seconds that a writer waits for others of the same branch."""
COUNTED_BYTES = 1 << 20
"""Stored bytes between two looks at the quotas: the most that one may be exceeded by."""


class Rehearsed(Exception):
    """What a verb would have recorded: it was judged, and nothing was changed."""

    def __init__(self, verb: str, detail: str, moves: tuple[RefUpdate, ...]) -> None:
        super().__init__(detail)
        self.verb, self.detail, self.moves = verb, detail, moves


class TeamCore(Core):
    """See the module. Made for a call and never closed: the store is the host's.

    `record` raises AuthError where the caller may not move a ref, besides what a push raises.
    """

    def __init__(
        self,
        hosted: TeamRepository,
        path: str,
        now_us: Callable[[], int],
        *,
        rehearsing: bool = False,
    ) -> None:
        """`path` is the store's directory, or its address in a bucket; `now_us` the server's clock,
        microseconds since 1970. With `rehearsing`, `record` raises Rehearsed where it would have written."""
        place = Location(path, bare=True)
        super().__init__(
            place,
            cast(Store, _Metered(hosted)),
            place.config(),
            monitor=Silent(),
            lock_timeout=LOCK_SECONDS,
            clock=lambda: now_us() * 1000,
        )
        if is_bucket(path):
            self.lock = _NoLock(place.lock_path, LOCK_SECONDS)
        self.hosted = hosted
        self._rehearsing = rehearsing

    def record(
        self,
        context: Context,
        verb: str,
        detail: str,
        updates: Sequence[RefUpdate | None],
        *,
        session: Session | None = None,
        files: bool = False,
        saved: VersionId | None = None,
        undoes: int | None = None,
        cache: Mapping[bytes, bytes | None] | None = None,
        force: bool = False,
    ) -> int:
        """See `Core.record`. With `force`, or where an operation is undone, branches may lose versions, for who
        may do that."""
        if files or saved is not None:
            raise UsageError(f"{verb} needs a workspace")
        moves = tuple(update for update in updates if update is not None)
        if undoes is not None and not moves:
            raise Failure(
                f"operation {undoes} moved nothing that can be taken back", kind="nothing-to-undo",
                cause="records of stages and annotations that were pushed stay",
            )  # fmt: skip
        if undoes is not None and not self.hosted.sees_all:
            self._require_whole(undoes)
        losing = force or undoes is not None
        forced = frozenset(move.name for move in moves) if losing else frozenset[str]()
        with ExitStack() as own:
            work = own.enter_context(self.store.session()) if session is None else session
            work.flush()

            def missing(ids: list[Digest]) -> list[Digest]:
                return [id for id, gone in zip(ids, work.missing(ids), strict=True) if gone]

            update = Update(moves, forced, context.author, detail, "", verb=verb, undoes=undoes)
            judgement = self.hosted.check_update(update, missing)
            if self._rehearsing:
                raise Rehearsed(verb, detail, moves)
            return work.commit(
                moves,
                operation=judgement.operation,
                audit=judgement.audit,
                cache={**(cache or {}), **judgement.cache},
            )

    def _require_whole(self, number: int) -> None:
        """Raises AuthError for an operation of which the caller may see a part: half of it is never undone."""
        found = next(self.hosted.store.operations(newest_first=False, start=number))
        if not all(self.hosted.visible(move.name) for move in decode(*found).moves):
            raise AuthError(
                f"operation {number} cannot be undone by {self.hosted.principal}", kind="scope",
                cause="it takes a role on all that it moved",
            )  # fmt: skip


class _NoLock(WorkspaceLock):
    """In a bucket nobody waits for others: of two writers, one meets a Conflict."""

    @contextmanager
    def hold(self) -> Iterator[None]:
        yield


class _Metered:
    """A store as the caller sees it, whose sessions tell how much they put."""

    def __init__(self, hosted: TeamRepository) -> None:
        self._hosted, self._seen = hosted, VisibleStore(hosted)

    def session(self) -> Session:
        return cast(Session, _MeteredSession(self._hosted))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._seen, name)


class _MeteredSession:
    """Counts before it flushes, which raises where a quota is used up or the disk is full."""

    def __init__(self, hosted: TeamRepository) -> None:
        self._hosted, self._session = hosted, hosted.store.session()
        self._fresh = self._unnamed = 0

    def put(self, id: Digest, encoded: Encoded) -> int:
        return self._more(self._session.put(id, encoded))

    def flush(self) -> None:
        self._count()
        self._session.flush()

    def commit(self, *arguments: Any, **named: Any) -> int:
        self._count()
        number = self._session.commit(*arguments, **named)
        self._unnamed = 0
        return number

    def _more(self, size: int) -> int:
        self._fresh += size
        if self._fresh >= COUNTED_BYTES:
            self._count()
        return size

    def _count(self) -> None:
        fresh, self._fresh = self._fresh, 0
        if fresh:
            self._hosted.check_put(fresh)
            self._unnamed += fresh

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __enter__(self) -> _MeteredSession:
        self._session.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._session.__exit__(*exc)
        if self._unnamed:
            self._hosted.leave_untidy()
