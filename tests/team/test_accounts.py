from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mvcd.errors import AuthError, CorruptObject, Failure, NoRepository, UsageError
from mvcd.store.api import RefUpdate
from mvcd.team import auditlog
from mvcd.team.accounts import USED_STEP_US, Accounts, hash_of, identify
from mvcd.team.auditlog import By
from mvcd.team.records import ProtectionRule, Quota, parse_size
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from tests.team.acts import BY, NOW


def test_a_token_is_kept_as_its_hash_only(ada: Accounts) -> None:
    secret, token = ada.add_token(BY, "ada", note="laptop")
    assert secret.startswith("mvct_") and len(secret) == len("mvct_") + 43
    assert ada.tokens("ada") == [token]
    everything = [
        *ada.store.refs().items(),
        *((row.previous, row.data) for row in ada.store.audit()),
    ]
    assert secret not in repr(everything)
    assert hash_of(secret)[:12] == token.id
    assert ada.add_token(BY, "ada")[0] != secret


def test_who_bears_a_token_has_the_grants_of_its_user(ada: Accounts) -> None:
    ada.set_grant(BY, "ada", Scope("team/*", Role.WRITE))
    secret, token = ada.add_token(BY, "ada", scopes=[Scope("team/iris", Role.READ)])
    identity = ada.authenticate(secret, NOW)
    assert (identity.principal, identity.token) == ("ada", token.id)
    assert identity.role("team/iris") == Role.READ
    assert identity.role("team/other") is None
    ada.set_grant(BY, "ada", Scope("team/*", Role.READ))
    ada.remove_grant(BY, "ada", "team/*")
    assert ada.authenticate(secret, NOW).role("team/iris") is None


@pytest.mark.parametrize(
    "secret", ["", "mvct_", "mvct_" + "A" * 43, "x", "mvct_\udcff", "é" * 9999]
)
def test_garbage_is_nobody(ada: Accounts, secret: str) -> None:
    ada.add_token(BY, "ada")
    with pytest.raises(AuthError) as caught:
        ada.authenticate(secret, NOW)
    assert caught.value.kind == "unauthenticated"


def test_nothing_is_nobody(ada: Accounts) -> None:
    with pytest.raises(AuthError, match="does not know who you are"):
        identify(ada, None, [], NOW)


def test_expired_revoked_and_removed(ada: Accounts) -> None:
    expiring, _ = ada.add_token(BY, "ada", expires_us=NOW + 10)
    assert ada.authenticate(expiring, NOW + 9).principal == "ada"
    revoked, token = ada.add_token(BY, "ada")
    ada.revoke_token(BY, token.id)
    lasting, _ = ada.add_token(BY, "ada")
    cases = [(expiring, "expired"), (revoked, "revoked")]
    for secret, cause in cases:
        with pytest.raises(AuthError) as caught:
            ada.authenticate(secret, NOW + 10)
        assert cause in (caught.value.cause or "")
    ada.remove_user(BY, "ada")
    ada.add_user(BY, "ada")
    with pytest.raises(AuthError):
        ada.authenticate(lasting, NOW)


def test_last_used_is_coarse(ada: Accounts) -> None:
    secret, token = ada.add_token(BY, "ada")
    assert ada.last_used_us(token) is None
    for now, seen in (
        (NOW, NOW),
        (NOW + USED_STEP_US - 1, NOW),
        (NOW + USED_STEP_US, NOW + USED_STEP_US),
    ):
        ada.authenticate(secret, now)
        assert ada.last_used_us(token) == seen


def test_certificates_name_users(ada: Accounts) -> None:
    ada.set_certificate(BY, "box-7.example.org", "ada")
    identity = identify(ada, None, ["unknown", "box-7.example.org"], NOW)
    assert (identity.principal, identity.token) == ("ada", "")
    with pytest.raises(AuthError):
        identify(ada, None, ["unknown"], NOW)
    with pytest.raises(AuthError):  # a bad token is not made up for
        identify(ada, "mvct_x", ["box-7.example.org"], NOW)
    ada.set_certificate(BY, "laptop", "ada")
    ada.remove_certificate(BY, "laptop")
    with pytest.raises(Failure):
        ada.remove_certificate(BY, "laptop")
    ada.remove_user(BY, "ada")
    assert ada.certificates() == {}


def test_several_grants_of_one_user(ada: Accounts) -> None:
    ada.set_grant(BY, "ada", Scope("r", Role.READ))
    ada.set_grant(BY, "ada", Scope("r", Role.WRITE, "heads/ada/*"))
    identity = ada.authenticate(ada.add_token(BY, "ada")[0], NOW)
    assert identity.role("r", "heads/main") == Role.READ
    assert identity.role("r", "heads/ada/x") == Role.WRITE
    ada.remove_grant(BY, "ada", "r", "heads/ada/*")
    assert [g.scope.role for g in ada.grants("ada")] == [Role.READ]
    ada.set_grant(BY, "ada", Scope("r", Role.APPEND, "auto/**"))
    ada.remove_grant(BY, "ada", "r")
    assert ada.grants() == []


def test_who_gets_a_name_later_is_on_no_list(ada: Accounts) -> None:
    ada.add_user(BY, "bob")
    ada.set_rule(BY, ProtectionRule("**", "heads/main", allow=("ada", "bob")))
    ada.set_rule(BY, ProtectionRule("**", "heads/x", allow=("ada",)))
    ada.remove_user(BY, "ada")
    assert {rule.refs: rule.allow for rule in ada.rules()} == {
        "heads/main": ("bob",),
        "heads/x": (),
    }


