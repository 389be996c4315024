"""`mvc admin` and `mvc audit` on a server's directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import mvc as package
from mvc.api.team import TeamServer
from mvcd.store.api import RefUpdate
from mvcd.team.auditlog import By
from mvcd.team.root import Root
from tests.support.commandline import Mvc
from tests.team.acts import put_version


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "server"
    with Root.create(path) as made:
        made.first_start(By("server", 1_800_000_000_000_000))
    monkeypatch.setenv("MVC_ROOT", str(path))
    yield path


def test_a_team_from_nothing(mvc: Mvc, root: Path) -> None:
    mvc("admin", "user", "add", "ada")
    mvc("admin", "user", "add", "box-7", "--service", "--certificate", "box-7.example.org")
    mvc("admin", "repo", "add", "team/iris")
    mvc("admin", "grant", "add", "ada", "write", "--repos", "team/*")
    mvc("admin", "grant", "add", "box-7", "append", "--repos", "team/iris", "--refs", "auto/**")
    secret = mvc("admin", "token", "add", "ada", "--expires", "90d", "-q").out.strip()
    assert secret.startswith("mvct_")
    users = mvc("admin", "user", "list", "--json").json["users"]
    assert [(u["name"], u["service"], u["certificates"]) for u in users] == [
        ("ada", False, []), ("admin", False, []), ("box-7", True, ["box-7.example.org"]),
    ]  # fmt: skip
    assert [r["name"] for r in mvc("admin", "repo", "list", "--json").json["repositories"]] == [
        "team/iris"
    ]
    grants = mvc("admin", "grant", "list", "box-7", "--json").json["grants"]
    assert grants == [{"user": "box-7", "role": "append", "repos": "team/iris", "refs": "auto/**"}]
    assert "until" in mvc("admin", "token", "list", "ada").out
    mvc("admin", "user", "certificate", "ada", "ada.example.org")
    assert "ada.example.org" in mvc("admin", "user", "list").out
    mvc("admin", "user", "certificate", "ada", "ada.example.org", "--remove")
    mvc("admin", "grant", "remove", "ada", "--repos", "team/*")
    assert mvc("admin", "grant", "list", "ada").out == ""
    mvc("admin", "user", "remove", "ada")
    assert "ada" not in mvc("admin", "token", "list").out
    assert "put aside" not in mvc("admin", "repo", "remove", "team/iris").err
    assert mvc("admin", "repo", "list").out == ""


def test_a_revoked_token_is_shown_as_such(mvc: Mvc, root: Path) -> None:
    made = mvc("admin", "token", "add", "admin", "--role", "read", "--repos", "a/*", "--json").json
    assert made["scopes"] == [{"repos": "a/*", "role": "read", "refs": "**"}]
    mvc("admin", "token", "revoke", made["id"][:6])
    listed = mvc("admin", "token", "list").out
    assert "revoked" in listed and "read in a/*" in listed
    assert made["secret"] not in listed


def test_protection_and_quotas(mvc: Mvc, root: Path, tmp_path: Path) -> None:
    signers = tmp_path / "allowed_signers"
    signers.write_text("# keys\nada@example.org ssh-ed25519 AAAA\n")
    mvc("admin", "protect", "add", "heads/main", "--allow", "admin", "--signed-by", str(signers))
    mvc("admin", "protect", "add", "tags/*", "--repos", "a/*", "--may-delete")
    lines = mvc("admin", "protect", "list").out.splitlines()
    assert "no deletion, only forward, only by admin, signed by 1 key" in lines[0]
    assert lines[1].split() == ["tags/*", "a/*", "only", "forward"]
    mvc("admin", "protect", "remove", "tags/*", "--repos", "a/*")
    assert len(mvc("admin", "protect", "list", "--json").json["rules"]) == 1
    mvc("admin", "quota", "set", "1.5TiB", "--user", "admin")
    mvc("admin", "quota", "set", "500G")
    assert mvc("admin", "quota", "list", "--json").json["quotas"] == [
        {"repos": "**", "user": None, "limit": 500 << 30},
        {"repos": "**", "user": "admin", "limit": 3 << 39},
    ]
    mvc("admin", "quota", "remove", "--user", "admin")
    assert "everybody" in mvc("admin", "quota", "list").out


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["user", "add", "Ada"], 2, "cannot name a user"),
        (["user", "add", "admin"], 1, "among the users already"),
        (["user", "remove", "bob"], 1, "no user 'bob'"),
        (["repo", "add", "../x"], 2, "cannot name a repository"),
        (["repo", "remove", "x"], 10, "no repository 'x'"),
        (["grant", "add", "admin", "owner"], 2, "owner"),
        (["grant", "add", "admin", "read", "--repos", "[x]"], 2, "not a pattern"),
        (["token", "add", "admin", "--expires", "soon"], 2, "no time"),
        (["token", "revoke", "zz"], 1, "no token"),
        (["quota", "set", "much"], 2, "not a size"),
        (["quota", "remove"], 1, "nothing like that"),
    ],
)
def test_mistakes(mvc: Mvc, root: Path, words: list[str], code: int, error: str) -> None:
    assert error in mvc("admin", *words, code=code).err


def test_where_no_server_is(mvc: Mvc, tmp_path: Path) -> None:
    assert "mvcd serve --root" in mvc("admin", "user", "list", "--root", str(tmp_path), code=1).err


def test_the_audit_log(mvc: Mvc, root: Path) -> None:
    where = ["--root", str(root)]
    rows = mvc("audit", "log", *where, "--json").json["rows"]
    assert [row["action"] for row in rows] == ["user.add", "grant.set", "token.add"]
    seal = mvc("audit", "verify", *where, "--json").json["digest"]
    assert seal == rows[-1]["digest"]
    mvc("admin", "user", "add", "ada")
    assert "user=ada" in mvc("audit", "log", *where, "-n", "1").out
    assert "cut off its end cannot be seen" in mvc("audit", "verify", *where).out
    assert "sealed up to row 3" in mvc("audit", "verify", *where, "--seal", seal).out
    assert "4 rows, unbroken" in mvc("audit", "verify", *where, "--seal", seal).out
    assert "no row has the digest" in mvc("audit", "verify", *where, "--seal", "00", code=14).out
    mvc("audit", "verify", "--repo", "x", code=2)
    mvc("audit", "verify", *where, "--repo", "x", code=10)


def test_the_audit_log_of_a_repository_here(mvc: Mvc, tmp_path: Path) -> None:
    mvc("init", str(tmp_path / "here"))
    with package.Repo(tmp_path / "here") as repo:
        assert repo.audit() == []
        assert repo.audit_check() == package.AuditState(0, "0" * 64, ())
    assert "Nothing" in mvc("-C", str(tmp_path / "here"), "audit", "log").out


def test_the_same_from_python(root: Path) -> None:
    with TeamServer(root) as team:
        team.add_user("ada")
        secret, token = team.add_token("ada", role="read", expires="2h")
        assert (token.user, token.state) == ("ada", "good")
        assert secret not in repr(token)
        assert team.audit(limit=1)[0].action == "token.add"
        assert team.verify_audit().ok


def test_backup_and_restore(mvc: Mvc, root: Path, tmp_path: Path) -> None:
    mvc("admin", "repo", "add", "team/iris")
    saved, again = str(tmp_path / "saved"), str(tmp_path / "again")
    made = mvc("admin", "backup", saved, "--json").json["stores"]
    assert [store["path"] for store in made] == ["accounts", "repos/team/iris"]
    assert made[0]["audit_rows"] == 4
    assert "2 stores restored" in mvc("admin", "restore", saved, again).out
    where = ["--root", again]
    assert mvc("admin", "repo", "list", *where).out == mvc("admin", "repo", "list").out
    assert mvc("audit", "verify", *where).out == mvc("audit", "verify", "--root", str(root)).out
    mvc("admin", "backup", saved, code=1)
    mvc("admin", "restore", str(tmp_path / "nothing"), str(tmp_path / "x"), code=10)


def test_care_for_a_repository(mvc: Mvc, root: Path) -> None:
    mvc("admin", "repo", "add", "r")
    with Root.open(root) as made, made.open_repository("r") as store:
        kept, lost = put_version(store), put_version(store, message="given up")
        store.update_refs([RefUpdate("heads/main", None, kept)])
    assert "2 objects" in mvc("admin", "repo", "verify", "r").out
    assert mvc("admin", "repo", "optimize", "r", "-n").out.startswith("Nothing to gain: ")
    found = mvc("admin", "repo", "gc", "r", "--dry-run", "--json").json
    assert (found["objects"], found["objects_kept"]) == (1, 1)
    assert "1 object" in mvc("admin", "repo", "gc", "r", "--expire-operations", "1h").out
    with Root.open(root) as made, made.open_repository("r") as store:
        assert store.has([kept, lost]) == [True, False]
        with store.session() as session:
            session.commit(audit=b"{}")
            store.index.write(lambda txn: txn.drop(store.index.audit, delete=False))
    assert "audit: row 1 is absent" in mvc("admin", "repo", "verify", "r", "--quick", code=14).out
    mvc("admin", "repo", "verify", "nothing", code=10)
    mvc("admin", "repo", "gc", "nothing", code=10)
