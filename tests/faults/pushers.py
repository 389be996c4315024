"""A program that pushes until it is killed, and writes down what it asked for and what it was told.

    python -m tests.faults.pushers '{"name": "ada", ...}'

`Orders` has the fields. Its notes are lines of JSON in a file, one written before each call and one after it:
what kill -9 cuts off has the first one alone. `read_notes` makes a `Note` of each call. The program pushes to a
branch that is its own, to one that all push to, and to branches that it deletes again, which leaves something
to collect.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mvc import Conflict, MissingObject, MvcError, Repo
from mvcd.errors import with_cause

SHARED = "shared"
SCRATCH = "scratch/"
FILE = "weights.bin"
REF_CONFLICTS = {"non-fast-forward", "ref-changed"}
"""Kinds of conflicts that say that a ref was not as it was expected to be."""


@dataclass(frozen=True)
class Orders:
    """Who pushes, from which workspace, to which addresses of one repository (with the options of each)."""

    name: str
    workspace: str
    notes: str
    seed: int
    remotes: Sequence[tuple[str, Mapping[str, str]]]
    patience_seconds: float = 30.0
    """For a bucket that does not answer, until the next address is tried."""


@dataclass
class Note:
    """One call: a "push" of one ref, a "look" at `refs` by name, or "aside", an error of something else.

    `end` is None for a call that was cut off; `told` is "ok", "conflict", "nothing" for what surely did not
    happen, or the kind of another error, which `said` so."""

    what: str
    began: float = 0.0
    ref: str = ""
    expect: str | None = None
    target: str | None = None
    seed: int = 0
    size: int = 0
    end: float | None = None
    told: str | None = None
    said: str = ""
    refs: dict[str, str] = field(default_factory=dict)


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def read_notes(path: Path) -> Iterator[Note]:
    """Raises AssertionError for a program that failed as no program may."""
    open_note: Note | None = None
    for line in path.read_text().splitlines():
        found: dict[str, Any] = json.loads(line)
        assert "failure" not in found, found["failure"]
        if "end" in found:
            assert open_note is not None
            yield replace(open_note, **found)
            open_note = None
        else:
            if open_note is not None:
                yield open_note
            open_note = Note(**found)
    if open_note is not None:
        yield open_note


class Pusher:
    """See this module."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._random = random.Random(f"{orders.seed} {os.getpid()} {time.monotonic_ns()}")
        self._notes = os.open(orders.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        author = f"{orders.name} <{orders.name}@example.org>"
        if os.path.isdir(os.path.join(orders.workspace, ".mvc")):
            self._repo = Repo.open(orders.workspace, author=author)
        else:
            os.makedirs(orders.workspace, exist_ok=True)
            self._repo = Repo.init(orders.workspace, author=author)
        known = {one.name for one in self._repo.remotes()}
        self._remotes = [f"r{n}" for n in range(len(orders.remotes))]
        for name, (url, options) in zip(self._remotes, orders.remotes, strict=True):
            if name not in known:
                self._repo.add_remote(name, url, options=options)

    def run(self) -> None:
        """Does not end by itself."""
        while True:
            try:
                self._act()
            except MvcError as error:
                self._write({"what": "aside", "told": _word(error), "said": with_cause(error)})
                if not isinstance(error, Conflict):
                    self._remotes.append(self._remotes.pop(0))
            except Exception:
                self._write({"failure": traceback.format_exc()})
                raise

    def _act(self) -> None:
        try:
            refs = self._look()
        except MvcError as error:
            if error.kind != "no-such-repository":
                raise
            refs = {}  # the first push makes it
        draw = self._random.random()
        if draw < 0.15:
            self._scratch(refs)
        else:
            self._push(refs, SHARED if draw < 0.5 else self._orders.name, self._size())

    def _look(self) -> dict[str, str]:
        self._write({"what": "look", "began": time.monotonic()})
        with self._told():
            found = self._repo.remote_refs(self._remotes[0])
            refs = {one.name: one.version for one in found if one.version is not None}
            kept = {name: value for name, value in refs.items() if SCRATCH not in name}
            self._write({"end": time.monotonic(), "told": "ok", "refs": kept})
        return refs

    def _push(self, refs: Mapping[str, str], branch: str, size: int) -> None:
        """A version upon the one that was seen there."""
        head = refs.get(f"heads/{branch}")
        if head is not None and not self._is_here(head):
            self._repo.fetch(self._remotes[0])
        seed = self._random.getrandbits(48)
        files = {FILE: content(seed, size), "seed.txt": f"{seed}\n".encode()}
        parents = [head] if head else []
        try:
            made = self._repo.write(f"n{seed}", files, f"{seed}", parents=parents)
        except MissingObject:  # its record is here, of a fetch that was killed
            self._repo.fetch(self._remotes[0])
            made = self._repo.write(f"n{seed}", files, f"{seed}", parents=parents)
        note = Note("push", time.monotonic(), f"heads/{branch}", head, made.version, seed, size)
        self._write({k: v for k, v in asdict(note).items() if v})
        with self._told():
            self._repo.push(f"n{seed}:{branch}", remote=self._remotes[0])
            self._write({"end": time.monotonic(), "told": "ok"})
        self._repo.delete_branch(f"n{seed}", force=True)

    def _scratch(self, refs: Mapping[str, str]) -> None:
        """Deletes what is left of an earlier one, or pushes one."""
        ours = f"heads/{SCRATCH}{self._orders.name}"
        for name in refs:
            if name.startswith(ours):
                self._repo.push(f":{name.removeprefix('heads/')}", remote=self._remotes[0])
                return
        name = f"{SCRATCH}{self._orders.name}-{self._random.getrandbits(32)}"
        self._push({}, name, 1_000_000)

    def _size(self) -> int:
        return self._random.choice([1_000, 60_000, 60_000, 200_000, 3_000_000])

    def _is_here(self, version: str) -> bool:
        try:
            self._repo.show(version)
        except MvcError:
            return False
        return True

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Writes down what an error says of the call."""
        try:
            yield
        except MvcError as error:
            self._write({"end": time.monotonic(), "told": _word(error), "said": with_cause(error)})
            raise

    def _write(self, note: Mapping[str, object]) -> None:
        os.write(self._notes, f"{json.dumps(note)}\n".encode())


def _word(error: MvcError) -> str:
    if isinstance(error, Conflict):
        return "conflict" if error.kind in REF_CONFLICTS else "nothing"
    return error.kind


def main() -> None:
    orders = Orders(**json.loads(sys.argv[1]))
    if any(url.startswith("s3:") for url, _ in orders.remotes):
        from mvcd.store.bucket import objectstore

        objectstore.PATIENCE_SECONDS = orders.patience_seconds
    Pusher(orders).run()


if __name__ == "__main__":
    main()
