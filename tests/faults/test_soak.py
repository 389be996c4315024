"""A team server under mixed load, cut lines and deaths: nothing acknowledged is lost, and nothing grows.

Three people push, pull, merge, clone, promote, make and delete branches; one reads all, again and again; an
operator collects what nothing reaches. The line is cut, replies are lost, clients and the server die of
kill -9, all at seeded moments (soaking.py, people.py). An hour of it, or MVC_SOAK_SECONDS:
`pytest -m campaign -s tests/faults/test_soak.py`.
"""

from __future__ import annotations

import os
import re
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mvcd.ids import DIGEST_BYTES
from mvcd.repo.core.core import no_secret
from mvcd.store.lmdb_store import LmdbStore
from tests.daemon.serve.servers import CONTEXT
from tests.faults.people import Ledger, content, digest
from tests.faults.soaking import NEEDED, REPO, Sample, Soak
from tests.support.engine import Repository
from tests.support.memory import in_memory

SHORT = 4.0
LONG = float(os.environ.get("MVC_SOAK_SECONDS", "3600"))
PEOPLE = ("ada", "bob", "eve")
GROWTH = {"rss": (1.1, 8 << 10), "descriptors": (1.0, 24), "threads": (1.0, 16)}
"""From the second quarter to the last a median may become so many times as large, and so much larger: KiB, and
numbers. A server has 28 threads for calls and makes them as they are needed, descriptors follow connections."""
STAYS = re.compile(
    r"serve\.lock|admin\.token"
    r"|(accounts|repos/team/iris)/(format|data\.mdb|lock\.mdb|refs\.journal|packs/[0-9a-f]{8}\.pack)"
)
"""Files of a server at rest (FORMAT.md, TEAM.md)."""
OWN = re.compile(
    r"config\.toml|\.gitignore|lock|store/(format|data\.mdb|lock\.mdb|refs\.journal|packs/[0-9a-f]{8}\.pack)"
)
"""Files below .mvc of a workspace at rest."""


@dataclass(frozen=True)
class Soaked:
    """A run that is over; the server has ended."""

    soak: Soak
    exit_code: int


def soaked(top: Path, seed: int, seconds: float) -> Soaked:
    soak = Soak(top / "s", seed, seconds, PEOPLE)
    try:
        soak.run()
    finally:
        code = soak.close()
    return Soaked(soak, code)


@pytest.fixture(scope="module")
def short() -> Iterator[Soaked]:
    with in_memory() as top:
        yield soaked(top, 1, SHORT)


def test_nothing_is_lost_and_nothing_stays(short: Soaked) -> None:
    require(short)


@pytest.mark.campaign
@pytest.mark.timeout(2 * int(LONG) + 1200)
def test_an_hour() -> None:
    with in_memory() as top:
        run = soaked(top, 2, LONG)
        print(
            f"{run.soak.restarts} restarts, {len(run.soak.samples)} samples, {run.soak.ledger.done}"
        )
        require(run)
        require_flat(run.soak.samples)


def require(run: Soaked) -> None:
    soak = run.soak
    assert not soak.wrong, "\n".join(soak.wrong)
    assert run.exit_code == 0
    assert soak.restarts >= 2, "the server was killed"
    assert set(NEEDED) <= soak.ledger.done.keys(), soak.ledger.done
    assert any(what.endswith(" killed") for what in soak.ledger.done), "clients were killed"
    judge(soak.ledger, soak)
    for person in soak.people:
        with Repository.open(str(person.root)) as repo:
            assert repo.verify().ok
        assert list(person.temporary.iterdir()) == []
        require_only(person.root / ".mvc", OWN)
    assert list((soak.top / "server-tmp").iterdir()) == []
    require_only(soak.root, STAYS)


def judge(ledger: Ledger, soak: Soak) -> None:
    """Fails when something that was acknowledged is not on the server, or what nobody pushed is."""
    place = str(soak.root / "repos" / REPO)
    with LmdbStore.open(place) as store:
        assert list(store.check()) == []
        refs = {name: value[:DIGEST_BYTES].hex() for name, value in store.refs().items()}
    main = refs.pop("heads/main")
    assert main in {*ledger.main, *ledger.unsure}
    for name, version in ledger.stages.items():
        assert refs.get(name) == version, f"{name} is not what was acknowledged"
    for branch, possible in ledger.branches.items():
        found = refs.pop(f"heads/{branch}", None)
        assert found in possible, f"{branch} is {found}, not of {possible}"
    assert all(name.startswith("stages/") for name in refs), f"nobody pushed one of {set(refs)}"
    whole = Path(tempfile.mkdtemp(dir=soak.top)) / "whole"
    repo, _ = Repository.clone(place, str(whole), context=CONTEXT, secret=no_secret)
    with repo:
        assert repo.verify().ok
        assert content(whole) == ledger.contents[main]
        line = {entry.id.hex() for entry in repo.history(main)}
        lost = [version for version in ledger.main if version not in line]
        assert not lost, f"acknowledged, and not there: {lost}"
        kept = {version for possible in ledger.branches.values() for version in possible if version}
        for version in line | kept & {entry.id.hex() for entry in repo.history(all_refs=True)}:
            found = {row.path: digest(repo.read(row.path, version)) for row in repo.ls(version)}
            assert version not in ledger.contents or found == ledger.contents[version], version


def require_only(top: Path, allowed: re.Pattern[str]) -> None:
    found = (path.relative_to(top).as_posix() for path in top.rglob("*") if not path.is_dir())
    assert [name for name in found if not allowed.fullmatch(name)] == []


def require_flat(samples: Sequence[Sample]) -> None:
    """The last quarter of a run takes no more than the second, but for GROWTH."""
    began, ended = samples[0].time, samples[-1].time
    quarter = (ended - began) / 4
    second = [s for s in samples if began + quarter <= s.time < began + 2 * quarter]
    last = [s for s in samples if s.time >= ended - quarter]
    for what, (times, more) in GROWTH.items():
        before = statistics.median(getattr(sample, what) for sample in second)
        after = statistics.median(getattr(sample, what) for sample in last)
        print(f"{what}: {before:.0f} in the second quarter, {after:.0f} in the last")
        assert after <= before * times + more, f"{what} grew from {before:.0f} to {after:.0f}"


# -------------------------------------------------------------------- the controls


def test_a_lost_version_would_be_found(short: Soaked) -> None:
    """The ledger has a push that never was."""
    for changed in (
        lambda ledger: ledger.main.append("1" * 64),
        lambda ledger: ledger.branches.update({"ada/9": {"2" * 64}}),
        lambda ledger: ledger.stages.update({"stages/x/00000001": "3" * 64}),
        lambda ledger: ledger.contents[ledger.main[0]].update({"model.bin": "4" * 64}),
    ):
        invented = short.soak.ledger.copy()
        changed(invented)
        with pytest.raises(AssertionError):
            judge(invented, short.soak)


@pytest.mark.parametrize("what", list(GROWTH))
def test_growth_would_be_found(what: str) -> None:
    flat = [Sample(float(n), 30_000, 30, 20) for n in range(400)]
    require_flat(flat)
    grown = [replace(s, **{what: getattr(s, what) + int(s.time * 100)}) for s in flat]
    with pytest.raises(AssertionError, match=f"{what} grew"):
        require_flat(grown)


def test_what_is_left_behind_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "00000001.pack.tmp").touch()
    with pytest.raises(AssertionError):
        require_only(tmp_path, STAYS)
