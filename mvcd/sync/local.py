"""A store that this process opens as a peer: `file://` remotes, buckets, and what every other peer is compared
with."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from mvcd.codec.encoded import CODEC_FEATURES
from mvcd.errors import NoRepository
from mvcd.ids import Bytes, Digest, VersionId
from mvcd.objects.ancestry import between
from mvcd.objects.version import Version
from mvcd.store.api import RefUpdate, Store
from mvcd.store.arrivals import Arrivals
from mvcd.store.frames import RecordFrame, parse_frame
from mvcd.store.peer import (
    NAMES,
    PRUNES,
    STANDS,
    TAKES_NOTES,
    Hello,
    Receipt,
    RefsChanged,
    changed_refs,
    listed,
    require_all,
)

Visible = Callable[[str], bool]
Missing = Callable[[list[Digest]], list[Digest]]
"""Finds the objects that are not here; the others are under the lease of what is being received."""
Judge = Callable[[Sequence[RefUpdate], frozenset[str], str, str, Missing], bytes | None]
"""Judges an update (moves, names forced, author, detail) and makes the operation that is logged with it. Raises
what refuses it."""

POLL_SECONDS = 0.5
"""Seconds between two looks at the refs while watching."""
GROWING_TIMES = 1.5


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between two looks while watching: from `first` after a change up to `longest` without one."""

    first: float = POLL_SECONDS
    longest: float = POLL_SECONDS


class LocalPeer:
    """See `mvcd.store.peer.Peer`. Owns the store it was given, unless that is `borrowed`: `close` closes it."""

    def __init__(
        self,
        store: Store,
        url: str,
        *,
        repo_id: str,
        visible: Visible,
        judge: Judge,
        complete: bool = True,
        server: str = "this machine",
        pauses: Pauses = Pauses(),
        features: Collection[str] = (),
        borrowed: bool = False,
        begin: Callable[[], object] | None = None,
    ) -> None:
        """With `begin` the repository is not there yet: `create` calls it, and it makes it."""
        self.url = url
        self._begin = begin
        self._store = store
        self._borrowed = borrowed
        self._hello = Hello(
            repo_id,
            complete,
            server=server,
            features=frozenset(
                {"watch", NAMES, PRUNES, STANDS, TAKES_NOTES, *CODEC_FEATURES.values(), *features}
            ),
        )
        self._visible = visible
        self._judge = judge
        self._pauses = pauses
        self._session = store.session()
        self._arrivals = Arrivals(store, self._session)

    def hello(self) -> Hello:
        return replace(self._hello, damaged=len(self._store.damaged()))

    def create(self) -> None:
        if self._begin is not None:
            self._begin()
            self._begin = None

    def told(self) -> Hello:
        return self.hello()

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        if self._begin is not None:
            raise NoRepository(
                f"{self.url} is no repository",
                kind="no-such-repository",
                help=f"mvc push {self.url}  (in a repository; makes one there)",
            )
        found = self._store.refs(prefix).items()
        return {n: v for n, v in found if self._visible(n) and listed(n, prefix)}

    def log(self, heads: Sequence[VersionId], haves: Sequence[VersionId]) -> Iterator[VersionId]:
        return between(heads, haves, lambda id: Version.decode(self._store.get(id)))

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        if self._store.read_only:  # nobody can be promised that what is there stays
            return self._store.has(ids)
        gone = set(self._arrivals.missing(list(ids)))
        return [id not in gone for id in ids]

    def records(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        here = [id for id, found in zip(ids, self._store.has(ids), strict=True) if found]
        yield from map(parse_frame, self._store.records(here))
        require_all(ids, here)

    def arranged(self, ids: Sequence[Digest]) -> list[Digest]:
        return self._store.arranged(ids)

    def below(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        return self.records(ids)  # asking again costs nothing here

    @property
    def frames(self) -> int:
        return 0

    def put(self, frame: Bytes) -> None:
        self._arrivals.receive(parse_frame(frame))

    def update_refs(
        self, updates: Sequence[RefUpdate], *, force: frozenset[str], author: str, detail: str
    ) -> Receipt:
        self._session.flush()
        operation = self._judge(updates, force, author, detail, self._arrivals.missing)
        self._session.commit(updates, operation=operation)
        return Receipt(self._store.changes(), self._arrivals.objects, self._arrivals.raw_bytes)

    def watch(
        self,
        prefix: str = "",
        since: int = 0,
        repo_id: str = "",  # noqa: ARG002 - the list comes anyway
    ) -> Iterator[RefsChanged]:
        seen: dict[str, bytes] | None = None
        pause = self._pauses.first
        while True:
            changes = self._store.changes()
            if changes != since or seen is None:
                refs = self.refs(prefix)
                if seen is None:
                    yield RefsChanged(changes, True, dict(refs))
                elif changed := changed_refs(seen, refs):
                    yield RefsChanged(changes, False, changed)
                seen, since, pause = refs, changes, self._pauses.first
            time.sleep(pause)
            pause = min(self._pauses.longest, pause * GROWING_TIMES)

    def close(self) -> None:
        self._session.close()
        if not self._borrowed:
            self._store.close()
