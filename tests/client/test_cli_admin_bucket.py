"""`mvc admin` and `mvc audit` on the root of team servers in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.store.api import RefUpdate
from mvcd.team.auditlog import By
from mvcd.team.bucketroot import BucketRoot
from tests.support.commandline import Mvc
from tests.team.acts import put_version

FIRST = By("server", 1_800_000_000_000_000)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = f"bucket+file://{tmp_path}/bucket"
    with BucketRoot.create(url, token_file=str(tmp_path / "admin.token")) as made:
        assert made.first_start(FIRST) == str(tmp_path / "admin.token")
        assert made.first_start(FIRST) is None
    yield url


def test_a_team_from_nothing(mvc: Mvc, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mvc("admin", "user", "add", "ada", "--certificate", "ada.example.org", "--root", root)
    monkeypatch.setenv("MVC_ROOT", root)
    mvc("admin", "repo", "add", "team/iris")
    mvc("admin", "grant", "add", "ada", "write", "--repos", "team/*")
    mvc("admin", "protect", "add", "heads/main", "--repos", "team/*")
    mvc("admin", "quota", "set", "10G", "--repos", "team/*")
    secret = mvc("admin", "token", "add", "ada", "--expires", "90d", "-q").out.strip()
    with BucketRoot.open(root) as made:
        identity = made.accounts.authenticate(secret, FIRST.time_us)
        assert identity.principal == "ada"
    assert [u["name"] for u in mvc("admin", "user", "list", "--json").json["users"]] == [
        "ada", "admin",
    ]  # fmt: skip
    assert "team/iris" in mvc("admin", "repo", "list").out
    assert "heads/main" in mvc("admin", "protect", "list").out
    assert "10" in mvc("admin", "quota", "list").out
    mvc("admin", "grant", "remove", "ada", "--repos", "team/*")
    mvc("admin", "quota", "remove", "--repos", "team/*")
    mvc("admin", "protect", "remove", "heads/main", "--repos", "team/*")
    mvc("admin", "user", "certificate", "ada", "ada.example.org", "--remove")
    mvc("admin", "user", "remove", "ada")
    aside = mvc("admin", "repo", "remove", "team/iris", "--json").json["aside"]
    assert aside.startswith(f"{root}/repos/team/iris/")
    actions = [row["action"] for row in mvc("audit", "log", "--root", root, "--json").json["rows"]]
    assert actions[0] == "server.first-start"
    assert {"user.add", "token.add", "repo.remove", "user.remove"} <= set(actions)
    assert mvc("audit", "verify", "--root", root, "--json").json["ok"]


def test_a_repository_is_collected_and_verified(mvc: Mvc, root: str) -> None:
    with BucketRoot.open(root) as made:
        made.create_repository(FIRST, "r")
        with made.open_repository("r") as store:
            id = put_version(store)
            store.update_refs([RefUpdate("heads/main", None, bytes(id))])
    assert mvc("admin", "repo", "verify", "r", "--root", root, "--json").json["errors"] == []
    mvc("admin", "repo", "gc", "r", "--root", root)
    optimized = mvc("admin", "repo", "optimize", "r", "--root", root, code=1)
    assert "objects in a bucket cannot be" in optimized.err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("backup", "target", "--root", "{root}"), "cannot be backed up here"),
        (("restore", "source", "{root}"), "cannot be restored to here"),
        (("repair", "--root", "{root}"), "cannot be repaired here"),
    ],
)
def test_what_is_for_directories_is_refused(
    mvc: Mvc, root: str, words: tuple[str, ...], what: str
) -> None:
    refused = mvc("admin", *(word.format(root=root) for word in words), code=1)
    assert what in refused.err


def test_a_bucket_without_a_team_is_told(mvc: Mvc, tmp_path: Path) -> None:
    refused = mvc("admin", "user", "list", "--root", f"bucket+file://{tmp_path}/no", code=1)
    assert "is not the root of a team server" in refused.err


def test_a_team_is_copied_out_and_in(mvc: Mvc, root: str, tmp_path: Path) -> None:
    mvc("admin", "repo", "add", "team/iris", "--root", root)
    directory, again = str(tmp_path / "directory"), f"bucket+file://{tmp_path}/again"
    planned = mvc("admin", "copy", root, directory, "--dry-run")
    assert f"2 stores would be copied to {directory}" in planned.out
    assert not Path(directory).exists()
    told = mvc("admin", "copy", root, directory, "--json").json
    assert (told["from"], told["to"], told["dry_run"]) == (root, directory, False)
    assert [store["path"] for store in told["stores"]] == ["accounts", "team/iris"]
    done = mvc("admin", "copy", directory, again, "--quick")
    assert f"2 stores copied to {again}, not read back" in done.out
    users = mvc("admin", "user", "list", "--root", root).out
    assert users == mvc("admin", "user", "list", "--root", again).out
    refused = mvc("admin", "copy", root, again, code=1)
    assert "cannot be copied to" in refused.err
    assert "mvc admin copy" in mvc("admin", "backup", "x", "--root", root, code=1).err
