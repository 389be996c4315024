"""One version, its files by range, its tensors; two versions; the whole: the documents of `--json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mvc import Repo
from mvc.web import releases
from mvc.web.contents import EMPTY
from mvc.web.differences import BATCH_BYTES, batches
from tests.support.page import Served
from tests.web.conftest import HOSTILE_NAME, HOSTILE_TEXT, VERSIONS

FILE = "/api/v1/raw/v1/model.py"
TEXT = b"layers = 2\n"


@pytest.mark.parametrize(
    ("said", "status", "span"),
    [
        (None, 200, (0, 11)), ("bytes=0-0", 206, (0, 1)), ("bytes=2-5", 206, (2, 6)),
        ("bytes=7-", 206, (7, 11)), ("bytes=7-99", 206, (7, 11)), ("bytes=-3", 206, (8, 11)),
        ("bytes=-99", 206, (0, 11)), ("bytes=11-", 416, None), ("bytes=5-2", 200, (0, 11)),
        ("bytes=0-1,3-4", 200, (0, 11)), ("lines=1-2", 200, (0, 11)), ("bytes=-", 200, (0, 11)),
        ("bytes=-0", 416, None),
    ],
)  # fmt: skip
def test_bytes_by_range(
    page: Served, said: str | None, status: int, span: tuple[int, int] | None
) -> None:
    answer = page.get(FILE, **({} if said is None else {"Range": said}))
    assert answer.status == status
    assert answer.body == (b"" if span is None else TEXT[slice(*span)])
    if status == 206 and span is not None:
        assert answer.headers["content-range"] == f"bytes {span[0]}-{span[1] - 1}/{len(TEXT)}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(TEXT)}"


def test_equal_bytes_have_equal_tags(page: Served) -> None:
    tag = page.get(FILE).headers["etag"]
    assert tag == page.get("/api/v1/raw/v7/model.py").headers["etag"]
    same = page.get(FILE, If_None_Match=tag)
    assert (same.status, same.body) == (304, b"")
    assert page.get(FILE, If_Range=tag, Range="bytes=0-0").status == 206
    assert page.get(FILE, If_Range='"other"', Range="bytes=0-0").status == 200
    head = page.ask("HEAD", FILE)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(TEXT)))


def test_bytes_never_run(page: Served) -> None:
    answer = page.get(f"/api/v1/raw/v1/{quote(HOSTILE_NAME)}")
    assert answer.body == b"evil"
    said = answer.headers["content-disposition"]
    assert (
        said == f"attachment; filename*=UTF-8''{quote(HOSTILE_NAME.removeprefix('data/'), safe='')}"
    )
    assert answer.headers["content-type"] == "application/octet-stream"
    assert page.get("/api/v1/raw/v1/data").status == 404
    assert page.get("/api/v1/raw/v1/none").status == 404
    assert page.get("/api/v1/raw/v1/..%2F..%2Fetc%2Fpasswd").status in (400, 404)


def test_a_version_is_that_of_mvc_show(page: Served, said: Callable[..., Any]) -> None:
    shown, found = said("show", "v3"), page.api("/r/v/v3")
    assert {key: found[key] for key in shown} == shown
    assert found["message"] == HOSTILE_TEXT


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ("/r/diff/v2/v5", ("diff", "v2", "v5")),
        ("/r/diff/v2/v5?columns=1", ("diff", "v2", "v5", "--columns")),
        ("/r/diff/v7", ("diff", "v7")),
        ("/r/lineage/v4", ("lineage", "v4")),
        ("/r/storage", ("du",)),
        ("/r/compare?v=v1&v=v2", ("compare", "v1", "v2")),
    ],
)
def test_documents_are_those_of_the_command_line(
    page: Served, said: Callable[..., Any], route: str, words: tuple[str, ...]
) -> None:
    shown, found = said(*words), page.api(route)
    for document in (shown, found):
        for name in ("free", "index", "journal", "other"):  # may change from one moment to the next
            document.get("disk", {}).pop(name, None)
        document.pop("total", None)
    assert found == shown


def test_files_come_in_pages(page: Served) -> None:
    first = page.api("/r/files/v1?limit=3")
    rest = page.api(f"/r/files/v1?after={quote(first['next'])}")
    paths = [file["path"] for file in (*first["files"], *rest["files"])]
    assert len(paths) == len(set(paths)) == 6
    assert HOSTILE_NAME in paths
    assert rest["next"] is None
    (one,) = page.api("/r/files/v1?component=weights")["files"]
    assert one["path"] == "model.safetensors"
    assert page.get("/api/v1/r/files/v1?after=none").status == 404


def test_tensors_of_a_difference_come_line_by_line(page: Served, said: Callable[..., Any]) -> None:
    body = page.get("/api/v1/r/diff/v1/v5/tensors").body
    first, *rest, last = [json.loads(line) for line in body.splitlines()]
    assert first["total_tensors"] == 1 and first["total_bytes"] == 256
    assert last == {"finished": True}
    found = {label: one for line in rest for label, one in line["tensors"].items()}
    assert found == said("diff", "v1", "v5", "--tensors")["weights"]
    assert set(first["order"]) == set(found)
    assert page.get("/api/v1/r/diff/none/v5/tensors").status == 404


def test_all_is_new_against_the_empty_version(page: Served) -> None:
    found = page.api(f"/r/diff/{EMPTY}/v1")
    assert found["components"]["weights"]["added"] == ["model.safetensors"]


def test_batches_bound_what_is_read_before_somebody_may_leave(made: Path) -> None:
    with Repo.open(made) as repo:
        every = list(repo.diff("v1", "v5").weights.items())
    assert [len(batch) for batch in batches(every)] == [len(every)]
    assert [pair for batch in batches(every) for pair in batch] == every
    assert BATCH_BYTES >= 1 << 20


def test_markdown_is_text(page: Served) -> None:
    answer = page.get("/api/v1/r/diff/v1/v5/markdown")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert b"val.loss" in answer.body


def test_stages_have_their_history_and_chain(page: Served) -> None:
    (stage,) = page.api("/r/stages")["stages"]
    assert stage["stage"] == "production" and stage["chain"]["ok"]
    assert [record["reason"] for record in stage["records"]] == [HOSTILE_TEXT]


def test_operations_come_in_pages(page: Served) -> None:
    first = page.api("/r/ops?limit=2")
    second = page.api(f"/r/ops?limit=1000&before={first['next']}")
    numbers = [op["number"] for op in (*first["operations"], *second["operations"])]
    assert numbers == list(range(numbers[0], 0, -1)) and len(numbers) > VERSIONS
    assert second["next"] is None
    assert page.get("/api/v1/r/ops?before=x").status == 400
    assert [route.path for route in releases.routes()] != []  # type: ignore[attr-defined]


def test_signatures_are_checked_when_asked(page: Served) -> None:
    found = page.api("/r/signatures/v1")
    assert (found["ok"], found["signatures"]) == (False, [])
    assert page.get("/api/v1/r/signatures/v99").status == 404


def test_of_what_a_version_changed_the_values_alone(page: Served) -> None:
    """The page asks so; all else is as in the whole."""
    for rev in ("v1", "v4", "v7"):
        whole = page.api(f"/r/v/{rev}")
        values = {key: whole["changes"][key] for key in ("metrics", "hyperparameters")}
        assert page.api(f"/r/v/{rev}?changes=values") == {**whole, "changes": values}
    assert page.api("/r/v/v4?changes=values")["changes"]["hyperparameters"]["lr"]["old"] == 0.1
