"""A team's server under everything at once: people who work (people.py), a line that is cut, deaths."""

from __future__ import annotations

import os
import random
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvcd.errors import MvcError
from mvcd.ids import VersionId
from mvcd.monitor import Silent
from mvcd.repo.core.core import no_secret
from mvcd.repo.share.pushing import Asked
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from tests.daemon.serve.servers import BY, CONTEXT, Server
from tests.faults.people import SECONDS, Hand, Ledger, Person, Place, content
from tests.support.engine import Repository
from tests.support.forks import Forks
from tests.support.proxy import Proxy
from tests.support.workspace import Bench

REPO = "team/iris"
NEEDED = ("push ok", "commit ok", "read ok", "admin ok", "clone ok")
"""What has to have happened at least once, if it takes MOST seconds."""
MOST = 60.0
LATE = 5.0
"""Seconds after a fault within which a command may still suffer from it."""


@dataclass(frozen=True)
class Sample:
    """What the server's process takes at a moment. `rss` are its own pages, KiB: those of LMDB's file, which
    grows with what is pushed, are the kernel's to give back."""

    time: float
    rss: int
    descriptors: int
    threads: int


class Soak:
    """A server in `top`, its proxy, and who works with it. `faults` are the moments at which something was cut
    or killed that everybody may notice."""

    def __init__(self, top: Path, seed: int, seconds: float, people: Sequence[str]) -> None:
        self.top = top
        self.root = top / "root"
        self.seconds = seconds
        self.ledger = Ledger()
        self.faults: list[float] = []
        self.samples: list[Sample] = []
        self.wrong: list[str] = []
        self.ending = threading.Event()
        self.restarts = 0
        self._temporary = top / "server-tmp"
        self._temporary.mkdir(parents=True)
        self.tokens = accounts(self.root, people)
        self.forks = Forks(top)
        self.place = Place(top, self.forks, self.ledger, self.ending, self.suffered, self.tokens)
        self.people = [Person(self.place, name, seed) for name in people]
        self.operator = Hand(self.place, "operator", seed)
        prepare(self)
        self.server = self._start()
        self.proxy = Proxy(self.port)
        self.place.url = f"grpc://127.0.0.1:{self.proxy.port}/{REPO}"
        for person in self.people:
            person.log_in()
        self._random = random.Random(f"{seed} faults")
        self._collection = ("admin", "repo", "gc", REPO, "--root", str(self.root))

    @property
    def port(self) -> int:
        return int(self.server.listen.rpartition(":")[2])

    def run(self) -> None:
        """All of it. What went wrong meanwhile is in `wrong`."""
        began = time.monotonic()
        threads = [
            threading.Thread(target=self._guarded, args=(act,))
            for act in (*(person.run for person in self.people), self._read, self._collect,
                        lambda: self._strike(began), self._watch)
        ]  # fmt: skip
        for thread in threads:
            thread.start()
        self.ending.wait(self.seconds)
        while not set(NEEDED) <= self.ledger.done.keys() and time.monotonic() < began + MOST:
            if self.ending.wait(0.1):
                break
        self.ending.set()
        for thread in threads:
            thread.join(3 * SECONDS)
            if thread.is_alive():
                self.wrong.append(f"{thread} does not end")
        self.kill()
        finishing = [threading.Thread(target=self._guarded, args=(p.finish,)) for p in self.people]
        for thread in finishing:
            thread.start()
        for thread in finishing:
            thread.join(3 * SECONDS)
        self.operator.mvc(*self._collection)

    def close(self) -> int:
        """The server's exit code."""
        self.ending.set()
        for hand in (self.operator, *self.people):
            hand.caller.close()
        self.forks.__exit__()
        self.proxy.close()
        return self.server.stop()

    def suffered(self, began: float) -> bool:
        """Whether a fault may be the reason that a command that began then fails now."""
        return any(fault >= began - LATE for fault in self.faults)

    def kill(self) -> None:
        """The server, with -9; another one takes its place."""
        self.faults.append(time.monotonic())
        self.server.process.kill()
        self.server.stop()
        self.server = self._start()
        self.proxy.target = self.port
        self.restarts += 1
        self.faults.append(time.monotonic())

    def _start(self) -> Server:
        return Server(
            "--root", self.root, "--listen", "127.0.0.1:0", "--drain", "5",
            environment={"TMPDIR": str(self._temporary)},
        )  # fmt: skip

    def _guarded(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException:
            self.wrong.append(traceback.format_exc())
            self.ending.set()

    # ---------------------------------------------------------------- what befalls everybody

    def _strike(self, began: float) -> None:
        """Cuts the line now and then. The server dies in the first quarter only: from then on one process is
        watched, and it is what the quarters after it compare."""
        pause = min(20.0, self.seconds / 6)
        quarter = began + self.seconds / 4
        next_death = began + self._random.uniform(0.1, 0.9) * min(pause, self.seconds / 4)
        while not self.ending.wait(self._random.uniform(0.2, 1.0) * pause):
            if next_death <= time.monotonic() < quarter or not self.restarts:
                self.kill()
                next_death = time.monotonic() + self._random.uniform(0.5, 1.5) * pause
                continue
            self.faults.append(time.monotonic())
            match self._random.randrange(4):
                case 0:
                    self.proxy.cut_after(up=self._random.randrange(1, 60_000))
                case 1:
                    self.proxy.cut_after(down=self._random.randrange(1, 60_000))
                case 2:  # what was done is not heard of
                    self.proxy.swallowing = True
                    self.ending.wait(self._random.uniform(0.1, 0.5))
                    self.proxy.cut()
                    self.proxy.swallowing = False
                case _:
                    self.proxy.cut()
            self.faults.append(time.monotonic())

    def _collect(self) -> None:
        """The server's operator frees what nothing reaches, and is killed over it now and then."""
        source = random.Random(self._random.random())
        while not self.ending.wait(source.uniform(0.2, 1.0) * min(30.0, self.seconds / 6)):
            self.operator.mvc(*self._collection, mortal=self.operator.dies())

    def _read(self) -> None:
        """Somebody who fetches all, again and again, by the library."""
        while not self.ending.wait(min(5.0, self.seconds / 10)):
            began = time.monotonic()
            peer = self.server.peer(REPO, self.tokens[self.people[0].name])
            try:
                with MemoryStore() as store, store.session() as session:
                    head = peer.refs()["heads/main"]
                    pull(store, session, [peer], [VersionId(head)], [], monitor=Silent())
                    session.commit()
                    assert all(store.has([VersionId(head)]))
                self.ledger.count("read ok")
            except MvcError as error:
                if not self.suffered(began):
                    raise
                self.ledger.count(f"read {error.kind}")
            finally:
                peer.close()

    def _watch(self) -> None:
        while not self.ending.wait(min(1.0, self.seconds / 60)):
            pid = self.server.process.pid
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                rows = dict(line.split(":", 1) for line in status.splitlines())
                descriptors = len(os.listdir(f"/proc/{pid}/fd"))
                rss, threads = int(rows["RssAnon"].split()[0]), int(rows["Threads"])
            except (OSError, KeyError):  # it was killed just now
                continue
            self.samples.append(Sample(time.monotonic(), rss, descriptors, threads))


def accounts(root: Path, people: Sequence[str]) -> dict[str, str]:
    """A server directory with REPO, and a token for each person, who may write."""
    tokens = {}
    with Root.create(root) as opened:
        opened.create_repository(BY, REPO)
        for name in people:
            opened.accounts.add_user(BY, name)
            opened.accounts.set_grant(BY, name, Scope(role=Role.WRITE))
            tokens[name] = opened.accounts.add_token(BY, name)[0]
    return tokens


def prepare(soak: Soak) -> None:
    """The first version, on the server and with everybody."""
    place = str(soak.root / "repos" / REPO)
    first, *others = soak.people
    with Bench(first.root) as bench:
        source = random.Random(1)
        bench.save({"model.bin": source.randbytes(300_000), "params.yaml": "lr: 0\n"})
        bench.repo.add_remote("origin", place)
        bench.repo.push("origin", Asked(("main",)), context=CONTEXT)
        head = bench.repo.head.version.hex()
    soak.ledger.contents[head] = content(first.root)
    soak.ledger.main.append(head)
    for person in others:
        repo, _ = Repository.clone(place, str(person.root), context=CONTEXT, secret=no_secret)
        repo.close()
