"""More repositories than descriptors: the last used stay open, and one slow store stalls nobody else."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mvcd.errors import Failure
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.opened import STORE_DESCRIPTORS, OpenedByName
from mvcd.team.host import TeamHost
from mvcd.team.records import Quota
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.host import Access, Caller
from tests.store.children import Child
from tests.store.objects import plain
from tests.support.memory import in_memory
from tests.team.acts import BY, NOW

ROOT = Path(__file__).parents[2]
ADA = Caller("unix:", certificate=("ada",))


def served(root: Root) -> TeamHost:
    root.accounts.add_user(BY, "ada")
    root.accounts.set_grant(BY, "ada", Scope("**", Role.WRITE))
    root.accounts.set_certificate(BY, "ada", "ada")
    return TeamHost(root, lambda: NOW)


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def memory() -> Iterator[Path]:
    """Where 300 stores are made in a second."""
    with in_memory() as made:
        yield made


def use_300(server: str) -> None:
    """Opens each of 300 repositories twice with 1024 descriptors; writes how many are open, and whether
    descriptors are left."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    with Root.create(Path(server)) as root:
        for number in range(300):
            root.create_repository(BY, f"r{number}")
        host = served(root)
        for turn in range(2):
            for number in range(300):
                store = host.open(f"r{number}", ADA, Access.UPDATE).store
                with store.session() as session:
                    session.put(*plain(b"%d %d" % (turn, number)))
                    session.commit([RefUpdate(f"heads/{turn}", None, b"x" * 32)])
        sys.stdout.write(f"{len(host._open)} {len(os.listdir('/proc/self/fd')) < 700}")
        host.close()


@pytest.mark.thorough
def test_the_300th_repository_of_a_server_with_1024_descriptors_works(memory: Path) -> None:
    """In a process that begins with no descriptors and no threads of other tests."""
    called = f"from tests.team.test_many import use_300; use_300({str(memory / 'server')!r})"
    command = [sys.executable, "-c", called]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{1024 // STORE_DESCRIPTORS} True"), done.stderr


def test_what_is_in_use_stays_open_when_it_is_let_go_of(root: Root) -> None:
    host = served(root)
    for name in "abc":
        root.create_repository(BY, name)
    host._open._most = 1
    used = host.open("a", ADA, Access.UPDATE)
    with used.store.session() as session:
        host.open("b", ADA, Access.READ)
        host.open("c", ADA, Access.READ)
        assert len(host._open) == 1
        session.put(*plain(b"late"))
        session.commit([RefUpdate("heads/x", None, b"x" * 32)])
    assert used.store.refs() == {"heads/x": b"x" * 32}
    again = host.open("a", ADA, Access.READ)
    assert again.store is used.store
    host.open("b", ADA, Access.READ)
    format_file = os.path.join(used.store.path, "format")
    assert format_file in open_files()
    del used, again, session
    assert format_file not in open_files()
    assert host.open("a", ADA, Access.READ).store.refs() == {"heads/x": b"x" * 32}
    host.close()


def open_files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return found


def test_what_is_owed_outlives_the_store_that_is_let_go_of(root: Root) -> None:
    host = served(root)
    for name in "ab":
        root.create_repository(BY, name)
    root.accounts.set_quota(BY, Quota("a", "ada", 1000))
    host._open._most = 1
    host.open("a", ADA, Access.UPDATE).check_put(700)
    host.open("b", ADA, Access.READ)
    assert len(host._open) == 1
    with pytest.raises(Failure, match="quota") as caught:
        host.open("a", ADA, Access.UPDATE).check_put(700)
    assert caught.value.kind == "quota"
    host.close()


def test_one_slow_store_stalls_nobody_else(root: Root) -> None:
    """Opening a store waits for a commit in progress there: others open meanwhile, and those who want that one
    wait for it together."""
    host = served(root)
    for name in ("slow", "quick"):
        root.create_repository(BY, name)
    path = root.repository_path("slow")

    def hold(report: Any) -> None:
        with LmdbStore.open(path) as store:

            def work(txn: Any) -> None:
                report("held")
                while not os.path.exists(root.path + "/go"):
                    time.sleep(0.005)

            store.index.write(work)

    child = Child(hold)
    assert child.line() == "held"
    found: list[Any] = []
    waiting = [
        threading.Thread(target=lambda: found.append(host.open("slow", ADA, Access.READ)))
        for _ in range(2)
    ]
    for thread in waiting:
        thread.start()
    deadline = time.monotonic() + 10
    while host._open._opening.keys() == set() and time.monotonic() < deadline:
        time.sleep(0.001)
    quick = host.open("quick", ADA, Access.UPDATE).store
    with quick.session() as session:
        session.put(*plain(b"1"))
        session.commit()
    assert found == [], "the slow one is still held"
    Path(root.path, "go").touch()
    child.end()
    for thread in waiting:
        thread.join(30)
    assert len(found) == 2
    assert found[0].store is found[1].store
    host.close()


def test_those_with_something_to_remember_are_let_go_of_last() -> None:
    opened = OpenedByName(Named, lambda each: each.name == "busy", 2)
    busy = opened.get("busy")
    for name in "abcd":
        opened.get(name)
    assert opened.get("busy") is busy
    assert len(opened) == 2


def test_a_failure_to_open_is_not_remembered() -> None:
    tries = []

    def make(name: str) -> Named:
        tries.append(name)
        if len(tries) == 1:
            raise OSError(5, "no")
        return Named(name)

    opened = OpenedByName(make, lambda _: False, 2)
    with pytest.raises(OSError, match="no"):
        opened.get("a")
    assert opened.get("a").name == "a"
    assert opened._opening == {}
