"""Search as the page asks for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mvc import Repo
from mvc.cli.page_shapes import shapes
from mvc.web import finding
from mvc.web.answers import Answers
from mvc.web.remembered import Remembered
from mvc.web.site import Server, Site
from mvc.web.walks import Walks
from tests.support.commandline import write
from tests.support.page import Served
from tests.web.conftest import HOSTILE_TEXT, VERSIONS


def test_hits_say_where_they_are(page: Served) -> None:
    found = page.api("/r/search?q=layers.1")
    (hit,) = found["hits"]
    assert (hit["kind"], hit["what"], hit["component"]) == ("tensor", "layers.1.weight", "weights")
    assert (hit["number"], hit["numbered"]) == (VERSIONS, True)
    assert found["looked"] == VERSIONS and found["next"] is None
    (message,) = page.api("/r/search?q=%3Cscript%3E")["hits"][-1:]
    assert message["what"] == HOSTILE_TEXT


def test_pages_go_on_behind_a_cursor(page: Served) -> None:
    whole = page.api("/r/search?q=run")
    assert len(whole["hits"]) == VERSIONS - 1
    hits, cursor, turns = [], "", 0
    while cursor is not None:
        part = page.api(f"/r/search?q=run&limit=2{cursor}")
        hits += part["hits"]
        cursor = part["next"] and f"&cursor={part['next']}"
        turns += 1
    assert hits == whole["hits"] and turns > 2
    assert page.get(f"/api/v1/r/search?q=run&cursor={'00' * 32}").status == 410


def test_a_file_is_found_by_its_bytes(page: Served) -> None:
    data = b"layers = 2\n"
    near = page.api(f"/r/search?size={len(data)}&limit=1")["hits"]
    assert near[0]["kind"] == "content"
    digest = hashlib.sha256(data).hexdigest()
    hits = page.api(f"/r/search?size={len(data)}&sha256={digest}")["hits"]
    assert [(hit["number"], hit["what"]) for hit in hits] == [
        (n, "model.py") for n in range(VERSIONS, 0, -1)
    ]
    assert page.api(f"/r/search?size={len(data)}&sha256={'00' * 32}")["hits"] == []
    assert page.api("/r/search?size=12345")["hits"] == []


@pytest.mark.parametrize(
    "asked", ["size=x", "size=-1", "size=5&sha256=zz", "size=" + "9" * 30, "q=a&cursor=zz"]
)
def test_what_makes_no_sense_is_refused(page: Served, asked: str) -> None:
    assert page.get(f"/api/v1/r/search?{asked}").status == 400


def test_nothing_is_looked_for(page: Served) -> None:
    assert page.api("/r/search?q=")["hits"] == []


def test_an_answer_comes_in_time(own: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path(own.root), {"metrics.json": '{"val_acc": 0.75}'})
    own.commit("second")
    monkeypatch.setattr(finding, "PAGE_SECONDS", 0.0)
    answers = Answers(Site(own, Server(shapes()), Walks(), Remembered()))
    first = answers.document("/r/search?q=nothing")
    assert (first["looked"], first["next"]) == (1, own.resolve("v2"))
    rest = answers.document(f"/r/search?q=nothing&cursor={first['next']}")
    assert (rest["looked"], rest["hits"]) == (1, [])
