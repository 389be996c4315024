"""Who may come in, what each answer says of itself, and how errors look."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from mvc import Repo
from mvc.api.errors import (
    AuthError,
    Busy,
    Conflict,
    CorruptObject,
    DaemonError,
    Failure,
    UsageError,
)
from mvc.web.door import Door
from mvc.web.dressing import POLICY
from mvc.web.failures import status_of
from tests.support.page import Served

ROUTES = [
    "repos", "events", "r/versions", "r/names", "r/keys", "r/series?metric=epoch", "r/compare?v=v1",
    "r/v/v1", "r/lineage/v1", "r/files/v1", "r/tensors/v1", "r/tensor/v1?label=layers.0.weight",
    "r/diff/v1", "r/diff/v1/v2", "r/diff/v1/v2/tensors", "r/diff/v1/v2/markdown", "r/stages",
    "r/storage", "r/stored", "r/largest/v1", "r/freeable", "r/extents?key=epoch", "r/signatures/v1",
    "r/diff/v1/v2/tensor?label=layers.1.weight", "r/ops", "r/daemon", "r/daemon/log", "raw/v1/model.py",
]  # fmt: skip
ACTIONS = ["undo", "tag", "annotate", "promote", "rollback", "prune"]


@pytest.mark.parametrize("route", ROUTES)
def test_nothing_is_told_without_the_cookie(page: Served, route: str) -> None:
    for cookie in ("", f"mvc_{page.port}=guess", "mvc_1=x; =;"):
        answer = page.get(f"/api/v1/{route}", Cookie=cookie)
        assert (answer.status, answer.json["kind"]) == (401, "session")


def test_the_token_lets_in_once(own: Repo, serve: Callable[..., Served]) -> None:
    page = serve(Path(own.root))
    assert page.post("/api/v1/session", {"token": page.token[:-1] + "!"}).status == 401
    assert page.post("/api/v1/session", {}).status == 401
    first = page.post("/api/v1/session", {"token": page.token})
    flags = first.headers["set-cookie"].split("; ")[1:]
    assert {flag.lower() for flag in flags} == {"httponly", "path=/", "samesite=strict"}
    assert page.post("/api/v1/session", {"token": page.token}).status == 401
    page.cookie = first.headers["set-cookie"].partition(";")[0]
    assert page.post("/api/v1/session", {"token": page.token}).status == 200
    assert page.api("/repos")["repos"][0]["root"] == own.root


def test_a_door_tells_its_address_only_while_it_works() -> None:
    door = Door("127.0.0.1", 1)
    token = door.address.partition("#token=")[2]
    assert door.exchange(token)
    assert door.exchange(token) is None
    assert door.address == "http://127.0.0.1:1/"


def test_a_name_of_somebody_elses_leads_nowhere(page: Served) -> None:
    for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1", ""):
        for path in ("/", "/api/v1/repos", "/static/app.js"):
            assert page.get(path, Host=host).status == 421
    assert page.get("/api/v1/repos", Host=f"localhost:{page.port}").status == 200


@pytest.mark.parametrize("action", ACTIONS)
def test_a_forged_request_changes_nothing(page: Served, action: str) -> None:
    before = page.api("/r/ops")
    path, own = f"/api/v1/r/{action}", page.origin
    forged: list[dict[str, str]] = [
        {},
        {"X_MVC": "1"},
        {"Origin": own},
        {"X_MVC": "1", "Origin": "http://evil.example"},
        {"X_MVC": "1", "Origin": "null"},
        {"X_MVC": "1", "Origin": own.removeprefix("http://")},
        {"X_MVC": "1", "Origin": own.replace("http", "https")},
        {"X_MVC": "1", "Sec_Fetch_Site": "cross-site"},
    ]
    for headers in forged:
        assert page.ask("POST", path, b"{}", **headers).status == 403, headers
    assert page.ask("POST", path, b"{}", X_MVC="1", Sec_Fetch_Site="same-origin").status in (
        400,
        409,
    )
    assert page.get(path).status == 405
    assert page.api("/r/ops") == before


def test_every_answer_has_the_policy(page: Served) -> None:
    for path in (
        "/",
        "/v/v1",
        "/static/app.js",
        "/static/none.js",
        "/api/v1/repos",
        "/api/v1/none",
        "/none",
    ):
        headers = page.get(path).headers
        assert headers["content-security-policy"] == POLICY, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert page.get("/api/v1/repos").headers["cache-control"] == "no-store"
    raw = page.get("/api/v1/raw/v1/model.py").headers["content-security-policy"]
    assert "sandbox" in raw and "default-src 'none'" in raw


def test_documents_are_packed_for_those_who_can_unpack(page: Served) -> None:
    plain = page.get("/api/v1/r/versions")
    packed = page.get("/api/v1/r/versions", Accept_Encoding="br, gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-length"] == str(len(packed.body))
    assert gzip.decompress(packed.body) == plain.body
    for path in (
        "/api/v1/repos",
        "/api/v1/raw/v1/model.safetensors",
        "/api/v1/r/diff/v1/v5/tensors",
    ):
        assert "content-encoding" not in page.get(path, Accept_Encoding="gzip").headers


def test_errors_say_what_why_and_what_helps(page: Served) -> None:
    unknown = page.get("/api/v1/r/v/v99")
    assert (unknown.status, unknown.json["kind"]) == (404, "unknown-revision")
    wrong = page.get("/api/v1/r/versions?where=val.accuracy%3E%3D")
    assert wrong.status == 400
    assert wrong.json.keys() >= {
        "schema_version",
        "kind",
        "message",
        "cause",
        "help",
        "expression",
        "start",
        "length",
    }
    assert page.get("/api/v1/r/versions?limit=x").status == 400
    assert page.get("/api/v1/r/v/%ff").status == 400
    assert page.get("/api/v1/none").json["kind"] == "http"


def test_a_status_says_what_a_caller_does_next() -> None:
    told = {
        UsageError("x"): 400, AuthError("x"): 403, DaemonError("x"): 503, CorruptObject("x"): 500,
        Busy("x"): 409, Conflict("x"): 409, Failure("x", kind="gate-failed"): 409,
        Failure("x", kind="no-such-path"): 404, Failure("x", kind="no-cursor"): 410,
    }  # fmt: skip
    assert {status_of(error): None for error in told} == dict.fromkeys(told.values())
    assert [status_of(error) for error in told] == list(told.values())


def test_a_branch_with_a_slash_is_one_segment(page: Served) -> None:
    assert page.api("/r/v/other%2F%3Ci%3E")["number"] == 4
