"""Who calls, repositories made and removed, and how a server answers strangers."""

from __future__ import annotations

import base64
import socket
from copy import copy
from pathlib import Path

import pytest

from mvcd.hub import app
from tests.hub.site import BY, HubSide, regular


def test_who_calls(side: HubSide) -> None:
    told = side.call("GET", "/api/whoami-v2").json
    assert (told["name"], told["auth"]["accessToken"]["role"]) == ("ada", "write")
    assert [each["name"] for each in told["orgs"]] == ["datasets", "lab", "team"]
    side.token = side.tokens["bob"]
    assert side.call("GET", "/api/whoami-v2").json["auth"]["accessToken"]["role"] == "read"
    basic = base64.b64encode(f"git:{side.tokens['ada']}".encode()).decode()
    assert (
        side.call("GET", "/api/whoami-v2", headers={"Authorization": f"Basic {basic}"}).json["name"]
        == "ada"
    )


@pytest.mark.parametrize(
    "said", ["Bearer wrong", "Bearer ", "Basic %%%", "Basic eDp5", "Digest x", ""]
)
def test_nobody_learns_nothing(lasting: HubSide, said: str) -> None:
    headers, iris = {"Authorization": said} if said else {}, copy(lasting)
    iris.token = None
    for path in ("/api/whoami-v2", "/api/models/team/iris", "/api/models/team/none", "/api/models"):
        assert iris.call("GET", path, headers=headers).status == 401
    there, absent = (
        iris.call("GET", f"/{name}/resolve/main/x", headers=headers)
        for name in ("team/iris", "team/none")
    )
    assert (there.status, there.body) == (absent.status, absent.body)


def test_what_may_not_be_read_is_not_there(iris: HubSide) -> None:
    iris.token = iris.tokens["bob"]
    hidden, absent = (iris.call("GET", f"/api/models/team/{name}") for name in ("iris", "none"))
    assert hidden.status == absent.status == 404
    assert hidden.json["error"].replace("iris", "none") == absent.json["error"]
    assert hidden.headers["x-error-code"] == "RepoNotFound"
    assert iris.call("GET", "/api/models").json == []


def test_a_revoked_token_is_refused_at_the_next_call_and_so_are_its_passes(iris: HubSide) -> None:
    action = iris.batch(b"data").json["objects"][0]["actions"]["upload"]["href"]
    (token,) = iris.root.accounts.tokens("ada")
    iris.root.accounts.revoke_token(BY, token.id)
    assert iris.call("GET", "/api/models/team/iris").status == 401
    iris.token = None
    assert iris.call("PUT", action[action.index("/team") :], b"data").status == 401


def test_made_once(side: HubSide) -> None:
    made = side.create()
    assert made.json["url"].endswith("/team/iris")
    again = side.create()
    assert (again.status, again.json["url"]) == (409, made.json["url"])
    assert side.create("team/iris", "dataset").json["url"].endswith("/datasets/team/iris")
    assert [each["id"] for each in side.call("GET", "/api/datasets").json] == ["team/iris"]
    assert [each["id"] for each in side.call("GET", "/api/models?search=IR").json] == ["team/iris"]
    assert side.call("GET", "/api/models?author=lab").json == []


@pytest.mark.parametrize("name", ["../x", "x/y", ".x", "x.lock", "", "a b", "x" * 300])
def test_names_that_no_repository_may_have(lasting: HubSide, name: str) -> None:
    asked = {"name": name, "organization": "team"}
    assert lasting.call("POST", "/api/repos/create", asked).status in (400, 403, 404)
    assert [each.name for each in lasting.root.accounts.repositories()] == ["team/iris"]


def test_who_may_make_and_remove_them(side: HubSide) -> None:
    assert side.create("rose/x").status == 403
    assert side.create("ada/x").status == 403, "a namespace of one's own is a grant, too"
    asked = {"name": "x", "organization": "lab"}
    assert side.create("lab/x").status == 200
    assert side.create("team/x").status == 200
    assert (
        side.call("DELETE", "/api/repos/delete", {"name": "x", "organization": "team"}).status
        == 403
    )
    side.token = side.tokens["bob"]
    assert side.call("DELETE", "/api/repos/delete", asked).status == 404
    side.token = side.tokens["ada"]
    assert side.call("DELETE", "/api/repos/delete", asked).status == 200
    assert side.call("GET", "/api/models/lab/x").status == 404
    assert side.create("lab/x").status == 200, "and anew"
    assert side.call("GET", "/api/models/lab/x").json["siblings"] == [
        {"rfilename": ".gitattributes"}
    ]


def test_settings_let_nobody_in(iris: HubSide) -> None:
    path = "/api/models/team/iris/settings"
    assert iris.call("PUT", path, {"private": True}).status == 200
    assert iris.call("PUT", path, {"private": False}).status == 400
    assert iris.call("PUT", path, {"gated": "auto"}).status == 400


def test_cards_are_yaml(side: HubSide) -> None:
    def asked(content: str) -> tuple[int, int, int]:
        body = {"content": content, "repoType": "model"}
        told = side.call("POST", "/api/validate-yaml", body)
        return told.status, len(told.json["errors"]), len(told.json["warnings"])

    assert asked("---\nlicense: mit\n---\n# A\n---\n") == (200, 0, 0)
    assert asked("# no head") == asked("---\n---\n") == (200, 0, 1)
    assert asked("---\nlicense: [\n---\n") == (400, 1, 0)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"name": 5}', b'"x"', b"[" * 100_000, b"\xff"])
def test_bodies_that_are_no_request(lasting: HubSide, body: bytes) -> None:
    assert lasting.call("POST", "/api/repos/create", body).status == 400


def test_paths_that_nothing_answers(side: HubSide) -> None:
    assert side.call("GET", "/api/collections").status == 404
    assert side.call("PATCH", "/api/whoami-v2").status == 405
    assert side.call("GET", "/%ff/resolve/main/x").status in (400, 404)


def test_how_many_requests_there_are_at_once(
    side: HubSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_CALLS", 1)
    head = b"POST /api/repos/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", side.server.listen.port)) as waiting:
        waiting.sendall(head)
        while (answer := side.call("GET", "/api/whoami-v2")).status == 200:
            pass
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    while side.call("GET", "/api/whoami-v2").status == 503:
        pass


def test_requests_are_counted_by_what_they_ask(iris: HubSide) -> None:
    """A request is counted once it is answered, so the client may be a moment ahead."""
    iris.commit([regular("x", b"")])
    while 'mvcd_calls_total{method="commit",code="200"} 1' not in iris.metrics.text():
        pass
    assert "team" not in iris.metrics.text()


def test_what_waits_is_beside_the_repositories(iris: HubSide) -> None:
    iris.upload(b"waits")
    assert [p.name for p in Path(iris.root.path, "uploads").iterdir() if p.is_dir()] == [
        iris.root.accounts.repository("team/iris").id  # type: ignore[union-attr]
    ]
