"""Xet over HTTP, by a real socket: passes and whom they let in, and files from xorbs to a version and back."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.hub.xethash import chunk_hash, to_hex
from mvcd.hub.xetshard import shard_files
from mvcd.hub.xetxorb import MAX_XORB_BYTES
from mvcd.team.records import Quota
from mvcd.team.roles import Role, Scope
from tests.hub.site import BY, Answer, HubSide, large
from tests.hub.xetmade import RECORDED, Piece, file_entries, recorded, shard_of, xorb_of

CHUNKS = [b"one" * 999, b"two" * 9000]
NAME, BODY = xorb_of(CHUNKS)


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubSide]:
    with HubSide(tmp_path_factory.mktemp("hub") / "server") as found:
        for name in ("iris", "rose", "open"):
            found.root.create_repository(BY, f"team/{name}")
        yield found


def ask(
    side: HubSide, method: str, path: str, token: str, body: bytes | None = None, **headers: str
) -> Answer:
    return side.call(method, path, body, {**headers, "Authorization": f"Bearer {token}"})


def ask_for_pass(side: HubSide, user: str = "ada", repo: str = "team/iris") -> Answer:
    return ask(side, "GET", f"/api/models/{repo}/xet-write-token/main", side.tokens[user])


class Client:
    """A client of Xet with its pass."""

    def __init__(self, side: HubSide, user: str = "ada", repo: str = "team/iris") -> None:
        self.side = side
        found = ask_for_pass(side, user, repo).json
        self.at = found["casUrl"].removeprefix(f"http://127.0.0.1:{side.server.listen.port}")
        self.word = found["accessToken"]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        return ask(self.side, method, self.at + path, self.word, body, **headers)

    def xorb(self, name: bytes = NAME, body: bytes = BODY) -> int:
        return self.ask("POST", f"/v1/xorbs/default/{to_hex(name)}", body).status

    def shard(self, *files: bytes) -> int:
        return self.ask("POST", "/v1/shards", shard_of(*files)).status

    def begin_xorb(self, size: int) -> http.client.HTTPConnection:
        """Sends the head of a request, and some bytes."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.side.server.listen.port, timeout=60
        )
        connection.putrequest("POST", f"{self.at}/v1/xorbs/default/{to_hex(NAME)}")
        connection.putheader("authorization", f"Bearer {self.word}")
        connection.putheader("content-length", str(size))
        connection.endheaders(b"begins")
        return connection


def uploads(side: HubSide, repo: str = "team/iris") -> list[str]:
    """What waits in a repository, and is coming."""
    known = side.root.accounts.repository(repo)
    assert known is not None
    return sorted(path.name for path in Path(side.root.uploads).glob(f"{known.id}*/*"))


# ------------------------------------------------------------------ passes


def test_a_pass_comes_in_the_body_and_in_headers(side: HubSide) -> None:
    answer = ask_for_pass(side)
    assert answer.status == 200
    found = answer.json
    assert found["casUrl"].startswith(f"http://127.0.0.1:{side.server.listen.port}/xet/")
    assert found["accessToken"] != side.tokens["ada"]
    assert {k: v for k, v in answer.headers.items() if k.startswith("x-xet")} == {
        "x-xet-cas-url": found["casUrl"],
        "x-xet-access-token": found["accessToken"],
        "x-xet-token-expiration": str(found["exp"]),
    }


def test_a_pass_is_for_who_may_put_there(side: HubSide) -> None:
    assert ask_for_pass(side, repo="team/none").status == 404
    assert ask_for_pass(side, "bob").status == 404
    assert ask_for_pass(side, "bob", "team/open").status == 403
    path = "/api/models/team/iris/xet-write-token/main"
    assert ask(side, "GET", path, "mvct_nobody").status == 401
    datasets = path.replace("models", "datasets")
    assert ask(side, "GET", datasets, side.tokens["ada"]).status == 404


def test_a_token_of_the_hub_is_no_pass(side: HubSide) -> None:
    client = Client(side)
    for word in (side.tokens["ada"], "", client.word[:-1], "x" * 40):
        client.word = word
        assert client.xorb() == 401


def test_a_pass_is_for_one_repository(side: HubSide) -> None:
    """The address says nothing: what comes with a pass for one is in that one alone."""
    iris, rose = Client(side), Client(side, repo="team/rose")
    assert iris.at != rose.at
    rose.at = iris.at
    assert rose.xorb() == 200
    assert iris.shard(file_entries([Piece(CHUNKS, 0, 1)])) == 400
    assert rose.shard(file_entries([Piece(CHUNKS, 0, 1)])) == 200


def test_a_right_that_was_taken_ends_its_passes(side: HubSide) -> None:
    side.user("carl", ("team/*", Role.WRITE))
    client = Client(side, "carl")
    accounts = side.root.accounts
    assert client.xorb() == 200
    accounts.set_grant(BY, "carl", Scope("team/*", Role.READ))
    assert client.xorb() == 403
    accounts.remove_grant(BY, "carl", "team/*")
    assert client.xorb() == 404
    accounts.set_grant(BY, "carl", Scope("team/*", Role.APPEND))
    assert client.xorb() == 200
    (kept,) = accounts.tokens("carl")
    accounts.revoke_token(BY, kept.id)
    assert client.xorb() == 401


