"""Pages of versions: cursors that outlive the server, conditions, columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mvc import Repo
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


def test_names_change_without_new_versions(own: Repo, serve: Callable[..., Served]) -> None:
    page = serve(Path(own.root)).let_in()
    own.tag("later")
    assert page.api("/r/names")["names"] == {own.head.version: ["HEAD -> main", "tag: later"]}


def test_columns_may_be_those_that_differ(own: Repo, serve: Callable[..., Served]) -> None:
    settings = "lr: {}\nname: net\nonly: {}\n"
    for number in range(1, 4):
        only = "here" if number == 2 else "\n"
        write(
            Path(own.root),
            {
                "metrics.json": json.dumps({"val_acc": number / 10, "fixed": 1}),
                "params.yaml": settings.format(0.1 if number < 3 else 0.2, only),
            },
        )
        own.add(".")
        own.commit(f"run {number}")
    page = serve(Path(own.root)).let_in()
    got = page.api("/r/versions?columns=differing&where=fixed%3D1")
    assert got["columns"] == ["val_acc", "lr", "only"]
    assert got["versions"][0]["metrics"] == {"val_acc": 0.3}


def test_rows_say_how_often_they_are_signed(page: Served) -> None:
    assert {row["signatures"] for row in page.api("/r/versions")["versions"]} == {0}
