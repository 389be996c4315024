"""What each verb costs in calls: over a long line each of them is a wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.store.lmdb_store import LmdbStore
from mvcd.wire.server import RemoteService
from tests.sync.people import Pair, noise
from tests.wire.hosts import CarefulRepository, serving


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    made: Counter[str] = Counter()
    for name in ("Hello", "ListRefs", "Log", "Has", "Get", "Put", "UpdateRefs"):
        method = getattr(RemoteService, name)

        def counted(self, request, context, name=name, method=method):  # type: ignore[no-untyped-def]
            made[name] += 1
            return method(self, request, context)

        monkeypatch.setattr(RemoteService, name, counted)
    return made


@pytest.fixture
def pair(tmp_path: Path, calls: Counter[str]) -> Iterator[Pair]:
    del calls  # counted from the start
    with LmdbStore.create(tmp_path / "server") as store:
        served, port = serving(store, CarefulRepository)
        with Pair(tmp_path) as made:
            made.url = f"grpc://127.0.0.1:{port}/r"
            made.ada.repo.set_remote_url("origin", made.url)
            yield made
        served.stop(1)


def taken(calls: Counter[str]) -> dict[str, int]:
    """Since the last time. Hello goes out beside the first call, and nobody may wait for its answer."""
    found = dict(calls)
    calls.clear()
    assert found.pop("Hello", 0) <= 1
    return found


def test_a_push_asks_twice_sends_and_moves(pair: Pair, calls: Counter[str]) -> None:
    pair.ada.save({"model.bin": noise(5 << 20, 1), **{f"{n}.txt": f"{n}" for n in range(300)}})
    pair.ada.push()
    first = taken(calls)
    assert 3 <= first.pop("Put") <= 8
    assert first == {"ListRefs": 1, "Has": 1, "UpdateRefs": 1}
    pair.ada.save({"0.txt": "changed"})
    pair.ada.push()
    assert taken(calls) == {"ListRefs": 1, "Has": 1, "Put": 1, "UpdateRefs": 1}
    pair.ada.push()
    assert taken(calls) == {"ListRefs": 1}


def test_a_clone_waits_for_no_level(pair: Pair, calls: Counter[str]) -> None:
    """Besides chunks, which come side by side, one Get beside the log."""
    pair.ada.save({"model.bin": noise(5 << 20, 1), **{f"{n}.txt": f"{n}" for n in range(300)}})
    pair.ada.push()
    calls.clear()
    bob = pair.join()
    cloned = taken(calls)
    assert 2 <= cloned.pop("Get") <= 9
    assert cloned == {"ListRefs": 1, "Log": 1}
    assert bob.files() == pair.ada.files()
    bob.pull()
    assert taken(calls) == {"ListRefs": 1}


def test_many_refs_are_one_question(pair: Pair, calls: Counter[str]) -> None:
    """What their versions share comes once."""
    for n in range(20):
        pair.ada.save({"model.bin": noise(100_000, 1), "step.txt": f"{n}"})
        pair.ada.repo.create_tag(f"t{n}", context=pair.ada.context())
    pair.ada.push(tags=True)
    taken(calls)
    bob = pair.join()
    assert taken(calls) == {"ListRefs": 1, "Log": 1, "Get": 2}
    assert bob.files() == pair.ada.files()
