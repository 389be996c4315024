"""Retention by the daemon: at a quiet moment, not too often, and never in the way of saving."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mvc.cli.screens.watch import lines
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.daemon import reader, tending
from mvcd.daemon.tending import Tending
from mvcd.ids import Bytes
from mvcd.objects.version import Trigger
from mvcd.repo.care import due
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import PRUNED
from mvcd.store.api import Stop, never
from tests.daemon.daemons import LIMITS, Daemon
from tests.support.workspace import Bench

HOUR_US = tending.PRUNE_EVERY_US
RULES = '[retention]\nkeep_last = 1\ngrace = "2h"\n'


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "w") as made:
        made.write({"mvc.toml": RULES})
        yield made


def auto(bench: Bench, *texts: str) -> None:
    for text in texts:
        bench.write({"model.pt": text * 9000})
        bench.add()
        bench.commit("saved by itself", trigger=Trigger.AUTO)


class Told(list[Mapping[str, Any]]):
    """What was told, and how to come to that."""

    def tending(self, bench: Bench, at_us: int, stop: Stop = never) -> Tending:
        context = replace(bench.context(), time_us=at_us)
        core = bench.repo._core
        return Tending(core, self.append, now=lambda: context, now_us=at_us, stop=stop)

    @property
    def states(self) -> list[str]:
        return [told["state"] for told in self]


def tend(bench: Bench, at_us: int, stop: Stop = never) -> Told:
    told = Told()
    told.tending(bench, at_us, stop).at_a_pause()
    return told


def gone(bench: Bench) -> int:
    return len(marked_by(bench.repo.store.refs(PRUNED)))


def test_rules_are_applied_at_most_hourly_and_collection_follows(bench: Bench) -> None:
    auto(bench, "a", "b", "c")
    start = 1000 * HOUR_US
    first = tend(bench, start)
    assert [t["state"] for t in first] == ["tending", "pruned"]
    assert (first[1]["versions"], first[1]["rules"]) == (2, "keep_last 1")
    auto(bench, "d")
    assert tend(bench, start + HOUR_US - 1) == []
    assert gone(bench) == 2
    second = tend(bench, start + HOUR_US)
    assert (gone(bench), second[1]["versions"]) == (3, 1)
    third = tend(bench, start + 2 * HOUR_US)
    assert [t["state"] for t in third] == ["tending", "tending", "collected"], (
        "the first grace is over"
    )
    assert bench.repo.verify().absent > 0
    assert [t["state"] for t in tend(bench, start + 4 * HOUR_US)] == ["tending"], (
        "one collection a day"
    )
    assert [t["state"] for t in tend(bench, start + 40 * HOUR_US)][-1] == "collected"
    assert [t["state"] for t in tend(bench, start + 80 * HOUR_US)] == ["tending"], "nothing is left"
    assert bench.repo.read("model.pt") == b"d" * 9000


def test_a_clock_that_was_set_back_does_not_stop_it(bench: Bench) -> None:
    tend(bench, 1000 * HOUR_US)
    auto(bench, "a", "b")
    assert tend(bench, 10 * HOUR_US)[1]["state"] == "pruned"


def test_without_rules_nothing_is_done(bench: Bench) -> None:
    bench.write({"mvc.toml": ""})
    auto(bench, "a", "b")
    assert tend(bench, 1000 * HOUR_US) == []
    assert not tending.may_be_wanted(str(bench.root))
    bench.write({"mvc.toml": RULES})
    assert tending.may_be_wanted(str(bench.root))
    bench.write({"mvc.toml": "[retention"})
    assert tending.may_be_wanted(str(bench.root)), "the reader tells what is wrong"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores of tests count as large."""
    monkeypatch.setattr(due, "LEAST_BYTES", 4000)


def let_go(bench: Bench, size: int) -> None:
    """A branch comes and goes, and with it so many bytes; the log forgets it."""
    bench.repo.switch("aside", create=True, context=bench.context())
    bench.write({"aside.bin": os.urandom(size)})
    bench.add()
    bench.commit("aside")
    bench.repo.switch("main", context=bench.context())
    bench.repo.delete_branch("aside", force=True, context=bench.context())
    bench.repo.create_branch("last", context=bench.context())  # the newest operation always stays
    bench.repo.delete_branch("last", context=bench.context())


YEAR_US = 9000 * HOUR_US


@pytest.mark.usefixtures("small")
def test_what_may_be_garbage_past_a_size_is_collected_once_a_day(bench: Bench) -> None:
    bench.write({"mvc.toml": ""})
    auto(bench, "a")
    assert tend(bench, YEAR_US).states == [], "all of it is small"
    let_go(bench, 6000)
    assert tend(bench, YEAR_US + HOUR_US - 1) == [], "that is asked hourly"
    told = tend(bench, YEAR_US + HOUR_US)
    assert told.states == ["tending", "collected"]
    assert (told[1]["why"], told[1]["objects"] > 1) == (
        "up to 0 MiB may be needed by nothing",
        True,
    )
    auto(bench, "b")
    let_go(bench, 9000)
    assert tend(bench, YEAR_US + 20 * HOUR_US) == [], "once a day"
    assert tend(bench, YEAR_US + 30 * HOUR_US).states == ["tending", "collected"]
    assert tend(bench, YEAR_US + 60 * HOUR_US) == [], "nothing has come"
    assert bench.repo.verify().ok


