"""Search in all repositories of a team: what is found where, by whom, page by page, past what is damaged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from mvc.api import hosting
from mvc.api.hosting import Hosting, Visitor
from mvc.web import finding
from mvc.web.teamfinding import search
from mvcd.team.host import TeamHost
from mvcd.team.root import Root
from tests.support.teampage import TeamPage
from tests.web.conftest import HOSTILE_TEXT, ROLES, VERSIONS, team_accounts

SEARCH = "/api/v1/search"
BOTH = ["team/iris", "xrepo/plans"]


def asked_once(team: TeamPage, user: str, asked: str) -> dict[str, Any]:
    answer = team.get(user, f"{SEARCH}?{asked}")
    assert answer.status == 200, answer
    document: dict[str, Any] = answer.json
    return document


def pages(team: TeamPage, user: str, asked: str) -> list[dict[str, Any]]:
    found = [asked_once(team, user, asked)]
    while found[-1]["next"] is not None:
        assert len(found) < 50
        found.append(asked_once(team, user, f"{asked}&cursor={found[-1]['next']}"))
    return found


def found(team: TeamPage, user: str, asked: str) -> dict[str, Any]:
    """All pages as one: on a busy machine half a second is over before all is looked at."""
    every = pages(team, user, asked)
    return {
        name: sum((page[name] for page in every), start)
        for name, start in {"hits": [], "looked": 0, "repositories": 0, "unreadable": []}.items()
    }


def test_hits_name_their_repositories(team: TeamPage) -> None:
    """Each kind is found in both, with all that a search of one repository says."""
    for asked, kind in (
        ("layers.1", "tensor"), ("run+7", "message"), ("accuracy", "metric"), ("train.csv", "path"),
        ("xref-tag", "name"), ("lr", "hyperparameter"),
    ):  # fmt: skip
        whole = found(team, "root", f"q={asked}")
        hits = [hit for hit in whole["hits"] if hit["kind"] == kind]
        assert sorted({hit["repo"] for hit in hits}) == BOTH, asked
        alone = team.get("root", f"/team/iris/-/api/v1/r/search?q={asked}").json["hits"]
        mine = [dict(hit) for hit in whole["hits"] if hit["repo"] == "team/iris"]
        assert [hit for hit in mine if hit.pop("repo")] == alone
        assert (whole["looked"], whole["repositories"]) == (2 * VERSIONS, 3)
        assert whole["unreadable"] == []
    id = found(team, "root", "q=v5")["hits"][0]["version"]
    assert {hit["version"] for hit in found(team, "root", f"q={id[:12]}")["hits"]} == {id}
    assert found(team, "root", "q=")["looked"] == 0
    assert HOSTILE_TEXT in [hit["what"] for hit in found(team, "reader", "q=%3Cscript%3E")["hits"]]


@pytest.mark.parametrize("user", ROLES)
def test_only_what_may_be_read_is_looked_through(team: TeamPage, user: str) -> None:
    """Neither hits, nor counts, nor cursors tell of the rest."""
    sees = {"root": 3, "narrow": 1}.get(user, 2)
    for asked in ("q=run", "q=xref", "q=xrepo", "q=plans", "q=layers", "limit=1&q=run", "size=11"):
        every = pages(team, user, asked)
        text = json.dumps(every)
        if user != "root":
            assert "xrepo" not in text and "plans" not in text
        if user == "narrow":
            assert "xref" not in text
        assert sum(page["repositories"] for page in every) == sees, asked
    behind = found(team, user, "q=run&cursor=team/open")
    assert behind["repositories"] == (user == "root")
    hidden = f"cursor=xrepo/plans/-/{'00' * 32}"
    status = team.get(user, f"{SEARCH}?q=run&{hidden}").status
    assert status == (410 if user == "root" else 200)  # it is no repository to the others


def test_strangers_find_nothing(team: TeamPage) -> None:
    assert asked_once(team, "nobody", "q=run") == {
        "schema_version": 1, "hits": [], "looked": 0, "repositories": 0, "unreadable": [], "next": None,
    }  # fmt: skip
    for user in (None, "gone", "late"):
        assert team.get(user, f"{SEARCH}?q=run").status == 401


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_go_on_within_and_behind_repositories(team: TeamPage, limit: int) -> None:
    """All pages together have what one has, each hit once."""
    every = pages(team, "root", f"q=run&limit={limit}")
    assert len(every) > 2
    hits = [hit for page in every for hit in page["hits"]]
    assert hits == found(team, "root", "q=run")["hits"] and len(hits) == 2 * (VERSIONS - 1)
    assert sum(page["looked"] for page in every) == 2 * VERSIONS
    assert sum(page["repositories"] for page in every) == 3
    gone = f"cursor=team/iris/-/{'00' * 32}"
    assert team.get("root", f"{SEARCH}?q=run&{gone}").status == 410


def test_a_file_is_found_in_all_by_its_bytes(team: TeamPage) -> None:
    data = b"layers = 2\n"
    digest = hashlib.sha256(data).hexdigest()
    assert asked_once(team, "root", f"size={len(data)}&limit=1")["hits"][0]["kind"] == "content"
    hits = found(team, "root", f"size={len(data)}&sha256={digest}")["hits"]
    assert [(hit["repo"], hit["number"], hit["what"]) for hit in hits] == [
        (repo, number, "model.py") for repo in BOTH for number in range(VERSIONS, 0, -1)
    ]
    again = found(team, "reader", f"q={digest}")["hits"]  # what is remembered is found by itself
    assert {hit["repo"] for hit in again} == {"team/iris"}
    assert found(team, "root", f"size={len(data)}&sha256={'00' * 32}")["hits"] == []


@pytest.mark.parametrize(
    "asked", ["size=x", "size=5&sha256=zz", "q=a&cursor=team/iris/-/zz", "q=a&limit=0", "q=" + "a" * 1001]
)  # fmt: skip
def test_what_makes_no_sense_is_refused(team: TeamPage, asked: str) -> None:
    assert team.get("reader", f"{SEARCH}?{asked}").status == 400


def test_a_damaged_repository_is_named_and_passed_by(own_team: TeamPage, tmp_path: Path) -> None:
    page = own_team
    (tmp_path / "server" / "repos" / "team" / "open" / "format").write_bytes(b"none\n")
    whole = found(page, "root", "q=run+7")
    assert (whole["unreadable"], whole["repositories"]) == (["team/open"], 2)
    assert [hit["repo"] for hit in whole["hits"]] == BOTH
    assert "a repository cannot be read" in page.log()
    assert found(page, "narrow", "q=run+7")["unreadable"] == []


def test_an_answer_comes_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the time is over at once, each answer still goes on by a repository."""
    monkeypatch.setattr(finding, "PAGE_SECONDS", 0.0)
    root = tmp_path / "server"
    Root.create(root).close()
    visitor = Visitor("ipv4:127.0.0.1:1", token=team_accounts(str(root))["root"])
    with Root.open(root) as opened:
        host = TeamHost(opened, lambda: 1_800_000_000_000_000)
        app = SimpleNamespace(state=SimpleNamespace(hosting=Hosting(host)))

        def ask(cursor: str) -> dict[str, Any]:
            asked = f"q=run{cursor}".encode()
            scope = {"type": "http", "query_string": asked, "headers": [], "app": app}
            answer = search(Request({**scope, "state": {"visitor": visitor}}))
            document: dict[str, Any] = json.loads(bytes(answer.body))
            return document

        nexts, cursor = [], ""
        while cursor is not None:
            part = ask(cursor)
            assert part["repositories"] == 1
            nexts.append(part["next"])
            cursor = part["next"] and f"&cursor={part['next']}"
        monkeypatch.setattr(hosting, "SUMMARIES_SECONDS", 0.0)
        rows, following = app.state.hosting.repositories(visitor, after=None, limit=50)
        host.close()
    assert nexts == ["team/iris", "team/open", None]
    assert ([row.name for row in rows], following) == (["team/iris"], "team/iris")  # the list, too
