"""Git LFS' batch API, as the Hub's clients and git-lfs use it."""

from __future__ import annotations

import os

import pytest

from tests.hub.site import HubSide, large, sha256, where

DATA = os.urandom(2 << 20)


def test_upload_verify_commit_download(iris: HubSide) -> None:
    actions = iris.batch(DATA).json["objects"][0]["actions"]
    known = {"oid": sha256(DATA), "size": len(DATA)}
    verify = where(actions["verify"]["href"])
    assert iris.call("POST", verify, known).status == 404
    assert iris.call("PUT", where(actions["upload"]["href"]), DATA).status == 200
    assert iris.call("POST", verify, known).status == 200
    assert iris.call("POST", verify, dict(known, size=5)).status == 404
    assert "actions" not in iris.batch(DATA).json["objects"][0], "it waits"
    assert iris.batch(DATA, operation="download").json["objects"][0]["error"]["code"] == 404
    iris.commit([large("w.bin", DATA)])
    (download,) = iris.batch(DATA, operation="download").json["objects"]
    assert iris.call("GET", where(download["actions"]["download"]["href"])).body == DATA
    part = {"Range": "bytes=1000-"}
    assert (
        iris.call("GET", where(download["actions"]["download"]["href"]), headers=part).body
        == DATA[1000:]
    )


def test_what_git_lfs_uploads_is_kept_without_a_commit(iris: HubSide) -> None:
    for agent in ("git-lfs/3.3.0 (GitHub; linux amd64)",) * 2:
        told = iris.batch(DATA, agent=agent).json["objects"][0]
        if "actions" not in told:
            break
        assert iris.call("PUT", where(told["actions"]["upload"]["href"]), DATA).status == 200
        known = {"oid": sha256(DATA), "size": len(DATA)}
        assert iris.call("POST", where(told["actions"]["verify"]["href"]), known).status == 200
    else:
        pytest.fail("it is asked for again")
    name = sha256(DATA)
    kept = iris.call("GET", f"/team/iris/resolve/lfs/objects/{name[:2]}/{name[2:4]}/{name}")
    assert kept.body == DATA
    assert iris.call("GET", f"/team/iris.git/info/lfs/objects/{name}").body == DATA


def test_what_is_not_the_content_is_refused(iris: HubSide) -> None:
    path = where(iris.batch(DATA).json["objects"][0]["actions"]["upload"]["href"])
    assert iris.call("PUT", path, DATA[:-1] + b"\0\0").status == 400
    assert iris.call("PUT", path, bytes(len(DATA))).status == 400
    assert iris.call("PUT", path, b"").status == 400
    assert "actions" in iris.batch(DATA).json["objects"][0]


def test_a_pass_is_for_one_repository(iris: HubSide) -> None:
    iris.create("team/rose")
    path = where(iris.batch(DATA).json["objects"][0]["actions"]["upload"]["href"])
    iris.token = None
    assert iris.call("PUT", path.replace("/team/iris", "/team/rose"), DATA).status == 401
    assert iris.call("PUT", path.partition("?")[0] + "?pass=guessed", DATA).status == 401
    assert iris.call("PUT", path.partition("?")[0], DATA).status == 401
    assert iris.call("PUT", path, DATA).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"operation": "delete", "objects": []},
        {"operation": "upload"},
        {"operation": "upload", "objects": [{"oid": "x", "size": 1}]},
        {"operation": "upload", "objects": [{"oid": "0" * 64, "size": -1}]},
        {"operation": "upload", "objects": ["x"]},
        {"operation": "upload", "objects": [], "hash_algo": "md5"},
    ],
)
def test_batches_that_make_no_sense(lasting: HubSide, body: object) -> None:
    assert lasting.call("POST", "/team/iris.git/info/lfs/objects/batch", body).status == 400
