"""Trees, descriptions and the bytes of files."""

from __future__ import annotations

import http.client
import os
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from mvcd.hub import treeroutes
from mvcd.repo.records.refs import EMPTY_ID
from tests.hub.site import BY, HubSide, large, regular, sha256, where

WEIGHTS = os.urandom(9 << 20)
URL = "/team/iris/resolve/main/model.bin"


def filled(side: HubSide) -> HubSide:
    side.upload(WEIGHTS)
    text = regular("sub dir/ünïcode %41.txt", b"text")
    assert side.commit([large("model.bin", WEIGHTS), text, regular("sub dir/b", b"")]).status == 200
    return side


@pytest.fixture
def full(iris: HubSide) -> HubSide:
    return filled(iris)


@pytest.fixture(scope="module")
def stored(lasting: HubSide) -> HubSide:
    """For tests that change nothing."""
    return filled(lasting)


def test_the_head_of_a_large_file(stored: HubSide) -> None:
    told = stored.call("HEAD", URL)
    assert (told.status, told.body) == (200, b"")
    assert told.headers["etag"] == told.headers["x-linked-etag"] == f'"{sha256(WEIGHTS)}"'
    assert told.headers["content-length"] == told.headers["x-linked-size"] == str(len(WEIGHTS))
    assert told.headers["accept-ranges"] == "bytes"
    assert told.headers["x-repo-commit"] == stored.call("GET", "/api/models/team/iris").json["sha"]


def test_a_regular_file_is_named_as_git_names_it(stored: HubSide) -> None:
    told = stored.call("GET", "/team/iris/resolve/main/sub%20dir/%C3%BCn%C3%AFcode%20%2541.txt")
    assert (told.status, told.body) == (200, b"text")
    assert told.headers["etag"] == '"f3a34851d44d6b97c90fbb99dd3d18c261b9a237"'  # git hash-object
    assert "x-linked-etag" not in told.headers
    assert "filename*=UTF-8''%C3%BCn%C3%AFcode%20%2541.txt" in told.headers["content-disposition"]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, len(WEIGHTS)),
        ("bytes=-7", len(WEIGHTS) - 7, len(WEIGHTS)),
        ("bytes=4000000-5000000", 4_000_000, 5_000_001),
        (f"bytes=10-{10**30}", 10, len(WEIGHTS)),
    ],
)
def test_ranges(stored: HubSide, asked: str, start: int, stop: int) -> None:
    told = stored.call("GET", URL, headers={"Range": asked})
    assert (told.status, told.body == WEIGHTS[start:stop]) == (206, True)
    assert told.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(WEIGHTS)}"


@pytest.mark.parametrize(
    "asked", ["bytes=1-2,5-6", "bytes=x-", "bytes=-", "lines=1-2", "bytes=9-3"]
)
def test_ranges_that_are_none_give_the_whole(stored: HubSide, asked: str) -> None:
    assert stored.call("GET", URL, headers={"Range": asked}).status == 200


def test_what_a_client_has_is_not_sent(stored: HubSide) -> None:
    tag = f'"{sha256(WEIGHTS)}"'
    assert stored.call("GET", URL, headers={"If-None-Match": tag}).status == 304
    assert (
        stored.call("GET", URL, headers={"Range": "bytes=0-4", "If-Range": '"old"'}).status == 200
    )
    assert stored.call("GET", URL, headers={"Range": "bytes=0-4", "If-Range": tag}).status == 206
    beyond = stored.call("GET", URL, headers={"Range": f"bytes={len(WEIGHTS)}-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(WEIGHTS)}")
    empty = stored.call("GET", "/team/iris/resolve/main/sub%20dir/b")
    assert (empty.status, empty.body) == (200, b"")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/team/iris/resolve/main/absent", "EntryNotFound"),
        ("/team/iris/resolve/main/sub%20dir", "EntryNotFound"),
        ("/team/iris/resolve/dev/model.bin", "RevisionNotFound"),
        ("/team/iris/resolve/0123456789/model.bin", "RevisionNotFound"),
        ("/team/rose/resolve/main/model.bin", "RepoNotFound"),
        ("/api/models/team/iris/tree/main/absent", "EntryNotFound"),
        ("/datasets/team/iris/resolve/main/model.bin", "RepoNotFound"),
        ("/api/models/%2e%2e/accounts", "RepoNotFound"),
    ],
)
def test_what_is_not_there(stored: HubSide, path: str, code: str) -> None:
    told = stored.call("GET", path)
    assert (told.status, told.headers["x-error-code"]) == (404, code)


