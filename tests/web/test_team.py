"""A team's page: sessions, what is written in whose name, limits, hostile addresses, a root in a bucket."""

from __future__ import annotations

import json
import pkgutil
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from mvc.api.hosting import SHARES, Hosting, Visitor
from mvc.api.team import TeamServer
from mvc.cli.team_page import team_page
from mvcd.daemon.serve import pageserver
from mvcd.errors import AuthError
from mvcd.team import sessions
from mvcd.team.auditlog import By, verify
from mvcd.team.host import TeamHost
from mvcd.team.root import Root
from tests.support.page import Answer
from tests.support.teampage import TeamPage
from tests.web.conftest import HOSTILE_NAME, filled_team

IRIS = "/team/iris/-/api/v1"


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


# ---------------------------------------------------------------- sessions


def test_a_token_opens_a_session_that_is_no_token(team: TeamPage) -> None:
    entered = team.sign_in("reader")
    assert entered.status == 200
    name, _, secret = cookie_of(entered).partition("=")
    flags = {flag.lower() for flag in entered.headers["set-cookie"].split("; ")[1:]}
    assert name == "mvc_session" and flags == {"httponly", "path=/", "samesite=strict"}
    assert secret not in team.tokens.values()
    me = team.ask("GET", "/api/v1/me", Cookie=f"mvc_session={secret}").json
    assert (me["user"], me["admin"]) == ("reader", False) and me["until"]
    assert team.ask("GET", f"{IRIS}/r/versions", Cookie=f"mvc_session={secret}").status == 200
    assert team.ask("GET", "/api/v1/me", Authorization=f"Bearer {secret}").status == 401
    token = team.tokens["reader"]
    assert team.ask("GET", "/api/v1/me", Cookie=f"mvc_session={token}").status == 401


def test_over_https_the_cookie_is_for_https_alone(team: TeamPage) -> None:
    behind = {"Origin": "https://models.example", "Host": "models.example"}
    found = team.sign_in("reader", **behind).headers["set-cookie"]
    assert found.startswith("__Host-mvc_session=") and "; Secure" in found


@pytest.mark.parametrize("user", ["gone", "late"])
def test_a_token_that_is_no_good_lets_nobody_in(team: TeamPage, user: str) -> None:
    answer = team.sign_in(user)
    assert (answer.status, answer.json["kind"]) == (401, "unauthenticated")
    assert "set-cookie" not in answer.headers


def test_a_session_ends_with_the_logout_and_with_its_token(own_team: TeamPage) -> None:
    page = own_team
    first, second = (cookie_of(page.sign_in("reader")) for _ in range(2))

    def knows(cookie: str) -> bool:
        return page.ask("GET", "/api/v1/me", Cookie=cookie).status == 200

    assert knows(first) and knows(second)
    out = page.ask("POST", "/api/v1/logout", b"{}", Cookie=first, X_MVC="1", Origin=page.origin)
    assert out.status == 200 and 'mvc_session=""' in out.headers["set-cookie"]
    assert not knows(first) and knows(second)
    tokens = page.get("root", "/api/v1/admin/accounts").json["tokens"]
    id = next(one["id"] for one in tokens if one["user"] == "reader")
    connection, stream = page.open("GET", f"{IRIS}/events", Cookie=second)
    with closing(connection), stream:
        assert stream.status == 200
        assert page.post("root", "/api/v1/admin/token-revoke", id=id).status == 200
        assert not knows(second)
        assert b"data:" not in stream.read()  # it ends: what reads it may not any more
    rows = page.get("root", "/api/v1/admin/audit").json["rows"]
    assert [(row["action"], row["who"]) for row in rows[:4]] == [
        ("token.revoke", "root"), ("session.close", "reader"),
        ("session.open", "reader"), ("session.open", "reader"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"X_MVC": "1"}, {"X_MVC": "1", "Origin": "http://evil.example"}, {"X_MVC": "1", "Origin": "null"},
        {"X_MVC": "1", "Sec_Fetch_Site": "cross-site"}, {"X_MVC": "1", "Sec_Fetch_Site": "same-site"},
    ],
)  # fmt: skip
def test_a_forged_request_changes_nothing(team: TeamPage, headers: dict[str, str]) -> None:
    cookie = cookie_of(team.sign_in("writer"))
    for path in (f"{IRIS}/r/tag", "/api/v1/session", "/api/v1/logout", "/api/v1/admin/user"):
        answer = team.ask("POST", path, b'{"name": "x", "rev": "v1"}', Cookie=cookie, **headers)
        assert (answer.status, answer.json["kind"]) == (403, "foreign")
    assert team.ask("GET", "/api/v1/me", Cookie=cookie).status == 200