# ------------------------------------------------------------------ files


def test_what_a_client_sent_becomes_the_files_of_a_version(side: HubSide) -> None:
    client = Client(side)
    name = next(next(shard_files(memoryview(recorded("shard")))).terms()).xorb
    assert client.xorb(name, recorded("xorb")) == 200
    assert client.ask("POST", "/v1/shards", recorded("shard")).json == {"result": 1}
    for each in RECORDED["files"]:
        line = {"path": each["name"], "algo": "sha256", "oid": each["sha256"], "size": each["size"]}
        assert side.commit([("lfsFile", line)]).status == 200
        found = side.call("GET", f"/team/iris/resolve/main/{each['name']}")
        assert len(found.body) == each["size"]
        assert "x-xet-hash" not in found.headers
    assert to_hex(name) not in uploads(side)
    again = client.ask("POST", f"/v1/xorbs/default/{to_hex(name)}", recorded("xorb"))
    assert again.json == {"was_inserted": False}


def test_a_file_is_made_of_chunks_of_a_version(side: HubSide) -> None:
    client = Client(side)
    assert client.xorb() == 200
    files = {"a.bin": [Piece(CHUNKS, 0, 2)], "b.bin": [Piece(CHUNKS, 1, 2)] * 3}
    for name, pieces in files.items():
        content = b"".join(chunk for piece in pieces for chunk in piece.chunks)
        assert client.shard(file_entries(pieces)) == 200
        assert side.commit([large(name, content)]).status == 200
        assert side.call("GET", f"/team/iris/resolve/main/{name}").body == content
        assert to_hex(NAME) not in uploads(side)


def test_questions_for_chunks(side: HubSide) -> None:
    client = Client(side)
    client.xorb()
    client.shard(file_entries([Piece(CHUNKS, 0, 2)]))

    def asked(digest: str, session: str) -> int:
        path = f"/v1/chunks/default/{digest}"
        return client.ask("GET", path, **{"x-xet-session-id": session}).status

    assert asked(to_hex(chunk_hash(CHUNKS[0])), "1") == 200
    assert [asked("0" * 64, "2"), asked("0" * 64, "2")] == [200, 404]
    assert asked("0" * 63, "2") == 400


# ------------------------------------------------------------------ what is refused


def test_what_is_wrong_is_400_and_leaves_nothing(side: HubSide) -> None:
    client = Client(side)
    before = uploads(side)
    assert client.xorb(b"n" * 32) == 400
    assert client.xorb(body=BODY[:-1]) == 400
    assert client.xorb(body=b"") == 400
    assert client.shard(file_entries([Piece([b"never sent"], 0, 1)])) == 400
    for path in (f"xorbs/default/{'x' * 64}", f"xorbs/other/{to_hex(NAME)}", "shards"):
        assert client.ask("POST", f"/v1/{path}", b"").status == 400
    assert uploads(side) == before


def test_what_is_not_here_is_404(side: HubSide) -> None:
    client = Client(side)
    for path in ("/v2/shards", f"/v1/xorb-grants/default/{to_hex(NAME)}"):
        assert client.ask("POST", path, b"{}").status == 404
    assert side.call("POST", "/v1/telemetry", b"{}").status == 404


def test_a_body_that_is_too_large_is_not_waited_for(side: HubSide) -> None:
    connection = Client(side).begin_xorb(MAX_XORB_BYTES + 1)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_client_that_goes_away_leaves_nothing(side: HubSide) -> None:
    client = Client(side)
    before = uploads(side)
    connection = client.begin_xorb(1 << 20)
    while uploads(side) == before:
        pass  # until it is coming
    connection.close()
    while uploads(side) != before:
        pass


def test_quotas_hold_before_a_body_comes(side: HubSide) -> None:
    client = Client(side, repo="team/open")
    side.root.accounts.set_quota(BY, Quota("team/open", None, 1000))
    assert client.xorb() == 507
    side.root.accounts.remove_quota(BY, "team/open", None)
    assert client.xorb() == 200


def test_a_server_that_starts_anew_goes_on(tmp_path: Path) -> None:
    """Passes end with it; xorbs that wait do not."""
    with HubSide(tmp_path / "server") as side:
        side.root.create_repository(BY, "team/iris")
        first = Client(side)
        assert first.xorb() == 200
        token = side.tokens["ada"]
        gone = Path(side.root.uploads) / f"{'0' * 32}.xorbs"  # of a repository that was removed
        gone.mkdir()
    with HubSide(tmp_path / "server", users=False) as side:
        side.tokens["ada"] = token
        assert not gone.exists()
        second = Client(side)
        assert second.at == first.at
        first.side = side
        assert first.shard(file_entries([Piece(CHUNKS, 0, 2)])) == 401
        assert second.shard(file_entries([Piece(CHUNKS, 0, 2)])) == 200
