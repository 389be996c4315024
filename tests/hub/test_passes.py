from __future__ import annotations

import pytest

from mvcd.errors import AuthError
from mvcd.hub import passes
from mvcd.hub.passes import PASS_SECONDS, Passes
from mvcd.wire.host import Caller

ADA = Caller("ipv4:127.0.0.1:1", "secret")


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_pass_is_given_again_while_half_of_it_is_left_and_ends() -> None:
    time = Time()
    known = Passes(time)
    first = known.give(ADA, "team/iris")
    time.now = PASS_SECONDS / 2 - 1
    assert known.give(ADA, "team/iris") == first == known.find(first.word)
    assert known.give(ADA, "team/rose").word != first.word
    time.now = PASS_SECONDS / 2 + 1
    second = known.give(ADA, "team/iris")
    assert second.word != first.word
    assert known.find(first.word) == first, "uploads under way go on"
    time.now = PASS_SECONDS
    with pytest.raises(AuthError, match="know who"):
        known.find(first.word)
    assert known.find(second.word) == second


def test_no_more_than_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "MAX_PASS_ENTRIES", 2)
    known = Passes(Time())
    words = [known.give(ADA, f"team/{n}").word for n in range(3)]
    with pytest.raises(AuthError):
        known.find(words[0])
    assert known.find(words[2]).repo == "team/2"


def test_a_stranger_has_none() -> None:
    with pytest.raises(AuthError):
        Passes().find("guessed")
