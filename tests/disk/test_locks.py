"""Locks: between descriptors, which are as good as processes here, and between processes that die."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.disk import locks


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[int, int]]:
    path = tmp_path / "lock"
    files = tuple(os.open(path, os.O_RDWR | os.O_CREAT, 0o600) for _ in range(2))
    yield files[0], files[1]
    for file in files:
        os.close(file)


def test_one_holds_it_many_share_it(two: tuple[int, int]) -> None:
    one, other = two
    locks.lock(one, shared=True)
    assert locks.lock_now(other, shared=True)
    assert not locks.lock_now(one)
    locks.release(other)
    assert locks.lock_now(one)
    assert not locks.lock_now(other, shared=True)
    assert not locks.lock_within(other, 0.01, poll=0.001)
    locks.release(one)
    assert locks.lock_within(other, 0.0)


def test_the_holder_is_named_and_its_name_is_replaced(two: tuple[int, int]) -> None:
    one, other = two
    os.pwrite(one, b"4194304194304", 0)
    assert locks.hold(one) is None
    locks.sign(one)
    assert os.pread(one, 64, 0) == b"%d\n" % os.getpid()
    assert locks.hold(other) == f"process {os.getpid()}"
    locks.release(one)
    assert locks.hold(other) is None


def test_a_holder_without_a_name_is_unknown(two: tuple[int, int]) -> None:
    one, other = two
    locks.lock(one)
    assert locks.hold(other) == "process unknown"


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import os, sys; from mvcd.disk.locks import hold, sign\n"
        "file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "assert hold(file) is None; sign(file)\n"
        "print(flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    file = -1
    try:
        assert child.stdout is not None
        child.stdout.readline()
        file = os.open(path, os.O_RDWR)
        assert locks.hold(file) == f"process {child.pid}"
        child.kill()
        child.wait()
        assert locks.hold(file) is None
    finally:
        child.kill()
        child.communicate()
        os.close(file)


def test_a_directory_is_locked_by_one_or_shared(tmp_path: Path) -> None:
    shared = [locks.lock_directory(str(tmp_path), shared=True) for _ in range(2)]
    assert None not in shared
    assert locks.lock_directory(str(tmp_path)) is None
    for file in shared:
        assert file is not None
        locks.unlock(file)
    alone = locks.lock_directory(str(tmp_path), wait=True)
    assert alone is not None
    assert locks.lock_directory(str(tmp_path), shared=True) is None
    os.close(alone)


def test_a_file_that_was_unlinked_cannot_be_locked_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert locks.try_lock(str(path)) is None
    file = locks.try_lock(str(path), create=True)
    assert file is not None
    assert locks.try_lock(str(path)) is None
    path.unlink()
    assert locks.try_lock(str(path)) is None
    locks.unlock(file)
