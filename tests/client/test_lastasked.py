"""The small cache of the page: what was asked for last stays, what nobody asked for goes."""

from __future__ import annotations

import threading

import pytest

from mvc.api.lastasked import LastAsked


def test_the_one_that_nobody_asked_for_longest_goes() -> None:
    made: list[str] = []
    kept = LastAsked[str](2)
    for key in ("a", "b", "a", "c", "a", "b"):
        assert kept.of(key, lambda key=key: made.append(key) or key) == key  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"], "a was asked for in between, b gave way to c"


def test_what_fails_is_made_again() -> None:
    kept = LastAsked[int](2)
    with pytest.raises(ZeroDivisionError):
        kept.of("a", lambda: 1 // 0)
    assert kept.of("a", lambda: 7) == 7


def test_all_get_the_first_of_two_that_are_made_at_once() -> None:
    """Nobody waits for a slow one, not even of the same key."""
    kept, begun, go = LastAsked[object](2), threading.Event(), threading.Event()
    found: list[object] = []

    def slow() -> object:
        begun.set()
        assert go.wait(60)
        return object()

    thread = threading.Thread(target=lambda: found.append(kept.of("a", slow)))
    thread.start()
    assert begun.wait(60)
    quick = kept.of("a", object)
    go.set()
    thread.join(60)
    assert found == [quick]
