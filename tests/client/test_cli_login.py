"""`mvc login`, `whoami`, `logout` against a server in this process."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import mvc as package
from mvc.api.credentials import kept_for
from mvcd.team.host import TeamHost
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.server import make_server
from tests.support.commandline import Mvc
from tests.team.acts import BY, NOW


@dataclass
class Team:
    root: Root
    url: str
    token: str
    id: str


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    monkeypatch.setenv("MVC_CONFIG", str(tmp_path / "me" / "config.toml"))
    monkeypatch.delenv("MVC_TOKEN", raising=False)
    with Root.create(tmp_path / "server") as root:
        root.accounts.add_user(BY, "ada")
        root.accounts.set_grant(BY, "ada", Scope("team/*", Role.WRITE))
        root.create_repository(BY, "team/iris")
        secret, token = root.accounts.add_token(BY, "ada")
        host = TeamHost(root, lambda: NOW)
        served = make_server(host)
        port = served.server.add_insecure_port("127.0.0.1:0")
        served.server.start()
        yield Team(root, f"grpc://127.0.0.1:{port}", secret, token.id)
        served.stop(1.0)
        host.close()


def kept(tmp_path: Path) -> Path:
    return tmp_path / "me" / "credentials.json"


def test_in_and_out(mvc: Mvc, team: Team, tmp_path: Path) -> None:
    said = mvc("login", f"{team.url}/team/iris", input=team.token + "\n").out
    assert said == f"{team.url}  ada, write in team/iris  token {team.id}\n"
    assert stat.S_IMODE(kept(tmp_path).stat().st_mode) == 0o600
    assert kept_for(f"{team.url}/anything") == {"token": team.token}
    (answer,) = mvc("whoami", "--json").json["servers"]
    assert (answer["principal"], answer["role"], answer["repo"]) == ("ada", "write", "team/iris")
    assert answer == mvc("whoami", f"{team.url}/team/iris", "--json").json["servers"][0]
    assert mvc("logout", team.url).out == "Logged out.\n"
    assert team.token not in kept(tmp_path).read_text()
    assert "no token" in mvc("logout", team.url).out
    assert "not logged in anywhere" in mvc("whoami").out
    assert "mvc login" in mvc("whoami", team.url, code=12).err


def test_a_server_without_a_repository(mvc: Mvc, team: Team) -> None:
    assert "it takes the token" in mvc("login", team.url, input=team.token).out
    assert package.whoami(f"{team.url}/team/iris").principal == "ada"
    mvc("whoami", f"{team.url}/nothing", code=10)


def test_what_the_server_does_not_take_is_not_kept(mvc: Mvc, team: Team, tmp_path: Path) -> None:
    assert "does not know who you are" in mvc("login", team.url, input="mvct_wrong", code=12).err
    mvc("login", team.url, input="", code=2)
    mvc("login", team.url, input="tök en", code=2)
    mvc("login", f"{team.url}/nothing", input=team.token, code=10)
    for url in ("iris", "https://x", "grpcs://ada:secret@host/r", "grpcs://h:port", "grpcs://"):
        mvc("login", url, input=team.token, code=2)
    assert not kept(tmp_path).exists()


def test_the_name_of_a_remote_stands_for_its_address(mvc: Mvc, team: Team) -> None:
    mvc("init")
    mvc("remote", "add", "origin", f"{team.url}/team/iris")
    assert "write in team/iris" in mvc("login", "origin", input=team.token).out
    assert "write in team/iris" in mvc("whoami", "origin").out
    assert mvc("logout", "origin").out == "Logged out.\n"
    assert "there is no remote 'orign'" in mvc("whoami", "orign", code=1).err


def test_a_revoked_token_is_told(mvc: Mvc, team: Team) -> None:
    mvc("login", team.url, input=team.token)
    team.root.accounts.revoke_token(BY, team.id)
    assert "revoked" in mvc("whoami", code=12).out


def test_the_environment_comes_first(
    mvc: Mvc, team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MVC_TOKEN", team.token)
    assert kept_for(team.url) == {"token": team.token}
    assert package.whoami(f"{team.url}/team/iris").principal == "ada"
    mvc("login", team.url)
    assert team.token in kept(tmp_path).read_text()
    monkeypatch.setenv("MVC_CONFIG", "")
    assert kept_for(team.url) == {"token": team.token}
    mvc("login", team.url, code=1)


def test_tokens_are_for_one_server_and_one_kind_of_transport(mvc: Mvc, team: Team) -> None:
    mvc("login", team.url, input=team.token)
    assert kept_for(team.url.replace("grpc:", "grpcs:")) == {}
    assert kept_for("grpc://127.0.0.1:1/r") == {}
    assert kept_for(team.url.replace("127.0.0.1", "localhost")) == {}


def test_a_file_that_others_may_read_is_refused(mvc: Mvc, team: Team, tmp_path: Path) -> None:
    mvc("login", team.url, input=team.token)
    kept(tmp_path).chmod(0o644)
    assert "chmod 600" in mvc("whoami", code=12).err
    kept(tmp_path).chmod(0o600)
    kept(tmp_path).write_text("[]")
    assert "cannot be read" in mvc("whoami", code=1).err


def test_logins_at_once_lose_nothing(team: Team, tmp_path: Path) -> None:
    code = (
        "import sys; from mvc.api.credentials import _changing\n"
        "for n in range(20):\n"
        "    with _changing() as servers: servers[f'{sys.argv[1]}{n}'] = {'token': 'x', 'repo': ''}\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "ab"]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert len(json.loads(kept(tmp_path).read_text())["servers"]) == 40
