"""File systems below a workspace: a mount that went away is not a version of nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mvcd.daemon.mounts import Mounts, _of_table, mounted_below
from mvcd.repo.workspace.scan import Scan
from tests.daemon.daemons import Daemon
from tests.daemon.unmounting import episode
from tests.support.workspace import Bench

TOLD = """
import os, sys
from mvcd.daemon import mounts
def told(root):
    with open({table!r}) as file:
        return {{line.strip(): "disk" for line in file}}
mounts.mounted_below = told
from mvcd.daemon.main import main
sys.exit(main())
"""


def test_a_disk_that_goes_and_comes_back(
    places: Path, tmp_path: Path, workspace: Callable[..., Bench]
) -> None:
    table, bench = tmp_path / "mounted", workspace()
    table.write_text("")

    def mount(disk: Path) -> None:
        disk.mkdir(exist_ok=True)
        (disk / "set.bin").write_bytes(b"data")
        table.write_text(disk.relative_to(bench.root).as_posix())

    def unmount(disk: Path) -> None:
        table.write_text("")
        shutil.rmtree(disk)

    with Daemon(places, program=TOLD.format(table=str(table))) as daemon:
        episode(daemon, bench, mount, unmount)


def test_the_same_with_a_real_file_system_where_we_may_mount_one(tmp_path: Path) -> None:
    alone = ["unshare", "-Urm"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*alone, "true"], capture_output=True).returncode
    ):
        return  # the test above has told the daemon of the same
    done = subprocess.run(
        [*alone, sys.executable, "-m", "tests.daemon.unmounting", str(tmp_path)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_table_of_the_kernel() -> None:
    lines = (
        "36 25 0:31 / /home rw - ext4 /dev/sda1 rw",
        "37 36 0:32 / /home/a\\040disk rw,relatime shared:1 - ext4 /dev/sdb1 rw",
        "38 36 0:33 / /home/later rw - autofs systemd-1 rw,fd=1",
        "39 25 0:34 / /homework rw - tmpfs none rw",
    )
    assert dict(_of_table(iter(lines), "/home/")) == {"a disk": "37 0:32"}


def test_what_is_mounted_here_is_read(tmp_path: Path) -> None:
    assert mounted_below(str(tmp_path)) == {}
    if Path("/proc/self/mountinfo").exists():
        assert "proc" in mounted_below("/")


def _scan(*vanished: str, fresh: bool = False) -> Scan:
    return Scan((), vanished, (), fresh, 0, 0, {}, ())


def test_what_is_remembered_and_what_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / ".mvc").mkdir()
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "set.bin").touch()
    mounted = {"big": "1"}

    def fresh() -> Mounts:
        return Mounts(str(tmp_path), lambda root: dict(mounted))

    mounts = fresh()
    mounts.remember(_scan(), ())
    assert mounts.away() == []
    mounted.clear()
    assert mounts.away() == [], "its files are there: they were moved to the root's disk"
    (tmp_path / "big" / "set.bin").unlink()
    assert fresh().away() == ["big"]
    mounts.remember(_scan(), ())
    assert mounts.away() == ["big"], "it went during the scan"
    mounts.remember(_scan(fresh=True), ["big"])
    mounts.remember(_scan("big/set.bin"), ["big"])
    assert fresh().away() == ["big"]
    mounts.remember(_scan("other"), ["big"])
    assert list(mounts.away()) == list(fresh().away()) == [], "a version without it was meant"


def test_a_damaged_memory_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / ".mvc").mkdir()
    for text in ("", "[", "[1]", '{"a": 1}', "x" * 100):
        (tmp_path / ".mvc" / "mounts.json").write_text(text)
        assert list(Mounts(str(tmp_path)).away()) == []
