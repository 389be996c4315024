"""A team moves from a directory into a bucket and back, as its people see it: real servers, real `mvc`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.daemon.serve.servers import ENVIRONMENT, SOURCES, Server, team


class Person:
    """Somebody at a command line, with settings, credentials and caches of their own."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.work = home / "work"
        self.work.mkdir(parents=True)
        self._environment = {
            **ENVIRONMENT,
            **environment,
            "XDG_CACHE_HOME": str(home / "cache"),
            "MVC_CONFIG": str(home / "config.toml"),
            "MVC_AUTHOR": "Ada <ada@example.org>",
        }

    def __call__(self, *words: object, given: str = "", code: int = 0) -> str:
        """Runs `mvc WORDS...`; what it printed, errors too."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "mvc", *map(str, words)], cwd=self.work, input=given,
            env=self._environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout

    def save(self, message: str, **files: bytes) -> None:
        for name, content in files.items():
            (self.work / name).write_bytes(content)
        self("add", ".")
        self("commit", "-m", message)


@contextmanager
def serving(root: object, count: int, where: Path, env: Mapping[str, str]) -> Iterator[list[str]]:
    """So many servers of a root; the addresses of its repository "iris" at each."""
    own = [["--cache", where / f"cache{number}"] for number in range(count)]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                Server(
                    "--root", root, "--listen", "127.0.0.1:0",
                    *(cache if "://" in str(root) else ()), environment=env,
                )
            )
            for cache in own
        ]  # fmt: skip
        yield [f"grpc://{server.listen}/iris" for server in servers]


def live_through(place: Path, url: str, environment: Mapping[str, str]) -> None:
    """All of it, with `url` for the bucket's root."""
    ada, ben = (Person(place / name, environment) for name in ("ada", "ben"))
    secret = team(place / "old", "iris")

    def meet(person: Person, address: str) -> None:
        person("login", address, given=f"{secret}\n")
        person("remote", "set-url", "origin", address)

    with serving(place / "old", 1, place, environment) as (old,):
        ada("init")
        ada.save("first", weights=os.urandom(3_000_000), params=b"lr: 1\n")
        ada("login", old, given=f"{secret}\n")
        ada("remote", "add", "origin", old)
        ada("push")
        refused = ada("admin", "copy", place / "old", url, code=11)
        assert "another server has" in refused
        assert "end that server" in refused
        ben("login", old, given=f"{secret}\n")
        ben("clone", old, ".")
    log = ada("audit", "log", "--root", place / "old", "--json")
    assert "would be copied" in ada("admin", "copy", place / "old", url, "--dry-run")
    assert "every object read" in ada("admin", "copy", place / "old", url)
    assert ada("audit", "log", "--root", url, "--json") == log
    with serving(url, 2, place, environment) as (one, other):
        meet(ben, one)
        ben("pull")
        ben.save("second", params=b"lr: 2\n")
        ben("push")
        meet(ada, other)
        ada("pull")
        assert (ada.work / "params").read_bytes() == b"lr: 2\n"
        ada.save("third", params=b"lr: 3\n")
        ada("push")
    ada("admin", "copy", url, place / "new")
    with serving(place / "new", 1, place, environment) as (new,):
        meet(ben, new)
        ben("pull")
        assert (ben.work / "params").read_bytes() == b"lr: 3\n"
        ben("verify", "--remote", "origin", "--read-data")
    rows = ada("audit", "verify", "--root", place / "new", "--repo", "iris")
    assert "3 rows, unbroken" in rows


_KILLED = """
import os, signal, sys
from mvcd.store.bucket.objectstore import ObjectBlobs
from tests.daemon.serve.teams import copied

left = int(sys.argv[1])

def counted(write):
    def written(self, *arguments):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = write(self, *arguments)
        if left == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return written

for name in ("put", "create", "swap"):
    setattr(ObjectBlobs, name, counted(getattr(ObjectBlobs, name)))
copied(*sys.argv[2:])
"""


def copy_until_it_ends(source: object, url: str, environment: Mapping[str, str], step: int) -> int:
    """Copies into a bucket in processes that end before or after a write of theirs, each later than the one
    before; how many did."""
    for number in range(2, 1000):
        words = (str(number * step), str(source), url)
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, *words], env={**ENVIRONMENT, **environment}, cwd=SOURCES
        )
        if not done.returncode:
            return number - 2
        assert done.returncode == -signal.SIGKILL
    raise AssertionError("it never ended")
