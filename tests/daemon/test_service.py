"""The daemon from outside: real processes, real files."""

from __future__ import annotations

from collections.abc import Callable

from mvcd.objects.version import Trigger
from tests.daemon.daemons import Daemon, content, versions
from tests.support.workspace import Bench

Make = Callable[..., Bench]


def test_a_settled_directory_is_saved(daemon: Daemon, workspace: Make) -> None:
    bench = workspace()
    daemon.watch(bench)
    daemon.sync(bench)
    bench.write({"model.bin": b"weights", "metrics.json": '{"acc": 0.5}'})
    daemon.sync(bench)
    last = versions(bench)[-1]
    assert last.version.trigger is Trigger.AUTO
    assert content(bench, "model.bin") == b"weights"
    assert last.version.metrics == {"acc": 0.5}
    bench.write({"metrics.json": '{"acc": 0.75}'})
    daemon.sync(bench)
    assert versions(bench)[-1].version.message == "results: acc 0.5 -> 0.75"
