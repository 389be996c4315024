"""Clones that hold every record but not all content: what they leave out, and who has it.

    partial.remote     the remote that promised the rest
    partial.only       components whose content comes with a fetch, joined by commas; none: "-"
    partial.depth      content of that many newest versions comes with a fetch

What is left out comes when it is asked for, and stays. So "absent" is no damage here, as long as the
remote has it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvcd.errors import AuthError, Failure, MissingObject, MvcError, RemoteUnreachable
from mvcd.ids import Digest, Kind, VersionId
from mvcd.objects.entry import Entry
from mvcd.objects.version import Component, Version
from mvcd.repo import remotes
from mvcd.repo.config import Config
from mvcd.store.api import ObjectReader
from mvcd.sync.walk import difference

if TYPE_CHECKING:
    from mvcd.repo.core import Core
    from mvcd.store.peer import Peer

PAUSE = 30
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which content a fetch brings. `only` None: of all components; empty: of none. `depth` None: of all
    versions."""

    only: frozenset[Component] | None = None
    depth: int | None = None

    @property
    def everything(self) -> bool:
        return self.only is None and self.depth is None

    def settings(self, remote: str) -> dict[str, str | None]:
        if self.everything:
            return {}
        only = None if self.only is None else ",".join(sorted(self.only)) or _NOTHING
        depth = None if self.depth is None else str(self.depth)
        return {"partial.remote": remote, "partial.only": only, "partial.depth": depth}

    def left_out(
        self,
        new: Sequence[VersionId],
        heads: Collection[VersionId],
        read: Callable[[Digest], bytes],
    ) -> frozenset[Digest]:
        """Component roots of new versions (parents first) whose content does not come."""
        leave: set[Digest] = set()
        keep: set[Digest] = set()
        deep = dict.fromkeys(heads, 1)
        for id in reversed(new):
            version = Version.decode(read(id))
            depth = deep.get(id, 1)
            for parent in version.parents:
                deep[parent] = min(deep.get(parent, depth + 1), depth + 1)
            wanted = self.depth is None or depth <= self.depth
            for component, root in version.components.items():
                if root.root is not None:
                    here = wanted and (self.only is None or component in self.only)
                    (keep if here else leave).add(root.root)
        return frozenset(leave - keep)


def is_partial(config: Config) -> bool:
    return config.get("partial.remote") is not None


def wanted(config: Config) -> Wanted:
    """Raises Failure(kind="bad-config")."""
    only, depth = config.get("partial.only"), config.get("partial.depth")
    try:
        names = None if only is None else [n for n in only.split(",") if n != _NOTHING]
        return Wanted(
            None if names is None else frozenset(map(Component, names)),
            None if depth is None else int(depth),
        )
    except ValueError as error:
        raise Failure(
            "the [partial] settings are wrong", kind="bad-config", cause=str(error)
        ) from None


def way_to_absent(config: Config) -> str:
    """The exact command by which content that is not here comes, in the form of an error's `help`."""
    name = config.get("partial.remote")
    if name is not None:
        return f"mvc verify --remote {name}  (tells why {name} did not give it)"
    names = remotes.remotes(config)
    if names:
        name = remotes.DEFAULT if remotes.DEFAULT in names else min(names)
        return f"mvc config set partial.remote {name}  (fetches it when it is asked for)"
    return "mvc remote add origin URL && mvc config set partial.remote origin"


def promised(core: Core) -> Promised | None:
    return Promised(core) if is_partial(core.config) else None


class Promised:
    """Fetches what is absent, from several threads; the connection is made when it is first needed. A remote
    that did not answer is not asked again for PAUSE seconds: a diff may ask a thousand times."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._peer: Peer | None = None
        self._silent: RemoteUnreachable | AuthError | None = None
        self._until = 0

    def get(self, id: Digest) -> bytes:
        """Raises MissingObject, and what the way to the remote raises."""
        with self._lock, self._once():
            self._bring([id])
        return self._core.store.get(id)

    def bring(self, roots: Iterable[Digest], *, lists_only: bool = False) -> None:
        """All that `roots` reach and is not here, many at a time; with `lists_only` no more than tells which
        files there are."""
        from mvcd.sync.pull import fetch_below

        core = self._core
        stop = Kind.RECIPE if lists_only else Kind.VERSION
        wanted = list(dict.fromkeys(roots))
        if _all_here(core.store, wanted, stop):
            return
        with self._lock, self._once(), core.store.session() as session:
            fetch_below(session, core.store, [self._connected()], wanted, core.monitor, stop=stop)
            session.flush()

    def bring_entries(self, entries: Iterable[Entry]) -> None:
        self.bring([entry.recipe for entry in entries])

    @contextmanager
    def _once(self) -> Iterator[None]:
        now = self._core.clock()
        if self._silent is not None and now < self._until:
            raise self._silent.with_traceback(None)
        try:
            yield
        except (RemoteUnreachable, AuthError) as error:
            self._silent, self._until = error, self._core.clock() + PAUSE * 1_000_000_000
            raise

    def ahead(self, ids: Sequence[Digest]) -> None:
        """Brings what will be asked for next, in one request instead of many; `get` tells what cannot come."""
        here = self._core.store.has(ids)
        gone = [id for id, found in zip(ids, here, strict=True) if not found]
        if gone:
            with suppress(MissingObject), self._lock, self._once():
                self._bring(gone)

    def _bring(self, ids: list[Digest]) -> None:
        from mvcd.sync.pull import fetch_records

        core = self._core
        with core.store.session() as session:
            try:
                fetch_records(session, core.store, [self._connected()], ids, core.monitor)
            except MissingObject as error:
                raise MissingObject(
                    str(error),
                    cause=f"this clone left it out, and {self._name} does not have it",
                    help="mvc verify --remote",
                ) from error
            session.flush()

    @property
    def _name(self) -> str:
        return self._core.config.get("partial.remote") or ""

    def _connected(self) -> Peer:
        if self._peer is None:
            core = self._core
            found = remotes.remote(core.config, self._name)
            try:
                self._peer = remotes.connect(found, core.secret, core.clock, core.monitor.warn)
            except MvcError as error:
                error.cause = error.cause or "content that this clone left out is needed"
                raise
        return self._peer

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None


def _all_here(store: ObjectReader, roots: Sequence[Digest], stop: Kind) -> bool:
    """Whether nothing has to be fetched: then a clone works without its remote."""

    def read(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        wanted = [id for id in ids if id.kind is not stop]
        if not all(store.has(wanted)):
            raise MissingObject("some of it is not here")
        return store.get_many(wanted)

    try:
        for group in difference(roots, (), read, read):
            if not all(store.has([id for id in group if id.kind is Kind.CHUNK])):
                return False
    except MissingObject:
        return False
    return True