# ---------------------------------------------------------------- actions


def test_actions_are_judged_and_recorded_in_the_callers_name(own_team: TeamPage) -> None:
    page = own_team
    would = page.post("writer", f"{IRIS}/r/tag", name="good", rev="v5", dry_run=True).json
    made = page.post("writer", f"{IRIS}/r/tag", name="good", rev="v5", message="<b>")
    assert made.json["number"] == 5
    version = made.json["version"]
    assert would["moves"] == [["tags/good", None, version]]
    row = page.get("root", "/api/v1/admin/audit?repo=team%2Firis").json["rows"][0]
    assert (row["who"], row["action"]) == ("writer", "ref.update")
    assert row["detail"]["refs"] == [["tags/good", None, version + b"<b>".hex()]]
    operation = page.get("reader", f"{IRIS}/r/ops?limit=1").json["operations"][0]
    assert (operation["author"], operation["detail"]) == ("writer", "tag good")

    back = page.post("writer", f"{IRIS}/r/undo", number=operation["number"])
    assert (back.status, back.json["kind"]) == (403, "scope")  # deleting a tag takes maintain
    back = page.post("keeper", f"{IRIS}/r/undo", number=operation["number"])
    assert back.json["operation"]["undoes"] == operation["number"]
    assert page.get("reader", f"{IRIS}/r/v/good").status == 404

    assert page.post("writer", f"{IRIS}/r/promote", rev="v7", stage="production").json["live"]
    number = page.get("reader", f"{IRIS}/r/ops?limit=1").json["operations"][0]["number"]
    assert page.post("writer", f"{IRIS}/r/undo", number=number).status == 200
    held = page.get("reader", f"{IRIS}/r/stages").json["stages"]
    now = next(one for one in held if one["stage"] == "production")["records"][0]
    assert (now["number"], now["author"]) == (5, "writer")
    noted = page.post("writer", f"{IRIS}/r/annotate", rev="v2", texts={"description": "\u202eevil"})
    assert noted.json["annotations"] == {"description": "\u202eevil"}
    chain = page.get("root", "/api/v1/admin/audit?repo=team%2Firis").json["chain"]
    assert chain["ok"] and chain["rows"] > 4


def test_protected_refs_bind_the_page_too(own_team: TeamPage) -> None:
    page = own_team
    rule = {"refs": "tags/*", "repos": "team/iris", "allow": ["keeper"]}
    assert page.post("root", "/api/v1/admin/rule", **rule).status == 200
    for dry in (True, False):
        answer = page.post("writer", f"{IRIS}/r/tag", name="x", rev="v1", dry_run=dry)
        assert (answer.status, answer.json["kind"]) == (403, "protected-ref")
    assert page.post("keeper", f"{IRIS}/r/tag", name="x", rev="v1").status == 200


