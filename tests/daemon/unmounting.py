"""A disk below a workspace goes away and comes back, under a real daemon; run by test_mounts.py.

As a program it does so with a real file system: `unshare -Urm python -m tests.daemon.unmounting DIRECTORY`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.daemon.daemons import LIMITS, Daemon, content, short_directory, versions
from tests.support.workspace import Bench

Files = dict[str, bytes | str]
Act = Callable[[Path], None]


def episode(daemon: Daemon, bench: Bench, mount: Act, unmount: Act) -> None:
    """`mount` puts a disk with the file `set.bin` on a directory, `unmount` takes it away."""
    disk = bench.root / "data" / "big"
    disk.mkdir(parents=True)
    mount(disk)
    bench.write({"model.bin": b"1"})
    daemon.watch(bench)
    daemon.sync(bench)
    assert content(bench, "data/big/set.bin") == b"data"

    unmount(disk)
    report = _save(daemon, bench, b"2")
    assert content(bench, "data/big/set.bin") == b"data"
    assert report["skipped"][0]["path"] == "data/big/"
    assert "not mounted" in report["skipped"][0]["reason"]

    daemon.stop()  # a restart of the machine, and a placeholder in the empty directory
    bench.write({"data/big/NOT_MOUNTED": ""})
    daemon.restart()
    report = _save(daemon, bench, b"3")
    assert content(bench, "data/big/set.bin") == b"data"
    with bench.reopen() as repo:
        assert "data/big/NOT_MOUNTED" not in {f.path for f in repo.ls()}
    bench.remove("data/big/NOT_MOUNTED")

    mount(disk)
    report = _save(daemon, bench, b"4")
    assert report["skipped"] == []
    assert [len(v.version.components) for v in versions(bench)] == [5] * 4

    unmount(disk)
    _save(daemon, bench, b"5")
    with bench.reopen() as repo:
        repo.commit("The data set is not needed any more", context=bench.context())
        assert "data/big/set.bin" not in {f.path for f in repo.ls()}
    assert _save(daemon, bench, b"6")["skipped"] == []


def _save(daemon: Daemon, bench: Bench, model: bytes) -> dict[str, Any]:
    bench.write({"model.bin": model})
    report = daemon.sync(bench)
    assert content(bench, "model.bin") == model
    return report


def _mount(disk: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "none", str(disk)], check=True)
    (disk / "set.bin").write_bytes(b"data")


def _unmount(disk: Path) -> None:
    subprocess.run(["umount", str(disk)], check=True)


if __name__ == "__main__":
    root = Path(sys.argv[1]) / "experiment"
    with Bench(root) as bench, short_directory() as places, Daemon(places) as daemon:
        bench.write({"mvc.toml": LIMITS})
        bench.add()
        episode(daemon, bench, _mount, _unmount)
