"""A client's own index of a bucket: the rows of all live runs, in LMDB (BUCKET.md, section The client's index).

It is no truth and may go at any time. Its tables are those of a store's index, used so:

    objects     digest -> place, as in a store on a disk; packs have numbers that mean something here only
    packs       number -> hash and size; never used anew for another pack, since others may have it open
    refs        pack and offset -> records that are held whole
    operations  name -> bytes of small live runs, which are merged soon
    cache       rows of `cache_put`, and what is known to be damaged
    meta        up to which state it has come
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mvcd.errors import IntegrityError, MvcError
from mvcd.store.bucket.bucketstate import BucketState
from mvcd.store.bucket.indexrun import NamedPack, RunReader
from mvcd.store.damage import replace_damaged
from mvcd.store.index import Index, Transaction
from mvcd.store.pack import Stretch
from mvcd.store.refs import scan
from mvcd.store.rows import LOCATION, PACK_KEY, seal, unseal

CACHE_VERSION = "2"
KEPT_RUN_BYTES = 64 << 10
"""Bytes of a run up to which it is kept here too: it is to be merged, and need not be fetched for that."""

_APPLIED = b"applied"
_PACK_ROW = struct.Struct("<32sQ")
_PLACE_KEY = struct.Struct(">II")

Fetch = Callable[[Sequence[str]], Mapping[str, bytes]]
"""Brings the objects of runs of these names."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The state that the index has the rows of. `packs` are the numbers of those that each run names."""

    generation: int
    epoch: int
    write: str
    packs: Mapping[str, frozenset[int]]

    def left_by(self, gone: Collection[str]) -> frozenset[int] | None:
        """The packs that only these runs name; None where others name one of them too."""
        left = frozenset[int]().union(*(self.packs[name] for name in gone))
        others = (packs for name, packs in self.packs.items() if name not in gone)
        return left if all(left.isdisjoint(packs) for packs in others) else None


