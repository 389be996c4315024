"""kill -9 of disks, gateways, the monitor, servers, clients, and all of it, over Ceph, while people push and a
collector collects: no version that was acknowledged is lost, no byte is wrong, and refs are linearisable.

What dies and who pushes: striking.py, pushers.py. A strike of each kind is what every change has to pass; so
many that 200 processes are killed (or MVC_KILLS) take half an hour:

    pytest -m 'campaign and engine' -s tests/faults/test_engine_kills.py
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mvc import Repo
from mvcd.store.stores import open_bucket
from mvcd.team import auditlog
from mvcd.team.usage import UPDATED
from tests.faults.pushers import FILE, SCRATCH, Note, content, read_notes
from tests.faults.striking import DIRECT, KINDS, SERVED, Stage, strikes
from tests.support import cephcluster
from tests.support.cephcluster import Cluster
from tests.support.linearising import Call, linearisable

pytestmark = [pytest.mark.engine, cephcluster.needed]
KILLS = int(os.environ.get("MVC_KILLS", "200"))
SEED = 1
MAY_HEAR = {
    "ok",
    "conflict",
    "nothing",
    "remote-unreachable",
    "in-doubt",
    "no-such-repository",
    "busy",
    "refused",
}
"""What people may be told, other than by a defect."""
MAY_COLLECT = {"ok", "killed", "busy", "remote-unreachable", "in-doubt"}
KEPT = {"direct": DIRECT, "served": SERVED}


@pytest.mark.timeout(1200)
def test_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_strikes(tmp_path, monkeypatch, 0)


@pytest.mark.campaign
@pytest.mark.timeout(4 * 3600)
def test_nothing_is_lost_in_many_deaths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_strikes(tmp_path, monkeypatch, KILLS)


def under_strikes(top: Path, monkeypatch: pytest.MonkeyPatch, kills: int) -> None:
    """A strike of each kind, and more until so many processes were killed."""
    (top / "ceph").mkdir()
    with Cluster.run(top / "ceph") as cluster:
        for name, value in cluster.endpoints[0].environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        monkeypatch.setenv("MVC_CONFIG", "")
        monkeypatch.setenv("XDG_CACHE_HOME", str(top / "judge"))
        began = time.monotonic()
        with Stage(top, cluster, SEED) as stage:
            stage.progress()
            for number, kind in enumerate(strikes(kills, SEED), 1):
                stage.strike(kind)
                now, dead = time.monotonic() - began, stage.killed.total()
                print(f"{now:7.1f} s  {number} {kind}, {dead} dead", flush=True)
                if number >= len(KINDS) and dead >= kills:
                    break
            stage.settle()
            tell(stage, time.monotonic() - began)
            require(stage, monkeypatch)


def tell(stage: Stage, seconds: float) -> None:
    """Prints the campaign's figures."""
    strikes = sum(map(len, stage.stalls.values()))
    print(
        f"{strikes} strikes in {seconds:.0f} s killed {stage.killed.total()}: {dict(stage.killed)}"
    )
    print(f"collections: {dict(stage.collected)}")
    for group, people in KEPT.items():
        notes = [note for name in people for note in read_notes(stage.notes(name))]
        for what in ("push", "look", "aside"):
            told = Counter(note.told or "cut off" for note in notes if note.what == what)
            print(f"{group} {what}: {dict(told)}")
    for kind, found in stage.stalls.items():
        print(f"{kind}: {len(found)} times, until pushes go on {max(found):.1f} s at most")


# -------------------------------------------------------------------- what has to be so


