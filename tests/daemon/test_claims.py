"""The life of checkpoint blocks, and what becomes of them when looks and turns cross."""

from __future__ import annotations

import os

from mvcd.daemon.claims import Claims, Words
from mvcd.daemon.sets import Bracket, Claim, Found
from mvcd.repo.statcache import FileStat


def claims() -> Claims:
    return Claims(lambda: None)


def shown(claim: Claim, size: int = 1) -> dict[str, Found]:
    """Sets as a scan sorted by `claim` shows them: one changed file below it."""
    stat = FileStat(size, 1, 1, 1)
    return {"runs/": Found("runs/", "/root", claim=claim, files={"runs/a": stat})}


def test_a_block_opens_closes_and_ends_when_it_was_saved() -> None:
    found = claims()
    number = found.begin("runs", Words(("train.py",), "3.12"))
    (claim,) = found.now()
    assert claim.bracket is Bracket.OPEN
    assert found.words().command == ("train.py",)
    assert found.end(number, message="epoch 1")
    (claim,) = found.now()
    assert (claim.bracket, claim.message) == (Bracket.CLOSED, "epoch 1")
    found.saved(shown(claim).values())
    assert found.now() == []
    assert found.words() == Words()


def test_only_an_open_block_can_be_ended_or_abandoned() -> None:
    found = claims()
    number = found.begin("runs", Words())
    assert not found.end(number + 1)
    assert found.end(number)
    assert not found.end(number)
    found.abandon(number)  # the connection ends after every block, closed or not
    assert found.now()[0].bracket is Bracket.CLOSED


def test_a_block_that_left_nothing_unsaved_is_over() -> None:
    found = claims()
    found.end(found.begin("runs", Words()))
    found.forget_settled({}, found.now())
    assert found.now() == []


def test_an_open_block_is_never_forgotten() -> None:
    found = claims()
    found.begin("runs", Words())
    found.forget_settled({}, found.now())
    assert len(found.now()) == 1


def test_a_block_that_turns_while_a_look_is_under_way_is_not_forgotten() -> None:
    """The look sorted by the open claim; what it shows says nothing about the closed one."""
    found = claims()
    number = found.begin("runs", Words())
    seen = found.now()
    sets = shown(seen[0])
    found.abandon(number)
    found.forget_settled(sets, seen)
    assert [claim.bracket for claim in found.now()] == [Bracket.ABANDONED]


def test_an_abandoned_block_holds_until_its_files_change_again() -> None:
    found = claims()
    found.abandon(found.begin("runs", Words()))
    (claim,) = found.now()
    for _ in range(3):
        found.forget_settled(shown(claim), [claim])
        assert found.now() == [claim]
    found.forget_settled(shown(claim, size=2), [claim])
    assert found.now() == []


def test_a_new_block_takes_over_what_an_older_one_left() -> None:
    found = claims()
    found.abandon(found.begin("runs", Words()))
    found.begin("runs", Words())
    assert [claim.bracket for claim in found.now()] == [Bracket.OPEN]


def test_the_save_of_one_block_does_not_end_the_next() -> None:
    found = claims()
    found.end(found.begin("runs", Words()))
    (first,) = found.now()
    found.end(found.begin("runs", Words()))
    found.saved(shown(first).values())
    assert len(found.now()) == 1


def test_a_claim_has_what_is_below_it_and_what_was_named_besides() -> None:
    claim = Claim(1, "runs/1", Bracket.CLOSED, ("metrics.json",))
    assert claim.has("runs/1/a")
    assert claim.has("metrics.json")
    assert not claim.has("runs/10/a")
    assert Claim(2, "", Bracket.OPEN).has(os.path.join("any", "where"))