def test_what_the_log_alone_remembers_goes_when_it_forgets(bench: Bench) -> None:
    bench.write({"mvc.toml": ""})
    auto(bench, "a", "b", "c")
    assert tend(bench, YEAR_US) == [], "one after the other, nothing was let go of"
    let_go(bench, 100)
    told = tend(bench, 2 * YEAR_US)
    assert told.states == ["tending", "collected"]
    assert "operation log" in told[1]["why"] and told[1]["objects"] > 1


@pytest.mark.usefixtures("small")
def test_people_may_keep_both_to_themselves(bench: Bench) -> None:
    auto(bench, "a", "b")
    let_go(bench, 9000)
    for key in (tending.AUTO_GC, tending.AUTO_OPTIMIZE):
        bench.repo.config.set(key, "false")
    bench.write({"mvc.toml": ""})
    told = Told()
    assert not told.tending(bench, YEAR_US).at_rest()
    assert told == []
    bench.repo.config.write({tending.AUTO_GC: "6700"})  # by hand, into the file
    tend_again = tend(bench, YEAR_US)
    assert tend_again.states == ["untended"]
    assert "gc.auto is '6700', neither true nor false" in tend_again[0]["message"]


@pytest.mark.usefixtures("small")
def test_a_collection_that_is_stopped_goes_on_at_the_next_pause(bench: Bench) -> None:
    bench.write({"mvc.toml": ""})
    auto(bench, "a")
    let_go(bench, 9000)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2  # while it marks

    before = bench.repo.store.stats()
    assert tend(bench, YEAR_US, stop).states == ["tending"]
    assert bench.repo.store.stats() == before
    assert tend(bench, YEAR_US + 1).states == ["tending", "collected"]


def hasty(_: Encoder, data: Bytes, **__: object) -> Encoded:
    return Encoded(Codec.RAW, len(data), bytes(data))


def test_at_rest_what_was_stored_hastily_is_made_smaller(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode", hasty)
        auto(bench, *"abcd")
    bench.write({"mvc.toml": ""})
    assert tend(bench, YEAR_US) == [], "that is no business of a pause"
    told = Told()
    assert not told.tending(bench, YEAR_US + 1).at_rest()
    assert told.states == ["tending", "optimized"]
    assert told[1]["bytes"] > 20_000 and (told[1]["packs"], told[1]["left"]) == (1, 0)
    told.clear()
    assert not told.tending(bench, YEAR_US + 2).at_rest()
    assert told.states == ["tending"], "it knows what it has looked into"
    told.clear()
    assert not told.tending(bench, YEAR_US + 3, lambda: True).at_rest()
    assert told == [], "something is to be read"
    assert bench.repo.verify().ok


def test_what_is_wrong_is_told_and_saving_goes_on(bench: Bench) -> None:
    bench.write({"mvc.toml": "[retention]\nkeep = 3\n"})
    auto(bench, "a", "b")
    told: list[Mapping[str, Any]] = []
    reader.drain(str(bench.root), told.append)
    assert [t["state"] for t in told] == ["tending", "untended"]
    assert "the [retention] table of mvc.toml is wrong" in told[1]["message"]
    assert gone(bench) == 0


def test_the_daemon_prunes_what_it_saved(bench: Bench, daemon: Daemon) -> None:
    bench.write({"mvc.toml": LIMITS + RULES, "model.pt": "first"})
    bench.add()
    bench.commit()
    daemon.watch(bench)
    for text in ("a", "b", "c"):
        bench.write({"model.pt": text * 9000})
        daemon.sync(bench)
    daemon.stop()
    # The rules were applied after the first save, when nothing was old. An hour later the row says no more.
    bench.reopen()
    bench.repo.store.cache_put({b"retention/pruned": None})
    told: list[Mapping[str, Any]] = []
    reader.drain(str(bench.root), told.append)
    assert [t["state"] for t in told] == ["tending", "pruned"]
    assert gone(bench) == 2
    newest = next(bench.repo.operations())
    assert (newest.verb, newest.author) == ("prune", "mvcd")


QUIET_SOON = """
import sys
from mvcd.daemon import priority, resting
resting.IDLE_SECONDS = resting.PAUSE_SECONDS = 0.2
priority.loaded.__code__ = (lambda: False).__code__
from mvcd.daemon.main import main
sys.exit(main())
"""


def test_the_daemon_tends_when_it_is_quiet_and_says_so(
    bench: Bench, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write({"mvc.toml": LIMITS})
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode", hasty)
        auto(bench, *"abcd")
    let_go(bench, 9000)  # decades ago, by the times of tests
    with Daemon(places, program=QUIET_SOON) as daemon:
        daemon.watch(bench)
        deadline = time.monotonic() + 60
        while len(care := daemon.report(bench)["care"]) < 2:
            assert time.monotonic() < deadline, (care, daemon.log())
            time.sleep(0.1)
        log = daemon.log()
        status = list(lines(daemon.ask("status")["workspaces"]))
    assert "operation log" in care["collected"]["why"] and care["collected"]["objects"] > 1
    assert care["optimized"]["packs"] >= 1 and care["optimized"]["left"] == 0
    assert "optimized" in log and "collected" in log
    assert any(line.startswith("  optimized 1 pack ") for line in status), status
    assert any(line.startswith("  freed ") for line in status), status
    bench.reopen()
    assert bench.repo.read("model.pt") == b"d" * 9000
    assert bench.repo.verify().ok