class RunIndex:
    """Thread-safe; several processes share one directory."""

    def __init__(self, directory: str | None, store_id: str) -> None:
        """`directory` holds the indexes of all stores; None makes one that goes with this object."""
        self._temporary: str | None = None
        self._packs: list[NamedPack] = []
        self._numbers: dict[bytes, int] = {}
        self._lock = threading.Lock()
        self.index = self._opened(directory, store_id)

    def _opened(self, directory: str | None, store_id: str) -> Index:
        if directory is not None:
            with suppress(OSError, MvcError):
                return _opened_in(os.path.join(directory, store_id, CACHE_VERSION))
        self._temporary = tempfile.mkdtemp(prefix="mvc-bucket-")
        return Index.acquire(self._temporary, create=True)

    def close(self) -> None:
        self.index.release()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    # ------------------------------------------------------------------ where things are

    def pack(self, number: int) -> NamedPack:
        """The pack of a number. Raises IndexError."""
        if number >= len(self._packs):
            with self.index.read() as txn:
                self._load(txn)
        return self._packs[number]

    def held(self, stretches: Sequence[Stretch]) -> dict[tuple[int, int], bytes]:
        """Finds the records that are held here, by pack and offset."""
        keys = {_PLACE_KEY.pack(pack, offset): (pack, offset) for pack, offset, _ in stretches}
        with self.index.read() as txn, txn.cursor(db=self.index.refs) as cursor:
            return {keys[bytes(key)]: bytes(data) for key, data in cursor.getmulti(list(keys))}

    def applied(self) -> Applied | None:
        with self.index.read() as txn:
            return self._read_applied(txn)

    # ------------------------------------------------------------------ brought up to date

    def bring(self, state: BucketState, fetch: Fetch, *, anew: bool = False) -> None:
        """Applies the rows of a state; with `anew`, though it is older than what is here. Raises what `fetch`
        does, IntegrityError for a damaged run."""
        while True:
            before = self.applied()
            fresh = anew or _is_other_history(before, state) or before is None
            if not fresh and before is not None and before.generation >= state.generation:
                return
            leaving = None if fresh or before is None else _leaving(before, state)
            known = {} if leaving is None or before is None else before.packs
            names = [run.name for run in state.runs if run.name not in known]
            data = dict(fetch(names)) if names else {}
            runs = [(name, RunReader(name, data[name])) for name in names]

            def work(
                txn: Transaction,
                before: Applied | None = before,
                leaving: frozenset[int] | None = leaving,
                runs: list[tuple[str, RunReader]] = runs,
                data: Mapping[str, bytes] = data,
                known: Mapping[str, frozenset[int]] = known,
            ) -> bool:
                if self._read_applied(txn) != before:
                    return False
                if leaving is None:
                    for table in (self.index.objects, self.index.refs, self.index.operations):
                        txn.drop(table, delete=False)
                else:
                    self._remove(txn, leaving)
                self._apply(txn, state, runs, data, known)
                return True

            if self.index.write(work):
                return

    def lend(self, name: str, data: bytes) -> None:
        """Applies one run that is in the bucket, before the state that names it can be applied."""
        run = RunReader(name, data)
        self.index.write(lambda txn: self._put_run(txn, run, self._all_numbers(txn)))

    def kept_runs(self, names: Sequence[str]) -> dict[str, bytes]:
        """Finds the bytes of the runs that are kept here, by name."""
        keys = [name.encode() for name in names]
        with self.index.read() as txn, txn.cursor(db=self.index.operations) as cursor:
            return {bytes(key).decode(): bytes(data) for key, data in cursor.getmulti(keys)}

    # ------------------------------------------------------------------ inside

    def _apply(
        self,
        txn: Transaction,
        state: BucketState,
        runs: list[tuple[str, RunReader]],
        data: Mapping[str, bytes],
        known: Mapping[str, frozenset[int]],
    ) -> None:
        index = self.index
        numbers = self._all_numbers(txn)
        packs = {name: sorted(found) for name, found in known.items()}
        for name, run in runs:
            packs[name] = self._put_run(txn, run, numbers)
        live = {run.name.encode() for run in state.runs}
        for key in [bytes(key) for key, _ in scan(txn, index.operations)]:
            if key not in live:
                txn.delete(key, db=index.operations)
        for name, _ in runs:
            if len(data[name]) <= KEPT_RUN_BYTES:
                txn.put(name.encode(), data[name], db=index.operations)
        applied = [state.generation, state.epoch, state.writes[-1] if state.writes else "",
                   {run.name: packs[run.name] for run in state.runs}]  # fmt: skip
        txn.put(_APPLIED, seal(_APPLIED, json.dumps(applied).encode()), db=index.meta)

    def _remove(self, txn: Transaction, packs: frozenset[int]) -> None:
        """Removes the rows and held records of packs."""
        index = self.index
        if not packs:
            return
        rows = [
            bytes(key)
            for key, row in scan(txn, index.objects)
            if LOCATION.unpack_from(row)[0] in packs
        ]
        held = [
            bytes(key) for key, _ in scan(txn, index.refs) if _PLACE_KEY.unpack(key)[0] in packs
        ]
        for keys, table in ((rows, index.objects), (held, index.refs)):
            for key in keys:
                txn.delete(key, db=table)

    def _put_run(self, txn: Transaction, run: RunReader, known: dict[bytes, int]) -> list[int]:
        """Returns the numbers of its packs. Rows go from the run to the tables one by one, and where there are
        none yet in the order in which they lie there: a million take 0.7 s and no memory but LMDB's own."""
        index = self.index
        numbers = [self._number(txn, pack, known) for pack in run.packs]
        replace_damaged(index, txn, run.rows(numbers))
        first = not txn.stat(index.objects)["entries"]
        with txn.cursor(db=index.objects) as cursor:
            cursor.putmulti(run.rows(numbers), overwrite=True, append=first)
        for digest, record in run.held().items():
            row = txn.get(digest, db=index.objects)
            if row is not None:
                pack, offset, *_ = LOCATION.unpack_from(row)
                txn.put(_PLACE_KEY.pack(pack, offset), record, db=index.refs)
        return sorted(numbers)

    def _number(self, txn: Transaction, pack: NamedPack, known: dict[bytes, int]) -> int:
        number = known.get(pack.hash)
        if number is None:
            number = known[pack.hash] = int(txn.stat(self.index.packs)["entries"])
            row = _PACK_ROW.pack(*pack)
            txn.put(PACK_KEY.pack(number), row, db=self.index.packs, append=True)
        return number

    def _all_numbers(self, txn: Transaction) -> dict[bytes, int]:
        """Of a transaction's own: what it adds may be aborted, and is not remembered before it is read."""
        tail = scan(txn, self.index.packs, start=PACK_KEY.pack(len(self._packs)))
        new = {_PACK_ROW.unpack(row)[0]: PACK_KEY.unpack(key)[0] for key, row in tail}
        return self._numbers | new

    def _load(self, txn: Transaction) -> None:
        """Reads what was added to the pack table since it was read last."""
        with self._lock:
            for _, row in scan(txn, self.index.packs, start=PACK_KEY.pack(len(self._packs))):
                pack = NamedPack(*_PACK_ROW.unpack(row))
                self._numbers[pack.hash] = len(self._packs)
                self._packs.append(pack)

    def _read_applied(self, txn: Transaction) -> Applied | None:
        stored = txn.get(_APPLIED, db=self.index.meta)
        value = None if stored is None else unseal(_APPLIED, bytes(stored))
        if value is None:
            return None
        generation, epoch, write, packs = json.loads(value)
        return Applied(generation, epoch, write, {n: frozenset(p) for n, p in packs.items()})


def trim(directory: str, most_bytes: int) -> None:
    """See `stores.trim_indexes`."""
    found: list[tuple[float, int, str]] = []
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            files = [
                os.path.join(path, name) for path, _, names in os.walk(entry.path) for name in names
            ]
            with suppress(FileNotFoundError):
                size = sum(os.stat(file).st_blocks * 512 for file in files)
                found.append((entry.stat().st_mtime, size, entry.path))
    left = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if left <= most_bytes:
            return
        shutil.rmtree(path, ignore_errors=True)
        left -= size


def _opened_in(path: str) -> Index:
    """A damaged one is made anew. Raises OSError, MvcError."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    try:
        found = Index.acquire(path, create=True)
    except IntegrityError:
        shutil.rmtree(path)
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = Index.acquire(path, create=True)
    if found.read_only:
        found.release()
        raise PermissionError(path)
    with suppress(OSError):
        os.utime(os.path.dirname(path))  # used now: `trim` takes others first
    return found


def _leaving(before: Applied, state: BucketState) -> frozenset[int] | None:
    """The packs whose rows leave an index that comes to a later state; None where it has to be made anew: a row
    may have gone, and others of its pack not (BUCKET.md, section Collection)."""
    gone = before.packs.keys() - {run.name for run in state.runs}
    if before.epoch == state.epoch or not gone:
        return frozenset()  # runs were merged, which loses no row
    return None if len(gone) == len(before.packs) else before.left_by(gone)


def _is_other_history(applied: Applied | None, state: BucketState) -> bool:
    """Whether what is here did not lead to this state: somebody put back older objects."""
    if applied is None:
        return False
    behind = state.generation - applied.generation
    return 0 <= behind < len(state.writes) and state.writes[-1 - behind] != applied.write
