"""What one session relies on: objects that it found here, under a lease before it counts on them, and still
here when it commits (FORMAT.md, section Leases)."""

from __future__ import annotations

from collections.abc import Collection

from mvcd.errors import MissingObject, StaleReuse
from mvcd.ids import Digest
from mvcd.store.damage import present
from mvcd.store.index import Transaction
from mvcd.store.lease import Lease
from mvcd.store.meta import SWEEPS, number
from mvcd.store.parts import Parts
from mvcd.store.reuse import Reuse

LOOKED_IDS = 1 << 10
"""Objects that are looked up before the index may let go of the pages that they lie in: about 64 MB."""


class Reliance:
    """One session's. Not thread-safe. `sweeps`: how many collections had run when it began."""

    def __init__(self, store: Parts) -> None:
        self._index = store.index
        self._directory = store.lease_directory
        self._lease: Lease | None = None
        self._looked = 0
        self.reuse = Reuse(store)
        self.sweeps = self._sweeps_now()

    def present(self, ids: Collection[bytes]) -> set[bytes]:
        """Returns those of the objects that are here and may be counted on; who does so relies on them."""
        return self.reuse.present(ids)

    def has_looked_up(self, count: int) -> None:
        """Call it where this thread might write."""
        self._looked += count
        if self._looked >= LOOKED_IDS:
            self._looked = 0
            self._index.let_go()

    def rely_on(self, ids: Collection[bytes]) -> None:
        """From now on no collection takes them. Raises OSError."""
        if not ids:
            return
        if self._lease is None:
            self._lease = Lease(self._directory)
        self._lease.add(ids)

    def require_base(self, base: Digest) -> None:
        """Relies on what an object rests on. Raises MissingObject, OSError."""
        if not present(self._index, (base,)):
            raise MissingObject(f"the base {base.short()} is not in the store")
        self.rely_on((base,))

    def still_here(self, txn: Transaction, but: Collection[bytes]) -> int:
        """Sees to it that all it relies on is there as `txn` sees the store, `but` for what comes with it.
        Returns `sweeps` as it is there. Raises StaleReuse where a collection that ran meanwhile took some."""
        sweeps = number(self._index, txn, SWEEPS)
        if sweeps != self.sweeps:
            self._require_present(txn, but)
        return sweeps

    def _require_present(self, txn: Transaction, but: Collection[bytes]) -> None:
        relied = self._lease.ids() if self._lease else set()
        gone = [
            id for id in relied if id not in but and txn.get(id, db=self._index.objects) is None
        ]
        if gone:
            raise StaleReuse(
                f"{len(gone)} objects that this commit reuses were collected meanwhile",
                cause=f"the first is {gone[0].hex()[:12]}",
                help="run the command again",
            )

    def start_over(self) -> None:
        """After StaleReuse: relies on nothing, as of now."""
        if self._lease is not None:
            self._lease.clear()
        self.sweeps = self._sweeps_now()

    def close(self) -> None:
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    def abandon(self) -> None:
        """Forgets the lease in a forked child, without touching the parent's lock."""
        if self._lease is not None:
            self._lease.abandon()
            self._lease = None

    def _sweeps_now(self) -> int:
        with self._index.read() as txn:
            return number(self._index, txn, SWEEPS)
