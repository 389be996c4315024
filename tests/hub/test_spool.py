from __future__ import annotations

import os
from pathlib import Path
from time import time as real_time

import pytest

from mvcd.errors import Failure, UsageError
from mvcd.hub import spool
from mvcd.hub.spool import KEPT_SECONDS, SWEEP_SECONDS, Spools
from tests.hub.site import sha256

REPO = "ab" * 16
DATA = b"weights" * 1000


class Time:
    """Begins now, since files get their times from the system."""

    def __init__(self) -> None:
        self.now = real_time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def spools(tmp_path: Path, time: Time) -> Spools:
    return Spools(str(tmp_path / "uploads"), time)


def put(spools: Spools, data: bytes = DATA) -> str:
    with spools.of(REPO).put(sha256(data), len(data)) as writer:
        writer.write(data[:10])
        writer.write(data[10:])
        writer.finish()
    return sha256(data)


def test_what_came_whole_waits(spools: Spools) -> None:
    name = put(spools)
    waiting = spools.of(REPO)
    assert waiting.has(name)
    assert (waiting.size(name), waiting.waiting_bytes()) == (len(DATA), len(DATA))
    with waiting.open(name) as file:
        assert file.read() == DATA
    assert not spools.of("cd" * 16).has(name), "each repository has its own"
    waiting.drop(name)
    assert not waiting.has(name)
    with pytest.raises(Failure, match="was uploaded"):
        waiting.open(name)


@pytest.mark.parametrize("sent", [DATA[:-1], DATA + b"x", DATA[:-1] + b"x"])
def test_other_bytes_than_announced_leave_nothing(spools: Spools, sent: bytes) -> None:
    def attempt() -> None:
        with spools.of(REPO).put(sha256(DATA), len(DATA)) as writer:
            writer.write(sent)
            writer.finish()

    with pytest.raises(UsageError):
        attempt()
    assert os.listdir(tmp := spools.of(REPO)._directory) == [], tmp


def test_names_are_digests(spools: Spools) -> None:
    for name in ("", "x" * 64, sha256(DATA).upper(), "../" + sha256(DATA)):
        with pytest.raises(UsageError, match="no SHA-256"):
            spools.of(REPO).has(name)


def test_a_day_after_it_was_last_asked_for_it_goes(spools: Spools, time: Time) -> None:
    name = put(spools)
    time.now += KEPT_SECONDS - SWEEP_SECONDS
    assert spools.of(REPO).has(name)
    time.now += KEPT_SECONDS - 1
    spools.sweep()
    assert spools.of(REPO).size(name) == len(DATA)
    time.now += 2
    spools.of(REPO)
    spools.sweep()
    assert spools.of(REPO).size(name) is None


def test_a_claim_holds_what_is_dropped(spools: Spools) -> None:
    name = put(spools)
    with spools.of(REPO).claim([name, sha256(b"absent")]) as claimed:
        spools.of(REPO).drop(name)
        assert list(claimed) == [name]
        assert Path(claimed[name]).read_bytes() == DATA
    assert os.listdir(spools.of(REPO)._directory) == []


def test_after_a_new_start_of_the_system_nothing_is_trusted(
    tmp_path: Path, spools: Spools, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "system_start", lambda: b"one")
    first = Spools(str(tmp_path / "uploads"), time)
    name = put(first)
    assert Spools(str(tmp_path / "uploads"), time).of(REPO).has(name), "the server alone"
    monkeypatch.setattr(spool, "system_start", lambda: b"two")
    assert not Spools(str(tmp_path / "uploads"), time).of(REPO).has(name)


def test_how_many_may_wait(spools: Spools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MAX_ENTRIES", 1)
    put(spools)
    with pytest.raises(Failure, match="too many uploads"):
        put(spools, b"another")
