"""Repositories that a first push makes: `mvcd serve --create`, through the command line and the wire."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import mvc as api
from mvcd.errors import AuthError, Failure, MvcError, NoRepository, UsageError
from mvcd.team import auditlog
from mvcd.team.host import TeamHost
from mvcd.team.records import Quota
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.host import Access, Caller
from tests.daemon.serve.servers import BY, ENVIRONMENT, SECONDS, Server
from tests.support.commandline import FIRST, write

GRANTS = {
    "ada": Scope("team/**", Role.WRITE),
    "box": Scope("team/**", Role.APPEND),
    "eve": Scope("theirs/*", Role.WRITE),
}


@dataclass
class Team:
    server: Server
    tokens: dict[str, str]
    directory: Path

    def url(self, repo: str) -> str:
        return f"grpc://{self.server.listen}/{repo}"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    directory = tmp_path_factory.mktemp("team") / "server"
    tokens = {}
    with Root.create(directory) as root:
        for name, scope in GRANTS.items():
            root.accounts.add_user(BY, name)
            root.accounts.set_grant(BY, name, scope)
            tokens[name] = root.accounts.add_token(BY, name)[0]
        low = (Scope("**", Role.APPEND),)
        tokens["low"] = root.accounts.add_token(BY, "ada", scopes=low)[0]
        root.accounts.set_quota(BY, Quota("team/full", None, 10))
    options = ("--root", directory, "--listen", "127.0.0.1:0", "--create", "team/*")
    with Server(*options) as server:
        yield Team(server, tokens, directory)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[api.Repo]:
    monkeypatch.setenv("MVC_CONFIG", str(tmp_path / "config.toml"))
    root = tmp_path / "w"
    root.mkdir()
    write(root, FIRST)
    with api.Repo.init(root, author="Ada <ada@example.org>") as repo:
        repo.add(".")
        repo.commit("first")
        yield repo


def acting(team: Team, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    monkeypatch.setenv("MVC_TOKEN", team.tokens[who])


def listed(team: Team) -> set[str]:
    with Root.open(team.directory) as root:
        return {hosted.name for hosted in root.accounts.repositories()}


def test_the_first_push_makes_it(
    team: Team, repo: api.Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(team, monkeypatch, "ada")
    for _ in range(2):  # whoever only reads makes nothing
        with pytest.raises(NoRepository):
            repo.remote_refs(team.url("team/iris"))
        with pytest.raises(NoRepository):
            repo.push(remote=team.url("team/iris"), dry_run=True)
    assert "team/iris" not in listed(team)
    assert repo.push(remote=team.url("team/iris")).made
    assert not repo.push(remote=team.url("team/iris")).made
    assert {ref.name for ref in repo.remote_refs(team.url("team/iris"))} == {"heads/main"}
    with Root.open(team.directory) as root:
        rows = [row for row in auditlog.entries(root.store) if row.action == "repo.add"]
    assert [(row.who, row.detail["repo"]) for row in rows][-1] == ("ada", "team/iris")
    assert rows[-1].token and rows[-1].peer != "local"


@pytest.mark.parametrize(
    "who, name, kind, help",
    [
        ("box", "team/box", AuthError, "mvc admin repo add team/box"),
        ("low", "team/low", AuthError, "mvc admin repo add team/low"),
        ("ada", "team/a/b", NoRepository, "mvc admin repo add team/a/b"),
        ("eve", "team/eve", NoRepository, "mvc whoami"),
        ("eve", "theirs/x", NoRepository, "mvc admin repo add theirs/x"),
        ("ada", "team/.x", UsageError, ""),
    ],
)
def test_what_makes_none(
    who: str, name: str, kind: type[MvcError], help: str, team: Team, repo: api.Repo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    acting(team, monkeypatch, who)
    before = listed(team)
    with pytest.raises(kind) as caught:
        repo.push(remote=team.url(name))
    assert help in (caught.value.help or "")
    assert listed(team) == before


def test_who_may_not_see_a_name_learns_nothing(
    team: Team, repo: api.Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(team, monkeypatch, "ada")
    repo.push(remote=team.url("team/there"))
    acting(team, monkeypatch, "eve")
    said = []
    for name in ("team/there", "team/gone", "other"):
        with pytest.raises(NoRepository) as caught:
            repo.push(remote=team.url(name))
        said.append((str(caught.value).replace(name, "?"), caught.value.cause, caught.value.help))
    assert len(set(said)) == 1


def test_quotas_hold_from_the_first_byte(
    team: Team, repo: api.Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(team, monkeypatch, "ada")
    with pytest.raises(Failure) as caught:
        repo.push(remote=team.url("team/full"))
    assert caught.value.kind == "quota"
    assert repo.remote_refs(team.url("team/full")) == ()


def test_of_two_first_pushes_one_is_first(team: Team) -> None:
    """Six callers at once: all find one repository, and of their pushes of other histories one is taken."""
    peers = [team.server.peer("team/race", team.tokens["ada"]) for _ in range(6)]
    barrier, found, failed = threading.Barrier(len(peers)), set(), []

    def act(number: int) -> None:
        peer = peers[number]
        try:
            barrier.wait(20)
            peer.create()
            found.add(peer.hello().repo_id)
        except MvcError as error:
            failed.append(error)

    threads = [threading.Thread(target=act, args=(n,)) for n in range(len(peers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for peer in peers:
        peer.close()
    assert failed == [] and len(found) == 1


def test_the_second_of_two_first_pushes_is_an_ordinary_one(
    team: Team, repo: api.Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(team, monkeypatch, "ada")
    other = tmp_path / "other"
    other.mkdir()
    write(other, {"a.txt": "another history"})
    with api.Repo.init(other, author="Bob <bob@example.org>") as second:
        second.add(".")
        second.commit("other")
        repo.push(remote=team.url("team/both"))
        with pytest.raises(api.Conflict) as caught:
            second.push(remote=team.url("team/both"))
    assert caught.value.kind == "non-fast-forward"


def test_a_server_that_was_told_no_pattern_makes_none(tmp_path: Path) -> None:
    with Root.create(tmp_path / "server") as root:
        root.accounts.add_user(BY, "ada")
        root.accounts.set_grant(BY, "ada", Scope("**", Role.ADMIN))
        token = root.accounts.add_token(BY, "ada")[0]
        host = TeamHost(root, lambda: BY.time_us)
        with pytest.raises(NoRepository, match="there is no repository") as caught:
            host.open("team/iris", Caller("unix:", token), Access.CREATE)
        host.close()
        assert caught.value.help == "ask an administrator: mvc admin repo add team/iris"
        with pytest.raises(UsageError, match="pattern"):
            TeamHost(root, lambda: BY.time_us, create=["team/ä"])
        nested = TeamHost(root, lambda: BY.time_us, create=["**"])
        nested.open("team/iris", Caller("unix:", token), Access.CREATE)
        with pytest.raises(Failure, match="already"):
            nested.open("team/iris/x", Caller("unix:", token), Access.CREATE)
        nested.close()


def test_patterns_are_for_servers_with_accounts(tmp_path: Path) -> None:
    words = ["serve", "--workspace", str(tmp_path), "--create", "team/*"]
    ran = subprocess.run(
        [sys.executable, "-m", "mvcd.daemon", *words], env=ENVIRONMENT, capture_output=True,
        text=True, timeout=SECONDS,
    )  # fmt: skip
    assert ran.returncode == 2 and "--create goes with --root" in ran.stderr
