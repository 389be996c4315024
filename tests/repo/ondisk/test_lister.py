"""Directories are listed many at a time, in order, each with its own outcome."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from mvcd.repo.ondisk._scan import list_directory
from mvcd.repo.ondisk.lister import DirectoryLister


@pytest.mark.parametrize("count", [0, 1, 9, 40, 300])
def test_the_answers_are_in_the_order_of_the_paths(tmp_path: Path, count: int) -> None:
    paths = []
    for number in range(count):
        (tmp_path / f"{number}").mkdir()
        for each in range(number % 5):
            (tmp_path / f"{number}" / f"{number}-{each}").touch()
        paths.append(os.fsencode(tmp_path / f"{number}"))
    with DirectoryLister() as lister:
        assert list(lister.each(paths)) == [list_directory(path) for path in paths]
        assert list(lister.each(paths[:3])) == [list_directory(path) for path in paths[:3]]


def test_a_directory_that_fails_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "file").touch()
    names = ["there", "absent", "file", "link"] * 20
    with DirectoryLister() as lister:
        found = list(lister.each([os.fsencode(tmp_path / name) for name in names]))
    assert found[1::4] == [errno.ENOENT] * 20 and found[2::4] == [errno.ENOTDIR] * 20
    assert set(found[3::4]) <= {errno.ELOOP, errno.ENOTDIR}
    assert found[::4] == [list_directory(os.fsencode(tmp_path / "there"))] * 20


def test_the_threads_end_where_nobody_asks_on(tmp_path: Path) -> None:
    with DirectoryLister() as lister:
        for _ in lister.each([os.fsencode(tmp_path)] * 500):
            break
    assert not any(thread.name.startswith("mvc-scan") for thread in threading.enumerate())
