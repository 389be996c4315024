"""People who work by the command line, a real `mvc` process for each verb, and what they were told.

A value of a ref is acknowledged, or indeterminate because the client that pushed it was killed or heard no
answer.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from pathlib import Path

from tests.support.engine import Repository
from tests.support.forks import Caller, Ended, Forks
from tests.support.workspace import files_of

SECONDS = 120.0
"""Until a command that lives must have ended; one whose line is gone gives up after 60 s."""
TYPICAL = 0.5
"""Seconds within which a death comes; a push takes 0.1 to 0.3."""
REFUSED = {
    "non-fast-forward", "diverged", "ref-changed", "nothing-to-commit", "busy", "holds-already",
}  # fmt: skip
"""Kinds of errors that come of several people, or of doing a thing again."""
Content = dict[str, str]
"""Digests of a version's files by their paths."""


@dataclass
class Ledger:
    """What people were told. Thread-safe."""

    contents: dict[str, Content] = field(default_factory=dict)
    """Of each version that somebody made."""
    main: list[str] = field(default_factory=list)
    """Versions whose push to main was acknowledged."""
    unsure: set[str] = field(default_factory=set)
    """Those whose push to main may have come through."""
    branches: dict[str, set[str | None]] = field(default_factory=dict)
    """What a branch that one person alone pushes to may be now."""
    stages: dict[str, str] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    """How often a verb was acknowledged, refused, killed, by `push ok`, `push killed`."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def copy(self) -> Ledger:
        with self.lock:
            told = {each.name: getattr(self, each.name) for each in fields(self)}
        del told["lock"]
        return Ledger(**deepcopy(told))

    def count(self, what: str) -> None:
        with self.lock:
            self.done[what] = self.done.get(what, 0) + 1

    def pushed_main(self, version: str, *, certain: bool) -> None:
        with self.lock:
            if certain:
                self.main.append(version)
            else:
                self.unsure.add(version)

    def pushed(self, branch: str, version: str | None, *, certain: bool) -> None:
        """None: it was deleted."""
        with self.lock:
            before = self.branches.get(branch, {None})
            self.branches[branch] = {version} if certain else before | {version}


def content(root: Path) -> Content:
    return {name: digest(data) for name, data in files_of(root).items()}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Place:
    """Where people work: below `top`, with the server at `url`, until `ending`. `suffered` tells whether a
    fault may be the reason that a command fails that began at a moment."""

    top: Path
    forks: Forks
    ledger: Ledger
    ending: threading.Event
    suffered: Callable[[float], bool]
    tokens: Mapping[str, str]
    url: str = ""


class Hand:
    """Who gives commands, each a process that may be killed."""

    def __init__(self, place: Place, name: str, seed: int) -> None:
        self.name = name
        self.home = place.top / name
        self.temporary = self.home / "tmp"
        self.temporary.mkdir(parents=True)
        self._at = place
        self._random = random.Random(f"{seed} {name}")
        environment = {
            "HOME": str(self.home), "TMPDIR": str(self.temporary),
            "MVC_CONFIG": str(self.home / "config.toml"), "MVC_NO_DAEMON": "1", "NO_COLOR": "1",
            "MVC_AUTHOR": f"{name} <{name}@example.org>", "MVC_TOKEN": place.tokens.get(name, ""),
        }  # fmt: skip
        self.caller = Caller(place.forks, self.home, environment)

    def mvc(self, *words: str, mortal: bool = False, where: Path | None = None) -> Ended:
        """A command; if `mortal` it may be killed at some moment. It is accounted for, and one that fails has
        to have a reason."""
        began = time.monotonic()
        seconds = self._random.uniform(0.0, TYPICAL) if mortal else SECONDS
        ended = self.caller.mvc(*words, "--json", directory=where or self.home, seconds=seconds)
        told = "killed" if ended.code is None else ended.kind or "ok"
        self._at.ledger.count(f"{words[0]} {told}")
        assert mortal or ended.code is not None, f"{self.name}: {words} did not end"
        right = not ended.code or ended.kind in REFUSED or self._at.suffered(began)
        assert right, f"{self.name}: {words}: {ended.err}"
        return ended

    def dies(self) -> bool:
        return self._random.random() < 0.25


class Person(Hand):
    """Works in `root`, by `mvc` alone."""

    def __init__(self, place: Place, name: str, seed: int) -> None:
        super().__init__(place, name, seed)
        self.root = self.home / "w"
        self._number = 0
        self._unsaved = False
        """A commit was killed before it had made a version, for all that is known."""

    def run(self) -> None:
        acts = (self._save, self._push, self._push, self._branch, self._promote, self._look,
                self._clone)  # fmt: skip
        while not self._at.ending.is_set():
            self._random.choice(acts)()

    def log_in(self) -> None:
        self.mvc("login", self._at.url)
        with Repository.open(str(self.root)) as repo:
            repo.set_remote_url("origin", self._at.url)

    def finish(self) -> None:
        """No more faults: saves, pulls, pushes, and all is well. A collection takes the leases of the dead."""
        self._save(mortal=False)
        tries = 0
        while not self._push(mortal=False):
            tries += 1
            assert tries < 20, f"{self.name} cannot push"
        self.here("gc", mortal=False)

    def here(self, *words: str, mortal: bool) -> Ended:
        return self.mvc(*words, mortal=mortal, where=self.root)

    # ---------------------------------------------------------------- verbs

    def _save(self, *, mortal: bool | None = None) -> None:
        self._number += 1
        weights = self.root / f"{self.name}.bin"
        data = bytearray(weights.read_bytes() if weights.exists() else bytes(60_000))
        at = self._random.randrange(len(data) - 2000)
        data[at : at + 2000] = self._random.randbytes(2000)
        weights.write_bytes(data)
        (self.root / "params.yaml").write_text(f"lr: {self._number}\nwho: {self.name}\n")
        mortal = self.dies() if mortal is None else mortal
        ended = self.here("commit", "-m", f"{self.name} {self._number}", mortal=mortal)
        self._unsaved = ended.code is None
        self._stand()

    def _push(self, *, mortal: bool | None = None) -> bool:
        """Whether main is ours there."""
        head = self._stand()
        mortal = self.dies() if mortal is None else mortal
        ended = self.here("push", "origin", "main", mortal=mortal)
        ledger = self._at.ledger
        if ended.code == 0:
            ledger.pushed_main(head, certain=True)
            with ledger.lock:
                ledger.stages |= {r["name"]: r["new"] for r in json.loads(ended.out)["refs"]
                                  if r["name"].startswith("stages/")}  # fmt: skip
            return True
        if ended.kind in REFUSED:
            self._pull(mortal=mortal)
        else:
            ledger.pushed_main(head, certain=False)
        return False

    def _pull(self, *, mortal: bool) -> None:
        if self._unsaved:  # in the way of a pull, and taken along by a merge
            self.here("commit", "-m", f"{self.name} again", mortal=False)
            self._stand()
            self._unsaved = False
        ended = self.here("pull", "origin", "main", mortal=mortal)
        if ended.code is None:  # a file of it may be there, and another not
            self.here("checkout", "main", "--force", mortal=False)
        elif ended.kind == "diverged":
            self.here("merge", "origin/main", "--ours", ".", mortal=False)
        self._stand()

    def _branch(self) -> None:
        """Makes one of theirs there, moves it, or deletes it."""
        branch = f"{self.name}/{self._random.randrange(4)}"
        head: str | None = self._stand()
        possible = self._at.ledger.branches.get(branch, {None})
        if None not in possible and self._random.random() < 0.3:
            head = None
        what = f":{branch}" if head is None else f"HEAD:{branch}"
        ended = self.here("push", "origin", what, mortal=self.dies())
        if ended.kind not in REFUSED:
            self._at.ledger.pushed(branch, head, certain=ended.code == 0)

    def _promote(self) -> None:
        self.here("promote", "HEAD", f"{self.name}-stage", mortal=self.dies())

    def _look(self) -> None:
        words = self._random.choice(
            (("fetch", "origin"), ("log", "-n", "5"), ("ls-remote", "origin"), ("status",))
        )
        self.here(*words, mortal=self.dies())

    def _clone(self) -> None:
        target = self.home / "copy"
        words = ("clone", self._at.url, str(target))
        if self.mvc(*words, mortal=self.dies()).code is None:
            self.mvc(*words)  # what the dead one began is no obstacle
        shutil.rmtree(target, ignore_errors=True)

    def _stand(self) -> str:
        """The version of HEAD; one that is new is noted with what is in the workspace."""
        with Repository.open(str(self.root)) as repo:
            head = repo.head.version.hex()
        ledger = self._at.ledger
        with ledger.lock:
            if head not in ledger.contents:
                ledger.contents[head] = content(self.root)
        return head