def test_accounts_are_changed_and_obeyed_at_once(own_team: TeamPage) -> None:
    page = own_team

    def change(what: str, **fields: object) -> Answer:
        return page.post("root", f"/api/v1/admin/{what}", **fields)

    assert change("user", name="<script>").status == 400
    assert change("user", name="dora").json["name"] == "dora"
    assert change("user", name="dora").status == 409
    made = change("token", user="dora", expires="90d", role="read", note="<b>")
    page.tokens["dora"] = made.json["secret"]
    assert page.get("dora", "/api/v1/repos").json["repos"] == []
    assert change("grant", user="dora", role="admin", repos="team/*").status == 200
    assert page.get("dora", f"{IRIS}/repos").json["repos"][0]["can"] == []  # the token reads alone
    assert page.get("dora", "/api/v1/admin/accounts").status == 403
    assert change("quota", limit="1G", user="dora").json["limit"] == 1 << 30
    assert change("quota-remove", user="dora").status == 200
    assert change("repository", name="team/../x").status == 400
    assert change("repository", name="team/new").status == 200
    assert page.get("dora", "/team/new/-/api/v1/r/versions").json["versions"] == []
    assert change("grant-remove", user="dora", repos="team/*").status == 200
    assert page.get("dora", f"{IRIS}/repos").status == 404
    assert change("user-remove", name="dora").status == 200
    assert page.get("dora", "/api/v1/me").status == 401
    text = json.dumps(page.get("root", "/api/v1/admin/accounts").json)
    assert page.tokens["dora"] not in text and page.tokens["dora"] not in page.log()
    assert change("rule", refs="heads/*", allow=[1]).status == 400
    assert change("nothing", x=1).status == 400


# ---------------------------------------------------------------- bounds


def test_a_caller_has_a_share_and_others_are_served(team: TeamPage) -> None:
    with ExitStack() as opened:
        for _ in range(SHARES["events"]):
            headers = {"Authorization": f"Bearer {team.tokens['trainer']}"}
            connection, stream = team.open("GET", f"{IRIS}/events", **headers)
            opened.enter_context(closing(connection))
            opened.enter_context(stream)
            assert stream.status == 200
        more = team.get("trainer", f"{IRIS}/events")
        assert (more.status, more.json["kind"], more.headers["retry-after"]) == (429, "busy", "1")
        assert team.get("trainer", f"{IRIS}/r/versions").status == 200
        assert read_line(team, "reader").startswith(b"retry:")


def read_line(page: TeamPage, user: str) -> bytes:
    connection, stream = page.open(
        "GET", f"{IRIS}/events", Authorization=f"Bearer {page.tokens[user]}"
    )
    with closing(connection), stream:
        return stream.readline()


def test_requests_are_bounded(team: TeamPage) -> None:
    many = "&".join(f"v=v{i}" for i in range(101))
    assert team.get("reader", f"{IRIS}/r/compare?{many}").status == 400
    body = b'{"token": "' + bytes(2 << 20) + b'"}'
    try:
        answer = team.ask("POST", "/api/v1/session", body, X_MVC="1", Origin=team.origin)
    except (BrokenPipeError, ConnectionResetError):
        return  # it did not even read on
    assert answer.status == 400


def test_downloads_by_range_obey_roles(team: TeamPage) -> None:
    path = f"{IRIS}/raw/v1/model.py"
    part = team.get("reader", path, Range="bytes=0-5")
    assert (part.status, part.body) == (206, b"layers")
    assert team.get("nobody", path, Range="bytes=0-5").status == 404
    assert team.get(None, path, Range="bytes=0-5").status == 401


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example", "//evil.example/-", "/\\evil.example", "/team/..%2f..%2fetc/-/api/v1/repos",
        "/team/iris/-/api/v1/raw/v1/..%2f..%2f..%2fetc%2fpasswd", "/team/iris/-/api/v1/raw/v1//etc/passwd",
        "/-/api/v1/repos", "/team/iris/-/static/../../x", "/static/..%2fapp.py", "/%00/-/api/v1/repos",
        "/team/%69ris/-/api/v1/repos",
    ],
)  # fmt: skip
def test_hostile_addresses_lead_nowhere(team: TeamPage, path: str) -> None:
    answer = team.get("root", path)
    assert answer.status in (400, 404), (path, answer.status, answer.headers)
    assert "location" not in answer.headers and b"root:" not in answer.body


