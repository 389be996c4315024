"""Commits as the Hub's clients send them."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from mvcd.hub import bodies, payload
from mvcd.store.stores import open_store
from mvcd.team import auditlog
from mvcd.team.records import ProtectionRule, Quota
from mvcd.team.roles import Role
from tests.hub.site import BY, HubSide, large, regular, sha256

WEIGHTS = os.urandom(3 << 20)


def head(side: HubSide, rev: str = "main") -> str:
    return side.call("GET", f"/api/models/team/iris/revision/{rev}").json["sha"]


def files(side: HubSide, rev: str = "main") -> list[str]:
    found = side.call("GET", f"/api/models/team/iris/revision/{rev}").json["siblings"]
    return [each["rfilename"] for each in found]


def content(side: HubSide, path: str, rev: str = "main") -> bytes:
    return side.call("GET", f"/team/iris/resolve/{rev}/{path}").body


def test_a_commit_makes_a_version_of_its_account(iris: HubSide) -> None:
    assert iris.upload(WEIGHTS).status == 200
    made = iris.commit([regular("a/config.json", b"{}"), large("model.bin", WEIGHTS)])
    assert made.status == 200
    assert made.json["commitOid"] == head(iris)
    assert files(iris) == [".gitattributes", "a/config.json", "model.bin"]
    assert content(iris, "a/config.json") == b"{}"
    assert content(iris, "model.bin") == WEIGHTS
    (newest, first) = iris.call("GET", "/api/models/team/iris/commits/main").json
    assert (newest["title"], newest["authors"]) == ("A commit", [{"user": "ada"}])
    assert first["title"] == "initial commit"
    with open_store(iris.root.repository_path("team/iris")) as store:
        rows = list(auditlog.entries(store))
    assert [(row.who, row.action) for row in rows] == [("ada", "ref.update")] * 2
    assert rows[1].detail["bytes"] > len(WEIGHTS)


def test_files_and_directories_go(iris: HubSide) -> None:
    iris.commit([regular("a/x", b"1"), regular("a/y", b"2"), regular("b", b"3")])
    iris.commit(
        [("deletedFolder", {"path": "a/"}), ("deletedFile", {"path": "b"}), regular("a/z", b"4")]
    )
    assert files(iris) == [".gitattributes", "a/z"]
    gone = iris.commit([("deletedFile", {"path": "b"})])
    assert (gone.status, gone.headers["x-error-code"]) == (404, "EntryNotFound")


def test_a_stale_parent_is_refused(iris: HubSide) -> None:
    old = head(iris)
    assert iris.commit([regular("x", b"1")], parent=old).status == 200
    assert iris.commit([regular("x", b"2")], parent=old).status == 412
    assert iris.commit([regular("x", b"3")], parent=head(iris)[:10]).status == 200
    assert content(iris, "x") == b"3"


def test_of_commits_at_once_none_is_lost(iris: HubSide) -> None:
    def one(number: int) -> None:
        answers.append(iris.commit([regular(f"f{number}", b"x")]).status)

    answers: list[int] = []
    threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 6
    assert files(iris) == [".gitattributes", *(f"f{n}" for n in range(6))]


def test_nothing_new_makes_no_version(iris: HubSide) -> None:
    iris.commit([regular("x", b"1")])
    before = head(iris)
    assert iris.commit([regular("x", b"1")]).json["commitOid"] == before


def test_a_pull_request_is_a_branch_until_it_is_merged(iris: HubSide) -> None:
    pages = "/api/models/team/iris/discussions"
    one = iris.commit([regular("x", b"1")], query="?create_pr=1")
    assert one.json["pullRequestUrl"].endswith("/team/iris/discussions/1")
    iris.commit([regular("y", b"2")], rev="refs%2Fpr%2F1")
    iris.commit([regular("z", b"3")])
    assert files(iris, "refs%2Fpr%2F1") == [".gitattributes", "x", "y"]
    refs = iris.call("GET", "/api/models/team/iris/refs?include_prs=1").json
    assert [each["ref"] for each in refs["pullRequests"]] == ["refs/pr/1"]
    assert [each["name"] for each in refs["branches"]] == ["main"]
    told = iris.call("GET", f"{pages}/1?diff=1").json
    assert (told["title"], told["status"], told["filesWithConflicts"]) == ("A commit", "open", [])
    assert [event["type"] for event in told["events"]] == ["comment", "commit", "commit"]
    assert iris.call("POST", f"{pages}/1/merge", {}).status == 200
    assert files(iris) == [".gitattributes", "x", "y", "z"]
    assert iris.call("GET", pages).json["discussions"][0]["status"] == "merged"
    assert iris.call("POST", f"{pages}/1/merge", {}).status == 409


def test_a_pull_request_that_clashes_is_not_merged(iris: HubSide) -> None:
    pages = "/api/models/team/iris/discussions"
    asked = {"title": "Mine", "description": "why", "pullRequest": True}
    assert iris.call("POST", pages, asked).json["num"] == 1
    iris.commit([regular("x", b"1")], rev="refs%2Fpr%2F1")
    iris.commit([regular("x", b"2")])
    assert iris.call("GET", f"{pages}/1").json["filesWithConflicts"] == ["x"]
    assert iris.call("POST", f"{pages}/1/merge", {}).status == 409
    assert content(iris, "x") == b"2"
    assert iris.call("POST", pages, {"title": "Talk", "pullRequest": False}).status == 400


def test_how_files_are_to_be_sent(iris: HubSide) -> None:
    iris.upload(WEIGHTS)
    iris.commit(
        [
            large("model.bin", WEIGHTS),
            regular("a.txt", b"a"),
            regular(".gitignore", b"*.log\nrun/\n"),
        ]
    )
    asked = [
        ("model.bin", 3 << 20),
        ("a.txt", 1),
        ("big.txt", 2 << 20),
        ("empty.bin", 0),
        ("run/x", 1),
    ]
    body = {"files": [{"path": path, "size": size, "sample": ""} for path, size in asked]}
    answer = iris.call("POST", "/api/models/team/iris/preupload/main", body).json["files"]
    assert [each["uploadMode"] for each in answer] == [
        "lfs",
        "regular",
        "lfs",
        "regular",
        "regular",
    ]
    assert [each["shouldIgnore"] for each in answer] == [False, False, False, False, True]
    assert answer[0]["oid"] == sha256(WEIGHTS)
    assert answer[1]["oid"] == "2e65efe2a145dda7ee51d1741299f848e5bf752e"  # git hash-object


def test_large_files_are_uploaded_or_there(iris: HubSide) -> None:
    missing = iris.commit([large("model.bin", WEIGHTS)])
    assert (missing.status, missing.json["kind"]) == (400, "not-uploaded")
    iris.upload(WEIGHTS)
    iris.commit([large("model.bin", WEIGHTS)])
    assert iris.batch(WEIGHTS).json["objects"][0].get("actions") is None, "it is there"
    assert (
        iris.commit([large("copy.bin", WEIGHTS), ("deletedFile", {"path": "model.bin"})]).status
        == 200
    )
    assert content(iris, "copy.bin") == WEIGHTS
    wrong = dict(large("x.bin", WEIGHTS)[1], size=5)
    iris.upload(other := os.urandom(5000))
    assert iris.commit([("lfsFile", dict(large("x.bin", other)[1], size=5))]).status == 400
    assert iris.commit([("lfsFile", dict(wrong, oid="../x"))]).status == 400


def test_what_a_commit_brings_itself_is_not_all_held(
    iris: HubSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload, "HELD_BYTES", 100)
    data = {f"f{n}": os.urandom(60) for n in range(4)}
    assert iris.commit([regular(path, each) for path, each in data.items()]).status == 200
    assert {path: content(iris, path) for path in data} == data
    (spool,) = (p for p in Path(iris.root.uploads).iterdir() if p.is_dir())
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [
        b"no json\n",
        b"[]\n",
        b'{"key": "file"}\n',
        b'{"key": "file", "value": {"path": "x", "content": "%%%"}}\n',
        b'{"key": "nothing", "value": {}}\n',
        b'{"key": "file", "value": {"path": "../x", "content": ""}}\n',
        b'{"key": "file", "value": {"path": "/x", "content": ""}}\n',
        b'{"key": "file", "value": {"path": "..\\\\x", "content": ""}}\n',
        b'{"key": "lfsFile", "value": {"path": "a/.mvc/x", "oid": "0"}}\n',
        b'{"key": "file", "value": {"path": ".mvc/config.toml", "content": ""}}\n',
        b"[" * 100_000,
        b'{"key": "lfsFile", "value": {"path": "x", "algo": "md5", "oid": "0"}}\n',
    ],
)
def test_what_is_no_commit_changes_nothing(lasting: HubSide, body: bytes) -> None:
    iris, before = lasting, head(lasting)
    assert iris.call("POST", "/api/models/team/iris/commit/main", body).status == 400
    assert head(iris) == before


def test_lines_and_requests_are_bounded(iris: HubSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(payload, "MAX_PATHS", 3)
    assert iris.commit([regular("x", bytes(2000))]).status == 413
    assert iris.commit([regular(f"f{n}", b"") for n in range(4)]).status == 413


def test_branches_that_are_not_there(iris: HubSide) -> None:
    absent = iris.commit([regular("x", b"")], rev="dev")
    assert (absent.status, absent.headers["x-error-code"]) == (404, "RevisionNotFound")


def test_who_may_only_read_commits_nothing(side: HubSide) -> None:
    side.create("team/open")
    side.token = side.tokens["bob"]
    assert side.commit([regular("x", b"")], repo="team/open").status == 403
    assert side.call("POST", "/api/models/team/open/preupload/main", {"files": []}).status == 403
    assert side.batch(b"x", repo="team/open").status == 403
    assert side.call("POST", "/api/models/team/open/branch/dev", {}).status == 403
    assert side.call("GET", "/api/models/team/open").status == 200


def test_rules_of_refs_hold_here_too(iris: HubSide) -> None:
    iris.user("cleo", ("team/*", Role.APPEND))
    iris.token = iris.tokens["cleo"]
    refused = iris.commit([regular("x", b"")])
    assert (refused.status, refused.json["kind"]) == (403, "scope")


def test_quotas_hold_before_an_upload_and_in_a_commit(iris: HubSide) -> None:
    iris.root.accounts.set_quota(BY, Quota("team/*", "ada", 2 << 20))
    assert iris.upload(WEIGHTS).status == 507
    assert iris.upload(small := os.urandom(1 << 20)).status == 200
    assert iris.upload(os.urandom(1 << 20)).status == 507, "with what waits it is too much"
    assert iris.commit([large("a.bin", small)]).status == 200
    assert iris.upload(os.urandom(1 << 20)).status == 507


def test_git_attributes_say_which_files_are_large(iris: HubSide) -> None:
    assert b"*.safetensors filter=lfs" in content(iris, ".gitattributes")
    body = json.dumps({"paths": [".gitattributes"]}).encode()
    told = iris.call(
        "POST", "/api/models/team/iris/paths-info/main", body, {"Content-Type": "application/json"}
    )
    assert "lfs" not in told.json[0]


def test_what_a_refused_commit_stored_is_collected(iris: HubSide) -> None:
    assert iris.host.untidy() == set()
    iris.root.accounts.set_rule(BY, ProtectionRule("team/*", "heads/main", allow=("bob",)))
    iris.upload(WEIGHTS)
    assert iris.commit([large("model.bin", WEIGHTS)]).status == 403
    assert iris.host.untidy() == {"team/iris"}
    assert iris.host.tidy("team/iris", [])
    assert iris.batch(WEIGHTS).json["objects"][0].get("actions") is None, "it waits still"