def test_each_change_is_in_the_audit_log(ada: Accounts) -> None:
    by = By("root@host", NOW + 1)
    _, token = ada.add_token(by, "ada")
    ada.revoke_token(by, token.hash[:6])
    ada.set_grant(by, "ada", Scope("a/b*", Role.APPEND, "auto/**"))
    ada.set_rule(by, ProtectionRule("**", "heads/main", allow=("ada",)))
    ada.set_quota(by, Quota("a/**", "ada", parse_size("1.5G")))
    assert [(g.scope.repos, g.scope.refs) for g in ada.grants()] == [("a/b*", "auto/**")]
    assert ada.rules() == [ProtectionRule("**", "heads/main", allow=("ada",))]
    assert ada.quotas() == [Quota("a/**", "ada", 3 << 29)]
    ada.remove_rule(by, "**", "heads/main")
    ada.remove_quota(by, "a/**", "ada")
    ada.remove_user(by, "ada")
    assert ada.store.refs() == {}
    rows = list(auditlog.entries(ada.store))
    assert [row.action for row in rows] == [
        "user.add", "token.add", "token.revoke", "grant.set", "rule.set", "quota.set", "rule.remove",
        "quota.remove", "user.remove",
    ]  # fmt: skip
    assert {row.who for row in rows[1:]} == {"root@host"}
    assert auditlog.verify(ada.store).ok
    assert [row.number for row in auditlog.newest(ada.store, 2)] == [8, 9]


def test_a_seal_tells_a_log_made_anew(ada: Accounts) -> None:
    seal = auditlog.verify(ada.store).digest
    ada.add_user(BY, "bob")
    assert auditlog.verify(ada.store, seal=seal).ok
    assert auditlog.verify(ada.store, seal="0" * 64).problems == (
        f"no row has the digest {'0' * 64}",
    )


def test_mistakes(ada: Accounts) -> None:
    with pytest.raises(Failure) as caught:
        ada.add_user(BY, "ada")
    assert caught.value.kind == "exists"
    for name in ("", "Ada", "a/b", "../x", "a" * 65, "-a", "*"):
        with pytest.raises(UsageError):
            ada.add_user(BY, name)
    for act in (
        lambda: ada.add_token(BY, "bob"),
        lambda: ada.set_grant(BY, "bob", Scope()),
        lambda: ada.remove_user(BY, "bob"),
        lambda: ada.revoke_token(BY, "ffff"),
        lambda: ada.revoke_token(BY, ""),
        lambda: ada.remove_grant(BY, "ada", "**"),
        lambda: ada.set_rule(BY, ProtectionRule(allow=("bob",))),
    ):
        with pytest.raises(Failure):
            act()
    ada.store.update_refs([RefUpdate("users/eve", None, b"[]")])
    with pytest.raises(CorruptObject):
        ada.user("eve")


def test_two_processes_add_tokens_at_once(root: Root) -> None:
    root.accounts.add_user(BY, "ada")
    code = (
        "import sys; from mvcd.team.root import Root; from tests.team.acts import BY\n"
        "with Root.open(sys.argv[1]) as root:\n"
        "    for _ in range(10): root.accounts.add_token(BY, 'ada')\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, root.path]) for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert len(root.accounts.tokens("ada")) == 20
    state = auditlog.verify(root.accounts.store)
    assert (state.ok, state.rows) == (True, 21)


def test_the_first_start_makes_an_administrator_once(root: Root) -> None:
    path = root.first_start(BY)
    assert path is not None
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    secret = Path(path).read_text().strip()
    assert root.accounts.authenticate(secret, NOW).role("any/thing") == Role.ADMIN
    assert root.first_start(BY) is None
    Path(path).unlink()
    assert root.first_start(BY) is None


@pytest.mark.parametrize("step", ["add_user", "set_grant", "add_token"])
def test_a_first_start_cut_short_is_made_good(
    root: Root, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(root.accounts, step, dies)
        with pytest.raises(KeyboardInterrupt):
            root.first_start(BY)
    path = root.first_start(BY)
    assert path is not None
    secret = Path(path).read_text().strip()
    assert root.accounts.authenticate(secret, NOW).role("r") == Role.ADMIN


def test_repositories(root: Root) -> None:
    made = root.create_repository(BY, "team/iris")
    assert root.accounts.repositories() == [made]
    with root.open_repository("team/iris") as store:
        assert store.id == made.id
    for name in ("team/iris", "team", "team/iris/old"):
        with pytest.raises(Failure) as caught:
            root.create_repository(BY, name)
        assert caught.value.kind == "exists"
    aside = root.remove_repository(BY, "team/iris")
    assert (Path(aside) / "format").exists()
    with pytest.raises(NoRepository):
        root.open_repository("team/iris")
    assert root.create_repository(BY, "team/iris").id != made.id


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/../b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "-a",
        "a\0b",
        "a.lock",
        "ä",
        "x" * 201,
    ],
)
def test_names_that_are_no_repositories(root: Root, name: str) -> None:
    with pytest.raises(UsageError):
        root.create_repository(BY, name)
    with pytest.raises(UsageError):
        root.open_repository(name)


def test_a_directory_that_is_no_server(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        Root.open(tmp_path)
    assert caught.value.kind == "no-server-root"