def test_names_of_files_and_messages_come_as_they_are(team: TeamPage) -> None:
    files = team.get("reader", f"{IRIS}/r/files/v3").json["files"]
    assert HOSTILE_NAME in [file["path"] for file in files]
    moved = team.get("reader", "/team/iris")
    assert (moved.status, moved.headers["location"]) == (308, "/team/iris/-/")
    shown = team.ask("GET", "/team/iris/-/v/v3")
    assert shown.status == 200 and b"iris" not in shown.body  # the same page for all repositories
    assert b"data-team" in team.ask("GET", "/").body


# ---------------------------------------------------------------- a bucket


def test_a_root_in_a_bucket(tmp_path: Path) -> None:
    root = f"bucket+file://{tmp_path / 'bucket'}"
    page = filled_team(root, tmp_path, "--cache", str(tmp_path / "cache"))
    with page:
        row = page.get("reader", "/api/v1/repos").json["repos"][0]
        assert (row["name"], row["number"], row["stages"]["production"]) == ("team/iris", 7, 5)
        assert len(page.get("reader", f"{IRIS}/r/versions").json["versions"]) == 7
        assert page.get("reader", f"{IRIS}/r/diff/v1/v5").json["changed"]
        assert page.get("reader", f"{IRIS}/raw/v1/model.py").body == b"layers = 2\n"
        assert page.get("narrow", f"{IRIS}/r/v/xref-tag").status == 404
        made = page.post("writer", f"{IRIS}/r/tag", name="good", rev="v5")
        assert made.status == 200, made
        assert page.get("reader", f"{IRIS}/r/v/good").json["number"] == 5
        assert page.post("reader", f"{IRIS}/r/tag", name="bad", rev="v5").status == 403
        cookie = cookie_of(page.sign_in("reader"))
        with TeamServer(root) as server:  # as another server would
            mine = next(t for t in server.tokens() if t.user == "reader")
            server.revoke_token(mine.id)
        assert page.ask("GET", "/api/v1/me", Cookie=cookie).status == 401


# ---------------------------------------------------------------- by name, and sessions by themselves


def test_the_server_finds_the_page_by_its_name() -> None:
    assert pkgutil.resolve_name(pageserver.PAGE) is team_page


def test_a_session_is_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request to the page asks who it is of, and until when."""
    looked: list[str] = []
    with ExitStack() as held:
        root = held.enter_context(Root.create(tmp_path / "server"))
        root.first_start(By("", 1_000_000))
        hosting = Hosting(held.enter_context(closing(TeamHost(root, lambda: 1_000_000))))
        secret = hosting.enter(Visitor("here"), Path(root.admin_token).read_text().strip())
        real = sessions._found
        monkeypatch.setattr(
            sessions, "_found", lambda *words: looked.append(words[1]) or real(*words)
        )
        visited = hosting.who(Visitor("here", session=secret))
    assert (visited.user, looked) == ("admin", [secret])
    assert visited.until is not None
    assert visited.until.timestamp() == 1 + sessions.SESSION_US / 1e6


def test_one_session_more_ends_the_oldest(tmp_path: Path) -> None:
    by = By("", 1_000_000)
    with Root.create(tmp_path / "server") as root:
        root.first_start(by)
        token = Path(root.admin_token).read_text().strip()
        opened = []
        for at in range(sessions.MAX_SESSIONS + 1):
            opened.append(sessions.open_session(root.accounts, By("", 1_000_000 + at), token)[0])
        with pytest.raises(AuthError):
            sessions.session_identity(root.accounts, opened[0], 2_000_000)
        who, made = sessions.session_identity(root.accounts, opened[1], 2_000_000)
        assert who.principal == "admin"
        with pytest.raises(AuthError):
            sessions.session_identity(root.accounts, opened[1], made.until_us)
        later = By("", made.until_us + sessions.SESSION_US)
        sessions.open_session(root.accounts, later, token)
        assert len(root.store.refs("sessions/")) == 1  # what is over is swept with the next one
        verified = verify(root.store)
        assert verified.ok
