"""A team over Ceph in which things die: daemons of the store, servers without state, people, who collects.

Two repositories are pushed to: `direct`, a bucket remote, and `served`, through servers over the same bucket. A
collection runs in each of them again and again, by the bucket, with no time of grace or hardly any, so that it
takes away whatever it may.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, Self

from mvcd.team.bucketroot import BucketRoot
from mvcd.team.roles import Role, Scope
from tests.daemon.serve.servers import BY, ENVIRONMENT, Server
from tests.faults.pushers import Orders
from tests.support.cephcluster import Cluster, free_ports

REPO = "team/iris"
DIRECT = ("ada", "bob", "cyd")
SERVED = ("dan", "eve", "fay")
PROGRESS_SECONDS = 300.0
"""Within which both repositories take pushes again after whatever died is back; a busy machine takes half."""
START_SECONDS = 180.0
ENGINE = ("rgw.0", "rgw.1", "osd.0", "osd.1", "osd.2", "mon.a")
KINDS = {"a disk": 5, "two disks": 4, "a gateway": 5, "the monitor": 4, "all": 2}
"""How many of 20 strikes are of each kind. Each but the last takes others along: two people, half of
them a server, a quarter the collection that runs."""


def strikes(rounds: int, seed: int) -> Iterator[str]:
    """Each kind once in a random order, and then so many rounds of 20."""
    draw = random.Random(seed)
    yield from draw.sample(list(KINDS), len(KINDS))
    for _ in range(rounds):
        yield from draw.sample([*KINDS], 20, counts=KINDS.values())


@dataclass
class Stage:
    """All that runs. `killed` counts the processes that died, by kind; `collected` what collections came
    to; `stalls` are the seconds from a strike until both repositories took pushes again."""

    top: Path
    cluster: Cluster
    seed: int

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.killed: Counter[str] = Counter()
        self.collected: Counter[str] = Counter()
        self.stalls: dict[str, list[float]] = {}
        self.over = threading.Event()
        self.bucket = self.cluster.endpoints[0].make_bucket()
        self._ports = free_ports(2)
        self._servers: list[Server | None] = [None, None]
        self._people: dict[str, subprocess.Popen[bytes]] = {}
        self._collection: subprocess.Popen[str] | None = None
        self._ends = ExitStack()
        self._noted: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._ends.close()
            raise
        return self

    def _begin(self) -> None:
        self._ends.callback(self._end)
        reached = {**self.by_gateway(0), "cache": str(self.top / "cache")}
        root = self._ends.enter_context(BucketRoot.create(self._url("team"), reached))
        root.create_repository(BY, REPO)
        self.served_url = root.repository_path(REPO)
        self.tokens = {}
        for name in SERVED:
            root.accounts.add_user(BY, name)
            root.accounts.set_grant(BY, name, Scope(role=Role.WRITE))
            self.tokens[name] = root.accounts.add_token(BY, name)[0]
        for number in range(2):
            self.start_server(number)
        for name in (*DIRECT, *SERVED):
            self.start_person(name)
        remotes = list(self._add_remotes())
        self._collector = threading.Thread(target=self._collect, args=(remotes,))
        self._collector.start()

    def __exit__(self, *exc: object) -> None:
        self._ends.close()

    # ------------------------------------------------------------------ who is there

    def start_server(self, number: int) -> None:
        """Starts one of the two servers at the port that it always has, over the gateway of its number."""
        here = ("--listen", f"127.0.0.1:{self._ports[number]}", "--http", "127.0.0.1:0")
        state = ("--cache", self.top / f"cache{number}", "--admin-token", self.top / "admin.token")
        environment = self.cluster.endpoints[number].environment()
        self._servers[number] = Server(
            "--root", self._url("team"), *here, *state, environment=environment, seconds=START_SECONDS
        )  # fmt: skip

    def orders(self, name: str) -> Orders:
        direct = name in DIRECT
        number = (DIRECT if direct else SERVED).index(name)
        order = (number % 2, 1 - number % 2)
        remotes = [self.remote("direct" if direct else "served", n) for n in order]
        patience = 30.0 if number == 0 else 2.0
        return Orders(
            name, str(self.top / name), str(self.notes(name)), self.seed, remotes, patience
        )

    def remote(self, repository: str, number: int) -> tuple[str, Mapping[str, str]]:
        """The address of a repository by one of the gateways or servers, with its options."""
        if repository == "served":
            return f"grpc://127.0.0.1:{self._ports[number]}/{REPO}", {}
        return self._url("direct"), self.by_gateway(number)

    def by_gateway(self, number: int) -> dict[str, str]:
        return {"endpoint": self.cluster.endpoints[number].url}

    def notes(self, name: str) -> Path:
        return self.top / f"{name}.notes"

    def start_person(self, name: str) -> None:
        with open(self.top / f"{name}.out", "ab") as out:
            self._people[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.pushers", json.dumps(asdict(self.orders(name)))],
                env=self.environment(name), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip

    def environment(self, name: str) -> dict[str, str]:
        found = {
            **ENVIRONMENT, **self.cluster.endpoints[0].environment(), "MVC_NO_DAEMON": "1",
            "MVC_CONFIG": "", "XDG_CACHE_HOME": str(self.top / "caches" / name),
            "MVC_TOKEN": self.tokens.get(name, ""),
        }  # fmt: skip
        del found["AWS_ENDPOINT_URL"]  # each remote has its own
        return found

    # ------------------------------------------------------------------ what dies

    def strike(self, kind: str) -> None:
        """Kills, and starts again what was killed; both repositories take pushes after that."""
        began = time.monotonic()
        if kind == "all":
            people, servers, daemons = (*DIRECT, *SERVED), (0, 1), ENGINE
            self.kill_collector()
        else:
            people = tuple(self.random.sample((*DIRECT, *SERVED), 2))
            servers = (self.random.randrange(2),) if self.random.random() < 0.5 else ()
            daemons = _daemons(kind, self.random)
            if self.random.random() < 0.25:
                self.kill_collector()
        for name in people:
            self.kill_person(name)
            self.let(0.5)
        for number in servers:
            self.kill_server(number)
        for name in daemons:
            self.cluster.kill(name)
            self.killed[name.partition(".")[0]] += 1
        for name in people if kind != "all" else ():
            self.start_person(name)
        self.let(8.0)
        for name in reversed(daemons):
            self.cluster.start(name)
        self.cluster.wait_for(0, 1)
        for name in people if kind == "all" else ():
            self.start_person(name)
        for number in servers:
            self.start_server(number)
        self.progress()
        self.stalls.setdefault(kind, []).append(time.monotonic() - began)

    def kill_server(self, number: int) -> None:
        server = self._servers[number]
        assert server is not None
        server.process.send_signal(signal.SIGKILL)
        self.killed["a server"] += 1
        server.stop()

    def kill_person(self, name: str) -> None:
        person = self._people[name]
        assert person.poll() is None, (self.top / f"{name}.out").read_text()
        person.kill()
        person.wait()
        self.killed["a client"] += 1

    def kill_collector(self) -> None:
        collection = self._collection
        if collection is not None and collection.poll() is None:
            collection.kill()
            self.killed["the collector"] += 1

    def let(self, most_seconds: float) -> None:
        """Leaves things as they are for any while: how long something is dead is part of a strike."""
        time.sleep(self.random.uniform(0, most_seconds))

    def progress(self) -> None:
        """Waits until each repository has taken a push that was begun after this."""
        now, end = time.monotonic(), time.monotonic() + PROGRESS_SECONDS
        for group in (DIRECT, SERVED):
            while not any(self._took_a_push(name, now) for name in group):
                assert time.monotonic() < end, f"nobody of {group} can push: {self.tails(group)}"
                time.sleep(0.1)

    def _took_a_push(self, name: str, since: float) -> bool:
        with suppress(FileNotFoundError):
            return any(
                asked.get("what") == "push" and asked["began"] > since and told.get("told") == "ok"
                for asked, told in pairwise(_tail(self.notes(name)))
            )
        return False

    def tails(self, group: tuple[str, ...]) -> dict[str, object]:
        return {name: _tail(self.notes(name))[-4:] for name in group if self.notes(name).exists()}

    # ------------------------------------------------------------------ collections

    def _add_remotes(self) -> Iterator[str]:
        """Of a person who has the keys of the bucket: each repository, with no time of grace and hardly any."""
        here = self.top / "gil"
        here.mkdir()
        assert self._mvc("init") == (0, "")
        for grace in ("0s", "3s"):
            for number, url in enumerate((self._url("direct"), self.served_url)):
                name, endpoint = f"r{number}-{grace}", self.by_gateway(number)["endpoint"]
                options = ("-o", f"endpoint={endpoint}", "-o", f"grace={grace}")
                added = self._mvc("remote", "add", name, url, *options)
                assert added == (0, ""), added
                yield name

    def _collect(self, remotes: Sequence[str]) -> None:
        """`mvc gc --remote`, again and again."""
        for name in cycle(remotes):
            if self.over.is_set():
                return
            _, told = self._mvc("gc", "--remote", name, "--expire-operations", "0s")
            self.collected[told or "ok"] += 1

    def _mvc(self, *words: str) -> tuple[int, str]:
        """Exit code, and the kind of the error; "killed" for one that was."""
        self._collection = process = subprocess.Popen(
            [sys.executable, "-m", "mvc", "-C", str(self.top / "gil"), *words, "--json"],
            env=self.environment("gil"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        out, said = process.communicate()
        if process.returncode == -signal.SIGKILL:
            return process.returncode, "killed"
        if process.returncode == 0:
            return 0, ""
        with suppress(ValueError, KeyError, TypeError):
            return process.returncode, str(json.loads(said.splitlines()[-1])["kind"])
        return process.returncode, said or out

    # ------------------------------------------------------------------

    def settle(self) -> None:
        """Ends the people, who may be in the middle of something, and the collections."""
        self.over.set()
        for person in self._people.values():
            person.kill()
            person.wait()
        self._collector.join()

    def _url(self, place: str) -> str:
        return f"s3://{self.bucket}/{place}"

    def _end(self) -> None:
        self.over.set()
        self.kill_collector()
        for person in self._people.values():
            person.kill()
            person.wait()
        for server in self._servers:
            if server is not None:
                server.process.kill()
                server.stop()
        with suppress(AttributeError):
            self._collector.join()


def _tail(path: Path) -> list[dict[str, Any]]:
    """The last notes of somebody."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 8192))
        lines = file.read().split(b"\n")[1:-1]
    return [json.loads(line) for line in lines]


def _daemons(kind: str, draw: random.Random) -> tuple[str, ...]:
    """Those of the store that die."""
    if kind == "the monitor":
        return ("mon.a",)
    if kind == "a gateway":
        return (f"rgw.{draw.randrange(2)}",)
    return tuple(f"osd.{n}" for n in draw.sample(range(3), 2 if kind == "two disks" else 1))
