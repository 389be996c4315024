"""Pages of versions: cursors that outlive the server, conditions, columns; series; comparisons."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mvc import Repo
from mvc.api.search import Point
from mvc.web.versions import RecordedKeys, thinned
from tests.support.commandline import write
from tests.support.page import Served
from tests.web.conftest import VERSIONS


def pages(page: Served, query: str, limit: int) -> list[list[int]]:
    found, cursor = [], ""
    while True:
        got = page.api(f"/r/versions?limit={limit}{query}{cursor}")
        found.append([row["number"] for row in got["versions"]])
        if got["next"] is None:
            return found
        cursor = f"&cursor={got['next']}"


def test_pages_follow_each_other(page: Served) -> None:
    assert pages(page, "", 3) == [[7, 6, 5], [4, 3, 2], [1]]
    assert pages(page, "&where=epoch%3E4", 2) == [[7, 6], [5]]
    assert pages(page, "&sort=-val.loss", 4)[0] == [7, 6, 5, 4]
    assert pages(page, "&sort=val.loss", 4)[0] == [1, 2, 3, 4]
    assert pages(page, "", VERSIONS) == [[7, 6, 5, 4, 3, 2, 1], []]


def test_a_cursor_outlives_the_server_and_meets_new_versions(
    own: Repo, serve: Callable[..., Served]
) -> None:
    for number in range(2, 6):
        write(Path(own.root), {"metrics.json": json.dumps({"val_acc": number / 10})})
        own.commit(f"run {number}")
    first = serve(Path(own.root)).let_in().api("/r/versions?limit=2")
    write(Path(own.root), {"metrics.json": '{"val_acc": 0.9}'})
    own.commit("meanwhile")
    second = serve(Path(own.root)).let_in()
    got = second.api(f"/r/versions?limit=2&cursor={first['next']}")
    assert [row["number"] for row in got["versions"]] == [3, 2]
    assert second.get(f"/api/v1/r/versions?cursor={'0' * 64}").status == 410


def test_rows_are_those_of_mvc_log_and_say_what_changed(
    page: Served, said: Callable[..., Any]
) -> None:
    rows = page.api("/r/versions")["versions"]
    logged = said("log")["versions"]
    assert [{key: row[key] for key in logged[0]} for row in rows] == logged
    assert rows[0]["better"] == {"val.accuracy": True, "val.loss": True}
    assert rows[0]["changed"] == ["weights", "hyperparameters", "results"]
    assert set(rows[-1]["changed"]) == {
        "architecture",
        "weights",
        "hyperparameters",
        "data",
        "results",
    }
    with_refs = {row["number"]: row["refs"] for row in rows}
    assert with_refs[5] == ["tag: v1.0", "stage: production"]
    assert rows[0]["bytes"] > rows[0]["files"] > 0


def test_columns_limit_what_rows_carry(page: Served) -> None:
    got = page.api("/r/versions?columns=val.loss,lr")
    assert got["columns"] == ["val.loss", "lr"]
    assert all(row["metrics"].keys() == {"val.loss"} for row in got["versions"])
    assert all(row["hyperparameters"].keys() == {"lr"} for row in got["versions"])
    assert page.api("/r/versions?columns=auto")["columns"] == [
        "val.accuracy",
        "val.loss",
        "lr",
        "note",
    ]


def test_keys_are_found_by_words(page: Served) -> None:
    found = page.api("/r/keys?q=VAL+los")
    assert found["keys"] == [{"key": "val.loss", "kind": "metric", "versions": VERSIONS}]
    assert {key["kind"] for key in page.api("/r/keys")["keys"]} == {"metric", "hyperparameter"}
    assert len(page.api("/r/keys?limit=1")["keys"]) == 1


def test_keys_are_counted_anew_after_a_change(own: Repo) -> None:
    known = RecordedKeys()
    assert known.of(own, all_refs=False) == {("metric", "val_acc"): 1}
    write(Path(own.root), {"metrics.json": '{"val_acc": 0.6, "f1": 0.2}'})
    own.commit("second")
    assert known.of(own, all_refs=False) == {("metric", "val_acc"): 2, ("metric", "f1"): 1}


def test_names_change_without_new_versions(own: Repo, serve: Callable[..., Served]) -> None:
    page = serve(Path(own.root)).let_in()
    own.tag("later")
    assert page.api("/r/names")["names"] == {own.head.version: ["HEAD -> main", "tag: later"]}


def test_lines_have_a_point_a_version(page: Served) -> None:
    (line,) = page.api("/r/series?metric=val.loss")["series"]
    assert [point["number"] for point in line["points"]] == list(range(1, VERSIONS + 1))
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
