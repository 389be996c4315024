"""Who sees what on a team's page, and who may do what: every route and action by every role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from mvc.api.hosted import ACTIONS as NEEDED
from tests.support.teampage import TeamPage
from tests.web.conftest import ROLES
from tests.web.test_app import ROUTES

IRIS = "/team/iris/-/api/v1"
INSIDE = [route for route in ROUTES if "daemon" not in route]
INSIDE += ["r/search?q=run", "r/catalogue"]
UNKNOWN = [
    "r/v/xref-branch",
    "r/v/xref-tag",
    "r/v/xref-stage",
    "r/v/xref",
    "r/diff/v1/xref-tag",
    "raw/xref-tag/model.py",
]
WHOLE = ["repos", "me", "search?q=run", "search?q=xref", "search?size=11"]
ADMIN = [
    "admin/accounts",
    "admin/audit",
    "admin/audit?repo=team%2Firis",
    "admin/audit?repo=xrepo%2Fplans",
]
STRANGERS = {None: 401, "gone": 401, "late": 401, "nobody": 404, "xuser": 404}
SEES = {
    "root": (),
    "narrow": ("xrepo", "xuser", "xref"),
    **dict.fromkeys(STRANGERS, ("xrepo", "xref", "run 7")),
}
ACTIONS: dict[str, dict[str, object]] = {
    "tag": {"name": "good", "rev": "v5"},
    "annotate": {"rev": "v5", "texts": {"description": "fine"}},
    "promote": {"rev": "v4", "stage": "production"},
    "rollback": {"stage": "production"},
    "undo": {"number": 1},
    "prune": {},
}


def read(page: TeamPage, user: str | None, path: str) -> tuple[int, str]:
    """Status and text of an answer; of a stream as much as comes before it waits for what happens next."""
    if not path.endswith("/events"):
        found = page.get(user, path)
        return found.status, found.body.decode()
    headers = {} if user is None else {"Authorization": f"Bearer {page.tokens[user]}"}
    connection, answer = page.open("GET", f"{path}?after=0", **headers)
    with closing(connection), answer:
        if answer.status != 200:
            return answer.status, answer.read().decode()
        text = b""
        while b"data: " not in text:
            text += answer.readline()
        return 200, text.decode()


@pytest.mark.parametrize("user", [*ROLES, *STRANGERS])
def test_what_may_not_be_seen_is_in_no_answer(team: TeamPage, user: str | None) -> None:
    hidden = SEES.get(user, ("xrepo", "xuser"))
    expected = STRANGERS.get(user, 200)
    for route in INSIDE:
        status, text = read(team, user, f"{IRIS}/{route}")
        assert status == (400 if route == "r/diff/v1" and expected == 200 else expected), (
            route,
            text,
        )
        assert not [word for word in hidden if word in text], (route, text)
        assert "/server" not in text
        absent, _ = read(team, user, f"/xrepo/plans/-/api/v1/{route}")
        assert absent == (expected if user not in ROLES else 404 if user != "root" else absent)
    for route in UNKNOWN:
        status, text = read(team, user, f"{IRIS}/{route}")
        sees = user in ROLES and user != "narrow" and route != "r/v/xref"
        assert status == (200 if sees else 404 if expected == 200 else expected), (route, text)
        own = next(
            word for word in ("xref-branch", "xref-tag", "xref-stage", "xref") if word in route
        )
        assert not [word for word in hidden if word in text.replace(own, "")], (route, text)
    for route in WHOLE:
        status, text = read(team, user, f"/api/v1/{route}")
        assert status == (401 if expected == 401 else 200)
        assert not [word for word in hidden if word in text and word != "xuser"], (route, text)
    for route in ADMIN:
        status, text = read(team, user, f"/api/v1/{route}")
        assert status == (401 if expected == 401 else 200 if user == "root" else 403), (route, text)
        if user != "root":
            assert "xrepo" not in text and "keeper" not in text.replace(user or "", "")


def test_a_hidden_repository_looks_like_one_that_is_not_there(team: TeamPage) -> None:
    for user in ("reader", "nobody"):
        for route in INSIDE[:4]:
            hidden = team.get(user, f"/xrepo/plans/-/api/v1/{route}").body
            absent = team.get(user, f"/none/plans/-/api/v1/{route}").body
            assert hidden.replace(b"xrepo", b"none") == absent


def test_the_list_has_what_may_be_read(team: TeamPage) -> None:
    def listed(user: str, q: str = "") -> dict[str, object]:
        """All pages: on a busy machine half a second is over before all is known."""
        rows, after = [], ""
        while after is not None:
            page = team.get(user, f"/api/v1/repos?q={q}{after}").json
            rows += page["repos"]
            after = page["next"] and f"&after={page['next']}"
        return {row["name"]: row for row in rows}

    assert list(listed("root")) == ["team/iris", "team/open", "xrepo/plans"]
    assert list(listed("reader")) == ["team/iris", "team/open"]
    assert listed("nobody") == {}
    assert list(listed("root", "PLAN+xrepo")) == ["xrepo/plans"]
    assert listed("reader", "plan") == {} and list(listed("reader", "op")) == ["team/open"]
    iris = team.get("reader", "/api/v1/repos").json["repos"][0]
    assert (iris["number"], iris["versions"], iris["state"], iris["role"]) == (7, 7, "good", "read")
    assert iris["stages"] == {"production": 5, "xref-stage": 6} and iris["disk"] and iris["raw"]
    assert team.get("narrow", "/api/v1/repos").json["repos"][0]["stages"] == {}
    page = team.get("root", "/api/v1/repos?limit=1").json
    assert page["next"] == "team/iris"
    assert (
        team.get("root", "/api/v1/repos?after=team%2Firis").json["repos"][0]["name"] == "team/open"
    )


@pytest.fixture(scope="module")
def numbers(team: TeamPage) -> Iterator[dict[str, int]]:
    """Numbers of operations by the refs that they moved."""
    rows = team.get("root", f"{IRIS}/r/ops").json["operations"]
    yield {name: row["number"] for row in rows for name in row["refs"]}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("user", [*ROLES, *STRANGERS])
def test_an_action_by_role_and_nothing_is_changed(
    team: TeamPage, numbers: dict[str, int], user: str | None, action: str
) -> None:
    fields = ACTIONS[action] | ({"number": numbers["heads/main"]} if action == "undo" else {})
    before = team.get("root", f"{IRIS}/r/ops").json
    answer = team.post(user, f"{IRIS}/r/{action}", dry_run=True, **fields)
    writes = user in ("root", "keeper", "writer")
    if user not in ROLES:
        assert answer.status == STRANGERS[user]
    elif action == "prune":
        maintains = user in ("root", "keeper")  # and there are no rules of retention
        assert answer.status == (409 if maintains else 403), answer
        assert answer.json["kind"] == ("no-rules" if maintains else "scope")
    elif not writes:
        assert answer.status in (403, 404), answer  # `narrow` sees no stage at all
        assert user != "narrow" or b"xref" not in answer.body
    elif action == "promote":
        assert answer.json["allowed"], answer
    elif action == "rollback":
        assert answer.status == 409  # nobody held it before: the role was no hindrance
    elif action == "undo" and user == "writer":
        assert answer.status in (200, 403)  # tags of the same push take the role maintain
    else:
        assert (answer.status, answer.json["dry_run"]) == (200, True), answer
        assert answer.json["moves"]
    assert team.get("root", f"{IRIS}/r/ops").json == before


def test_the_frame_says_what_may_be_done(team: TeamPage) -> None:
    def can(user: str) -> list[str]:
        found: list[str] = team.get(user, f"{IRIS}/repos").json["repos"][0]["can"]
        return found

    assert set(NEEDED) == set(ACTIONS)
    assert can("reader") == can("trainer") == []
    assert set(can("writer")) == ACTIONS.keys() - {"prune"}
    assert set(can("keeper")) == set(ACTIONS)


CHANGES: dict[str, dict[str, object]] = {
    "user": {"name": "new"}, "user-remove": {"name": "xuser"}, "token": {"user": "xuser"},
    "token-revoke": {"id": "0"}, "grant": {"user": "xuser", "role": "admin"}, "grant-remove": {"user": "xuser"},
    "rule": {"refs": "heads/*"}, "rule-remove": {"refs": "heads/kept"}, "quota": {"limit": "1G"},
    "quota-remove": {}, "repository": {"name": "team/new"},
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_only_who_administers_all_changes_accounts(team: TeamPage, change: str) -> None:
    before = team.get("root", "/api/v1/admin/accounts").json
    for user in [*ROLES, *STRANGERS]:
        if user != "root":
            answer = team.post(user, f"/api/v1/admin/{change}", **CHANGES[change])
            assert answer.status == (401 if STRANGERS.get(user) == 401 else 403), user
            assert "xrepo" not in answer.body.decode()
    after = team.get("root", "/api/v1/admin/accounts").json
    for found in (before, after):
        for token in found["tokens"]:
            token["last_used"] = None
    assert after == before