def require(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(stage.collected) <= MAY_COLLECT, stage.collected
    assert stage.collected["ok"], "nothing was collected"
    for group, people in KEPT.items():
        notes = [note for name in people for note in read_notes(stage.notes(name))]
        odd = [note for note in notes if note.told is not None and note.told not in MAY_HEAR]
        assert not odd, odd
        monkeypatch.setenv("MVC_TOKEN", stage.tokens.get(people[0], ""))
        for number in range(2):
            url, options = stage.remote(group, number)
            copy, _ = Repo.clone(url, str(stage.top / f"{group}{number}"), options=options)
            with closing(copy):
                began = time.monotonic()
                refs = {one.name: one.version for one in copy.remote_refs() if one.version}
                last = Note("look", began, end=time.monotonic(), told="ok", refs=refs)
                require_kept(copy, [*notes, last])
                require_linearisable([*notes, last])
                assert copy.verify_remote(read_data=True).ok
    for number, url in enumerate((stage.remote("direct", 0)[0], stage.served_url)):
        with open_bucket(url, stage.by_gateway(number)) as store:
            assert list(store.check()) == []
    require_audit(stage)
    for name in (*DIRECT, *SERVED):
        with closing(Repo.open(stage.top / name)) as repo:
            assert repo.verify().ok


def require_kept(copy: Repo, notes: list[Note]) -> None:
    """Each version that was acknowledged is in its branch, and each that came has the bytes it was made of."""
    made = {note.target: note for note in notes if note.what == "push"}
    lines: dict[str, set[str]] = {}
    for note in made.values():
        if note.told == "ok" and SCRATCH not in note.ref:
            if note.ref not in lines:
                rev = f"origin/{note.ref.removeprefix('heads/')}"
                lines[note.ref] = {version.id for version in copy.log(rev)}
            assert note.target in lines[note.ref], f"acknowledged, and not there: {note}"
    assert lines
    for version in set().union(*lines.values()):
        assert version in made, f"nobody made {version}"
        assert copy.read(FILE, version) == content(made[version].seed, made[version].size)


def require_linearisable(notes: list[Note]) -> None:
    histories: dict[str, list[Call]] = defaultdict(list)
    names = {note.ref for note in notes if note.what == "push"}
    for note in notes:
        if note.what == "push" and note.told != "nothing":
            moved = {"ok": True, "conflict": False}.get(note.told or "")
            end = float("inf") if moved is None else note.end or 0.0
            histories[note.ref].append(
                Call(note.began, end, encoded(note.expect), encoded(note.target), moved)
            )
        elif note.what == "look" and note.told == "ok":
            for name in names:
                if SCRATCH not in name:
                    seen = encoded(note.refs.get(name))
                    histories[name].append(Call.look(note.began, note.end or 0.0, seen))
    for name, history in histories.items():
        if SCRATCH not in name:
            assert linearisable(history), f"{name} is not: {json.dumps(shown(history), indent=0)}"


def encoded(version: str | None) -> bytes | None:
    return None if version is None else bytes.fromhex(version)


def shown(history: list[Call]) -> Iterator[object]:
    return [
        [call.begin, call.end, *(v and v.hex()[:8] for v in (call.expect, call.target)), call.moved]
        for call in sorted(history, key=lambda call: call.begin)
    ]


def require_audit(stage: Stage) -> None:
    """The chain holds, and no update was done twice."""
    with open_bucket(stage.served_url, stage.by_gateway(0)) as store:
        assert auditlog.verify(store).ok
        rows = [row for row in auditlog.entries(store) if row.action == UPDATED]
        assert rows
        assert len({row.request for row in rows}) == len(rows)


# -------------------------------------------------------------------- the controls


def test_the_judge_would_find_what_is_wrong(tmp_path: Path) -> None:
    """A history of one branch by hand, and each thing that could be wrong with it."""
    (tmp_path / "r").mkdir()
    with closing(Repo.init(tmp_path / "r", author="Ada <ada@example.org>")) as repo:
        first = repo.write("kept", {FILE: content(1, 10)}, "1").version
        second = repo.write("kept", {FILE: content(2, 10)}, "2").version
        repo.add_remote("origin", str(tmp_path / "r"))
        repo.fetch()
        notes = [
            Note("push", 0.0, "heads/kept", None, first, 1, 10, 1.0, "ok"),
            Note("look", 2.0, end=3.0, told="ok", refs={"heads/kept": first}),
            Note("push", 4.0, "heads/kept", first, second, 2, 10, None, None),
            Note("look", 6.0, end=7.0, told="ok", refs={"heads/kept": second}),
        ]
        require_kept(repo, notes)
        require_linearisable(notes)
        lost = replace(notes[0], target="1" * 64)
        for wrong in ([lost, *notes], [replace(notes[0], seed=3), *notes[1:]], notes[1:]):
            with pytest.raises(AssertionError):
                require_kept(repo, wrong)
        back = Note("look", 8.0, end=9.0, told="ok", refs={"heads/kept": first})
        for wrong in ([*notes, back], [lost, *notes[1:]], [*notes[:2], *notes[3:]]):
            with pytest.raises(AssertionError):
                require_linearisable(wrong)


def test_a_short_run_has_a_strike_of_each_kind() -> None:
    found = list(strikes(3, SEED))
    assert set(found[: len(KINDS)]) == KINDS.keys()
    assert len(found) == len(KINDS) + 60
