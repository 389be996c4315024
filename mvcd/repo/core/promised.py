"""Content that a clone left out (wanted.py), fetched from the remote that promised it when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from mvcd.errors import AuthError, MissingObject, MvcError, RemoteUnreachable
from mvcd.ids import Digest, Kind
from mvcd.monitor import Monitor
from mvcd.objects.entry import Entry
from mvcd.repo.core import connecting, remotes
from mvcd.repo.core.config import Config
from mvcd.repo.core.remotes import Secret
from mvcd.store.api import Store
from mvcd.store.peer import HEALING, Peer
from mvcd.sync.whole import whole

PAUSE_SECONDS = 30


class Promised:
    """Fetches what is absent, from several threads; the connection is made when it is first needed. A remote
    that did not answer is not asked again for PAUSE_SECONDS seconds: a diff may ask a thousand times."""

    def __init__(
        self,
        store: Store,
        config: Config,
        name: str,
        *,
        secret: Secret,
        clock: Callable[[], int],
        monitor: Monitor,
    ) -> None:
        self._store = store
        self._config = config
        self._name = name
        self._secret = secret
        self._clock = clock
        self._monitor = monitor
        self._lock = threading.Lock()
        self._peer: Peer | None = None
        self._silent: RemoteUnreachable | AuthError | None = None
        self._until = 0

    def get(self, id: Digest) -> bytes:
        """Raises MissingObject, and what the way to the remote raises."""
        with self._lock, self._once():
            self._bring([id])
        return self._store.get(id)

    def bring(self, roots: Iterable[Digest], *, lists_only: bool = False) -> None:
        """All that `roots` reach and is not here, many at a time; with `lists_only` no more than tells which
        files there are."""
        from mvcd.sync.pull import fetch_below  # late: start-up

        stop = Kind.RECIPE if lists_only else Kind.VERSION
        wanted = list(dict.fromkeys(roots))
        if whole(self._store, wanted, stop):
            return
        with self._lock, self._once(), self._store.session() as session:
            fetch_below(session, self._store, [self._connected()], wanted, self._monitor, stop=stop)
            session.flush()

    def bring_entries(self, entries: Iterable[Entry]) -> None:
        self.bring([entry.recipe for entry in entries])

    @contextmanager
    def _once(self) -> Iterator[None]:
        now = self._clock()
        if self._silent is not None and now < self._until:
            raise self._silent.with_traceback(None)
        try:
            yield
        except (RemoteUnreachable, AuthError) as error:
            self._silent, self._until = error, self._clock() + PAUSE_SECONDS * 1_000_000_000
            raise

    def ahead(self, ids: Sequence[Digest]) -> None:
        """Brings what will be asked for next, in one request instead of many; `get` tells what cannot come."""
        here = self._store.has(ids)
        gone = [id for id, found in zip(ids, here, strict=True) if not found]
        if gone:
            with suppress(MissingObject), self._lock, self._once():
                self._bring(gone)

    def _bring(self, ids: list[Digest]) -> None:
        from mvcd.sync.pull import fetch_records  # late: start-up

        with self._store.session() as session:
            try:
                fetch_records(session, self._store, [self._connected()], ids, self._monitor)
            except MissingObject as error:
                raise MissingObject(
                    str(error),
                    cause=f"it was left out here or pruned, and {self._name} does not have it",
                    help=HEALING,
                ) from error
            session.flush()

    def _connected(self) -> Peer:
        if self._peer is None:
            found = remotes.remote(self._config, self._name)
            try:
                self._peer = connecting.connect(
                    found, self._secret, self._clock, self._monitor.warn
                )
            except MvcError as error:
                error.cause = error.cause or "content that was left out here or pruned is needed"
                raise
        return self._peer

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None
