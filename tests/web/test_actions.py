"""What the page changes: what the command line would, with what stood in the way, and not half of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mvc import Repo
from mvc.web import actions
from tests.support.commandline import write
from tests.support.page import Served

Serve = Callable[..., Served]


@pytest.fixture
def mine(own: Repo, serve: Serve) -> Served:
    write(Path(own.root), {"metrics.json": '{"val_acc": 0.9}'})
    own.commit("second")
    return serve(Path(own.root)).let_in()


def test_a_tag_is_made_and_undone(own: Repo, mine: Served) -> None:
    made = mine.act("tag", name="v1.0", rev="v2", message="out")
    assert made.status == 200 and made.json["number"] == 2
    assert [tag.name for tag in own.tags()] == ["v1.0"]
    again = mine.act("tag", name="v1.0", rev="v1")
    assert again.status == 409 and again.json["message"]
    number = mine.api("/r/ops?limit=1")["operations"][0]["number"]
    assert mine.act("undo", number=number).json["operation"]["undoes"] == number
    assert own.tags() == ()
    assert mine.act("undo", number=9999).status in (404, 409)


def test_annotations_are_written_and_removed(own: Repo, mine: Served) -> None:
    assert mine.act("annotate", rev="v2", texts={"description": "<b>good</b>"}).status == 200
    assert own.annotations("v2")["description"] == "<b>good</b>"
    assert mine.api("/r/v/v2")["annotations"] == {"description": "<b>good</b>"}
    assert mine.act("annotate", rev="v2", texts={"description": None}).json["annotations"] == {}


def test_a_dry_run_asks_the_gate_and_changes_nothing(own: Repo, mine: Served) -> None:
    write(Path(own.root), {"mvc.toml": '[stages.production]\nrequire = ["val_acc>=0.8"]\n'})
    before = mine.api("/r/ops")
    shut = mine.act("promote", rev="v1", stage="production", dry_run=True).json
    assert shut["allowed"] is False and "val_acc" in shut["why"]
    assert [(one["expression"], one["met"], one["rule"]) for one in shut["checked"]] == [
        ("val_acc>=0.8", False, True)
    ]
    wide = mine.act("promote", rev="v2", stage="production", require=["val_acc<1"], dry_run=True)
    assert wide.json["allowed"] and len(wide.json["checked"]) == 2
    assert mine.api("/r/ops") == before and own.stages() == ()

    refused = mine.act("promote", rev="v1", stage="production")
    assert (refused.status, refused.json["kind"]) == (409, "gate-failed")
    made = mine.act("promote", rev="v2", stage="production", reason="better")
    assert made.json["live"] and made.json["reason"] == "better"
    holds = mine.act("promote", rev="v2", stage="production", dry_run=True)
    assert (holds.status, holds.json["kind"]) == (409, "holds-already")


def test_a_stage_goes_back(own: Repo, mine: Served) -> None:
    for rev in ("v1", "v2"):
        assert mine.act("promote", rev=rev, stage="live").status == 200
    back = mine.act("rollback", stage="live", reason="too slow")
    assert (back.json["number"], back.json["step"]) == (1, "rollback")
    assert own.resolve("live") == own.resolve("v1")
    assert mine.act("rollback", stage="none").status == 404


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("tag", {}), ("tag", {"name": "x"}), ("tag", {"name": 1, "rev": "v1"}), ("undo", {"number": "1"}),
        ("annotate", {"rev": "v1", "texts": {"a": 1}}), ("rollback", {"stage": ""}),
        ("promote", {"rev": "v1", "stage": "s", "require": [1]}),
        ("promote", {"rev": "v1", "stage": "s", "dryrun": True}),
    ],
)  # fmt: skip
def test_a_request_without_sense_is_refused(
    page: Served, verb: str, fields: dict[str, object]
) -> None:
    before = page.api("/r/ops")
    assert f"/api/v1/r/{verb}" in {route.path for route in actions.routes()}  # type: ignore[attr-defined]
    assert page.act(verb, **fields).status == 400
    for body in (b"", b"[]", b"{", b"\xff", b'{"rev": "\\ud800"}', b'"' + bytes(1 << 20) + b'"'):
        answer = page.ask("POST", f"/api/v1/r/{verb}", body, X_MVC="1", Origin=page.origin)
        assert answer.status == 400
    assert page.api("/r/ops") == before
