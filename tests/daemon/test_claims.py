"""The life of checkpoint blocks, and what becomes of them when looks and turns cross."""

from __future__ import annotations

import os
import subprocess
import sys

from mvcd.daemon.claims import NOTHING_NEW, Claims
from mvcd.daemon.sets import Bracket, Claim, Found
from mvcd.repo.change.captures import Maker
from mvcd.repo.ondisk.statcache import FileStat

MAKER = Maker(("train.py",), "3.12")


def claims() -> Claims:
    return Claims(lambda urgent: None)


def shown(claim: Claim, size: int = 1) -> dict[str, Found]:
    """Sets as a scan sorted by `claim` shows them: one changed file below it."""
    stat = FileStat(size, 1, 1, 1)
    return {"runs/": Found("runs/", "/root", claim=claim, files={"runs/a": stat})}


def test_a_block_opens_closes_and_ends_when_it_was_saved() -> None:
    found = claims()
    number = found.begin("runs", MAKER)
    (claim,) = found.now()
    assert claim.bracket is Bracket.OPEN
    assert claim.maker.command == ("train.py",)
    assert found.end(number, message="epoch 1")
    (claim,) = found.now()
    assert (claim.bracket, claim.message) == (Bracket.CLOSED, "epoch 1")
    assert found.taken_in(number, 0.0) is None
    found.taken(shown(claim).values(), 7)
    assert found.now() == []
    assert found.taken_in(number, 0.0) == 7


def test_only_an_open_block_can_be_ended_or_abandoned() -> None:
    found = claims()
    number = found.begin("runs", Maker())
    assert not found.end(number + 1)
    assert found.end(number)
    assert not found.end(number)
    found.abandon(number)  # the connection ends after every block, closed or not
    assert found.now()[0].bracket is Bracket.CLOSED


def test_a_block_that_left_nothing_unsaved_is_over() -> None:
    found = claims()
    number = found.begin("runs", Maker())
    found.end(number)
    found.forget_settled({}, found.now())
    assert found.now() == []
    assert found.taken_in(number, 0.0) == NOTHING_NEW


def test_an_open_block_is_never_forgotten() -> None:
    found = claims()
    found.begin("runs", Maker())
    found.forget_settled({}, found.now())
    assert len(found.now()) == 1


def test_a_block_that_turns_while_a_look_is_under_way_is_not_forgotten() -> None:
    """The look sorted by the open claim; what it shows says nothing about the closed one."""
    found = claims()
    number = found.begin("runs", Maker())
    seen = found.now()
    sets = shown(seen[0])
    found.abandon(number)
    found.forget_settled(sets, seen)
    assert [claim.bracket for claim in found.now()] == [Bracket.ABANDONED]


def test_an_abandoned_block_holds_until_its_files_change_again() -> None:
    found = claims()
    found.abandon(found.begin("runs", Maker()))
    (claim,) = found.now()
    for _ in range(3):
        found.forget_settled(shown(claim), [claim])
        assert found.now() == [claim]
    found.forget_settled(shown(claim, size=2), [claim])
    assert found.now() == []


def test_a_new_block_takes_over_what_an_older_one_left() -> None:
    found = claims()
    found.abandon(found.begin("runs", Maker()))
    found.begin("runs", Maker())
    assert [claim.bracket for claim in found.now()] == [Bracket.OPEN]


def test_the_save_of_one_block_does_not_end_the_next() -> None:
    found = claims()
    found.end(found.begin("runs", Maker()))
    (first,) = found.now()
    found.end(found.begin("runs", Maker()))
    found.taken(shown(first).values(), 1)
    assert len(found.now()) == 1


def test_a_claim_has_what_is_below_it_and_what_was_named_besides() -> None:
    claim = Claim(1, "runs/1", Bracket.CLOSED, ("metrics.json",))
    assert claim.has("runs/1/a")
    assert claim.has("metrics.json")
    assert not claim.has("runs/10/a")
    assert Claim(2, "", Bracket.OPEN).has(os.path.join("any", "where"))


def test_the_block_of_a_process_that_is_gone_is_abandoned() -> None:
    """Whatever holds its connection open: a forked worker, a debugger."""
    found = claims()
    with subprocess.Popen(
        [sys.executable, "-uc", "print(); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found.begin("runs", Maker(), process.pid)
        assert found.now()[0].bracket is Bracket.OPEN
        process.kill()
        process.wait()
    assert found.now()[0].bracket is Bracket.ABANDONED


def test_a_block_that_was_given_up_is_none() -> None:
    found = claims()
    number = found.begin("runs", Maker())
    found.release(number)
    assert found.now() == []
    assert found.taken_in(number, 0.0) == NOTHING_NEW


def test_only_the_end_of_a_block_is_urgent() -> None:
    told: list[bool] = []
    found = Claims(told.append)
    number = found.begin("runs", Maker())
    found.end(number)
    assert told == [False, True]