def test_damage_is_never_sent(full: HubSide) -> None:
    assert full.call("GET", URL, headers={"Range": "bytes=0-10"}).status == 206
    packs = Path(full.root.repository_path("team/iris"), "packs").iterdir()
    (pack,) = (path for path in packs if path.stat().st_size > len(WEIGHTS) // 2)
    with open(pack, "r+b") as file:
        file.seek(pack.stat().st_size * 3 // 4)
        file.write(bytes(64))
    with pytest.raises(http.client.IncompleteRead):
        full.call("GET", URL)


def test_revisions_by_tag_branch_and_digits(full: HubSide) -> None:
    sha = full.call("GET", "/api/models/team/iris").json["sha"]
    assert (
        full.call(
            "POST", "/api/models/team/iris/tag/main", {"tag": "v1", "message": "first"}
        ).status
        == 200
    )
    assert (
        full.call("POST", "/api/models/team/iris/branch/a%2Fb", {"startingPoint": sha}).status
        == 200
    )
    full.commit([regular("new", b"")])
    for rev in ("v1", "a%2Fb", sha, sha[:7]):
        assert full.call("GET", f"/api/models/team/iris/revision/{rev}").json["sha"] == sha
    refs = full.call("GET", "/api/models/team/iris/refs").json
    assert [(b["name"], b["targetCommit"] == sha) for b in refs["branches"]] == [
        ("a/b", True),
        ("main", False),
    ]
    assert [(t["name"], t["ref"]) for t in refs["tags"]] == [("v1", "refs/tags/v1")]
    assert full.call("POST", "/api/models/team/iris/tag/main", {"tag": "v1"}).status == 409
    assert full.call("POST", "/api/models/team/iris/branch/a%2Fb", {}).status == 409
    assert full.call("POST", "/api/models/team/iris/branch/x..y", {}).status == 400
    assert full.call("DELETE", "/api/models/team/iris/branch/a%2Fb").status == 200
    assert full.call("DELETE", "/api/models/team/iris/branch/a%2Fb").status == 404
    assert full.call("DELETE", "/api/models/team/iris/branch/main").status == 400
    assert full.call("DELETE", "/api/models/team/iris/tag/v1").status == 403, "that takes maintain"


def test_a_squashed_branch_has_one_version_with_all_files(full: HubSide) -> None:
    assert (
        full.call("POST", "/api/models/team/iris/super-squash/main", {"message": "One"}).status
        == 200
    )
    assert [c["title"] for c in full.call("GET", "/api/models/team/iris/commits/main").json] == [
        "One"
    ]
    assert full.call("GET", URL).body == WEIGHTS


def test_trees(stored: HubSide) -> None:
    top = stored.call("GET", "/api/models/team/iris/tree/main").json
    assert [(e["type"], e["path"]) for e in top] == [
        ("file", ".gitattributes"), ("file", "model.bin"), ("directory", "sub dir"),
    ]  # fmt: skip
    assert top[1]["lfs"] == {"oid": sha256(WEIGHTS), "size": len(WEIGHTS), "pointerSize": 132}
    below = stored.call("GET", "/api/models/team/iris/tree/main/sub%20dir").json
    assert [e["path"] for e in below] == ["sub dir/b", "sub dir/ünïcode %41.txt"]
    one = stored.call("GET", "/api/models/team/iris/tree/main/model.bin").json
    assert [e["path"] for e in one] == ["model.bin"]


def test_a_tree_comes_in_pages(stored: HubSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treeroutes, "PAGE_ENTRIES", 2)
    path: str | None = "/api/models/team/iris/tree/main?recursive=true"
    found, pages = [], 0
    while path is not None:
        page = stored.call("GET", path)
        found += [e["path"] for e in page.json]
        link = page.headers.get("link")
        path = None if link is None else where(link[1 : link.index(">")])
        pages += 1
    assert found == [
        ".gitattributes",
        "model.bin",
        "sub dir",
        "sub dir/b",
        "sub dir/ünïcode %41.txt",
    ]
    assert pages == 3


def test_the_last_commit_of_each_path(full: HubSide) -> None:
    full.commit([regular("sub dir/b", b"changed")])
    tree = full.call("GET", "/api/models/team/iris/tree/main?recursive=1&expand=1").json
    dates = {e["path"]: (e["lastCommit"]["title"], e["lastCommit"]["id"]) for e in tree}
    newest, second, first = (
        c["id"] for c in full.call("GET", "/api/models/team/iris/commits/main").json
    )
    assert {path: id for path, (_, id) in dates.items()} == {
        ".gitattributes": first, "model.bin": second, "sub dir": newest,
        "sub dir/b": newest, "sub dir/ünïcode %41.txt": second,
    }  # fmt: skip


def test_paths_that_are_asked_for(stored: HubSide) -> None:
    form: Mapping[str, str] = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"paths=model.bin&paths=sub+dir&paths=absent&expand=False"
    told = stored.call("POST", "/api/models/team/iris/paths-info/main", body, form).json
    assert [(e["type"], e["path"]) for e in told] == [
        ("file", "model.bin"),
        ("directory", "sub dir"),
    ]


def test_numbers_that_are_none(stored: HubSide) -> None:
    for path in (
        "commits/main?p=x",
        f"commits/main?limit={'9' * 5000}",
        f"discussions?p={'9' * 5000}",
    ):
        assert stored.call("GET", f"/api/models/team/iris/{path}").status == 400
    assert stored.call("GET", f"/api/models/team/iris/discussions/{'9' * 5000}").status == 404
    assert stored.call(
        "PUT", f"/team/iris.git/info/lfs/objects/{'0' * 64}/{'9' * 5000}"
    ).status in (404, 405)


def test_commits_come_in_pages(stored: HubSide) -> None:
    page = stored.call("GET", "/api/models/team/iris/commits/main?limit=1")
    assert ([c["title"] for c in page.json], "p=1" in page.headers["link"]) == (["A commit"], True)
    last = stored.call("GET", where(page.headers["link"][1 : page.headers["link"].index(">")]))
    assert ([c["title"] for c in last.json], "link" in last.headers) == (["initial commit"], False)


def test_what_was_pushed_otherwise_is_seen_the_same(side: HubSide) -> None:
    """A repository that an administrator made, without a version yet."""
    side.root.create_repository(BY, "team/bare")
    told = side.call("GET", "/api/models/team/bare").json
    assert (told["sha"], told["siblings"]) == (EMPTY_ID.hex()[:40], [])
    assert side.call("GET", f"/api/models/team/bare/tree/{told['sha']}").json == []
    tensor = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  '
    data = struct.pack("<Q", len(tensor)) + tensor + bytes(8)
    side.upload(data, repo="team/bare")
    assert side.commit([large("m.safetensors", data)], repo="team/bare").status == 200
    assert side.call("GET", "/team/bare/resolve/main/m.safetensors").body == data
