"""Runs that are merged: the newest ones of one size, when there are enough (BUCKET.md, section Runs)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mvcd.store.bucket.bucketstate import RunEntry
from mvcd.store.bucket.indexrun import IndexRun, NamedPack, RunPlace

MERGE_RUNS = 8
"""Runs of one size that become one. A reader whose index is new fetches at most 7 of each size; a row is
written once per size, of which there are 5 up to a gigabyte."""
SMALLEST_RUN_BYTES = 64 << 10


class RunsMoved(Exception):
    """Runs that were merged are not live any more."""


@dataclass(frozen=True, slots=True)
class Merging:
    """Runs that are to be part of the next one, oldest first, by name."""

    runs: dict[str, IndexRun] = field(default_factory=dict)

    @property
    def replaces(self) -> frozenset[str]:
        return frozenset(self.runs)


def mergeable(runs: Sequence[RunEntry]) -> list[RunEntry]:
    """The runs to merge, oldest first: only ever the newest ones, so that what is newer stays so. Empty where
    there are too few."""
    found: list[RunEntry] = []
    limit = SMALLEST_RUN_BYTES
    while True:
        count = 0
        while count < len(runs) and runs[-1 - count].size_bytes < limit:
            count += 1
        if count >= MERGE_RUNS:
            found = list(runs[-count:])
        if count == len(runs):
            return found
        limit *= MERGE_RUNS


def merge_into(
    merging: Merging, packs: list[NamedPack], rows: dict[bytes, RunPlace], held: dict[bytes, bytes]
) -> tuple[list[NamedPack], dict[bytes, RunPlace], dict[bytes, bytes]]:
    """The same after the rows of older runs: of two for one digest the newer counts."""
    all_packs: dict[bytes, int] = {}
    by_number: list[NamedPack] = []
    all_rows: dict[bytes, RunPlace] = {}
    all_held: dict[bytes, bytes] = {}
    for run in (*merging.runs.values(), IndexRun(packs, rows, held)):
        numbers = []
        for pack in run.packs:
            number = all_packs.setdefault(pack.hash, len(by_number))
            if number == len(by_number):
                by_number.append(pack)
            numbers.append(number)
        for digest, at in run.rows.items():
            all_rows[digest] = at._replace(pack=numbers[at.pack])
            all_held.pop(digest, None)
        all_held |= run.held
    return by_number, all_rows, all_held
