"""What versions record, over many of them: keys, lines, how far values reach; what is remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mvc import Repo
from mvc.api.search import Point
from mvc.web.remembered import Remembered
from mvc.web.values import thinned
from tests.support.commandline import write
from tests.support.page import Served
from tests.web.conftest import VERSIONS


def test_keys_are_found_by_words(page: Served) -> None:
    found = page.api("/r/keys?q=VAL+los")
    assert found["keys"] == [{"key": "val.loss", "kind": "metric", "versions": VERSIONS}]
    assert {key["kind"] for key in page.api("/r/keys")["keys"]} == {"metric", "hyperparameter"}
    assert len(page.api("/r/keys?limit=1")["keys"]) == 1


def test_lines_have_a_point_a_version(page: Served) -> None:
    (line,) = page.api("/r/series?metric=val.loss")["series"]
    assert [point["number"] for point in line["points"]] == list(range(1, VERSIONS + 1))
    assert {point["step"] for point in line["points"]} == set(range(1, VERSIONS + 1))
    assert page.get("/api/v1/r/series").status == 400
    assert page.get("/api/v1/r/series?metric=none").status == 400


@pytest.mark.parametrize("count", [5, 100, 101, 5000])
def test_a_thinned_line_keeps_its_peaks(count: int) -> None:
    values = [0.0] * count
    values[count // 3], values[count // 2] = 9.0, -9.0
    points = [Point("", i, datetime.now(UTC), None, value) for i, value in enumerate(values)]
    kept = thinned(points, 100)
    assert len(kept) <= 102
    assert {9.0, -9.0} <= {point.value for point in kept}
    assert [point.number for point in kept] == sorted(point.number for point in kept)


def test_how_far_values_reach(page: Served) -> None:
    loss, note, none = page.api("/r/extents?key=val.loss&key=note&key=none")["extents"]
    last = page.api("/r/v/v7")["version"]
    assert (
        loss["best"]
        == loss["low"]
        == loss["last"]
        == {"version": last, "number": 7, "value": 1 / 7}
    )
    assert (loss["high"]["number"], loss["differs"], loss["versions"]) == (1, True, VERSIONS)
    assert note["last"]["value"] == "<b>7</b>" and note["low"] is note["best"] is None
    assert (none["versions"], none["last"]) == (0, None)
    (some,) = page.api("/r/extents?key=val.loss&where=epoch%3C%3D4")["extents"]
    assert (some["low"]["number"], some["versions"]) == (4, 4)
    for query in ("", "?key=a" + "&key=a" * 64, "?key=val.loss&where=epoch%3C"):
        assert page.get(f"/api/v1/r/extents{query}").status == 400


def test_versions_are_compared(page: Served) -> None:
    found = page.api("/r/compare?v=v1&v=v7")
    assert {column["key"] for column in found["columns"]} == {
        "lr",
        "note",
        "val.accuracy",
        "val.loss",
    }
    assert [version["number"] for version in found["versions"]] == [1, 7]
    assert page.get("/api/v1/r/compare").status == 400


# ---------------------------------------------------------------- remembered


def test_an_answer_is_remembered_until_the_repository_changes(own: Repo) -> None:
    known, asked = Remembered(), []

    def find() -> int:
        asked.append(1)
        return len(asked)

    assert [known.of(own, "a", find), known.of(own, "a", find), known.of(own, "b", find)] == [
        1,
        1,
        2,
    ]
    write(Path(own.root), {"metrics.json": '{"val_acc": 0.6}'})
    own.commit("second")
    assert [known.of(own, "a", find), known.of(own, "b", find)] == [3, 4]


def test_what_fails_is_asked_again(own: Repo) -> None:
    known = Remembered()

    def fails() -> int:
        raise ValueError

    with pytest.raises(ValueError):
        known.of(own, "a", fails)
    assert known.of(own, "a", lambda: 7) == 7


def test_who_asks_meanwhile_waits_for_the_same_answer(own: Repo) -> None:
    known, asked, begun, go = Remembered(), [], threading.Event(), threading.Event()

    def find() -> int:
        asked.append(1)
        begun.set()
        go.wait(60)
        return 5

    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(known.of(own, "a", find))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    begun.wait(60)
    assert known.of(own, "other", lambda: 1) == 1
    go.set()
    for thread in threads:
        thread.join(60)
    assert (found, asked) == ([5, 5, 5], [1])


def test_the_oldest_answer_gives_way(own: Repo) -> None:
    known, asked = Remembered(), []
    answers: list[Callable[[], int]] = [lambda i=i: asked.append(i) or i for i in range(40)]  # type: ignore[misc]
    for i, answer in enumerate(answers):
        known.of(own, i, answer)
    known.of(own, 39, answers[39])
    known.of(own, 0, answers[0])
    assert asked == [*range(40), 0]
