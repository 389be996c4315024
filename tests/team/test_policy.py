"""What a push must satisfy: names, values, roles, rules, histories, signatures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import AuthError, Conflict, MvcError, UsageError
from mvcd.ids import VersionId
from mvcd.objects.promotion import Promotion, Step
from mvcd.repo.records.annotations import Annotation
from mvcd.repo.records.annotations import encode as encode_note
from mvcd.repo.records.annotations import name_of as name_of_note
from mvcd.repo.records.pruned import Pruning, encode, name_of
from mvcd.repo.trust.incoming import is_ancestor, require_name
from mvcd.repo.trust.signatures import of_version
from mvcd.store.api import RefUpdate
from mvcd.store.memory_store import MemoryStore
from mvcd.team.policy import Judge
from mvcd.team.records import ProtectionRule
from mvcd.team.roles import Identity, Role, Scope
from tests.repo.keys import KEYGEN, make_key
from tests.team.acts import NOW, put_version
from tests.team.test_globs import oracle


def push(judge: Judge, *updates: RefUpdate, force: bool = False) -> None:
    def missing(ids):
        return [id for id, here in zip(ids, judge.store.has(ids), strict=True) if not here]

    judge.judge(updates, frozenset(u.name for u in updates if force), missing)


class Pushed:
    """A store with v1 <- v2 <- v3 and v1 <- side, and judges of what is pushed to it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.v1 = put_version(self.store)
        self.v2 = put_version(self.store, self.v1)
        self.v3 = put_version(self.store, self.v2)
        self.side = put_version(self.store, self.v1, message="side")

    def judge(
        self, role: Role, *rules: ProtectionRule, who: str = "ada", refs: str = "**"
    ) -> Judge:
        identity = Identity(who, "t", (Scope("**", role, refs),))
        return Judge(identity, "r", self.store, rules, KEYGEN)

    def verdict(
        self, judge: Judge, name: str, old: bytes | None, new: bytes | None, *, force: bool = False
    ) -> str:
        try:
            push(judge, RefUpdate(name, old, new), force=force)
        except MvcError as error:
            return error.kind
        return "yes"


@pytest.fixture(scope="module")
def pushed() -> Pushed:
    return Pushed()


def mark(*versions: VersionId) -> tuple[str, bytes]:
    (value,) = encode(dict.fromkeys(versions, Pruning(1, 2, "told")))
    return name_of(value), value


def test_marks_of_pruned_versions_by_role_and_only_of_what_is_new(pushed: Pushed) -> None:
    name, value = mark(pushed.v2)
    for role in Role:
        judge = pushed.judge(role)
        branch = RefUpdate("auto/ada/box/1", None, bytes(pushed.v3))
        try:
            push(judge, branch, RefUpdate(name, None, value))
            assert role >= Role.APPEND
        except AuthError:
            assert role < Role.APPEND
        expected = "yes" if role >= Role.MAINTAIN else "scope"
        assert pushed.verdict(judge, name, value, None) == expected
        assert pushed.verdict(judge, name, value, value + b" ", force=True) != "yes"
    writer = pushed.judge(Role.WRITE)
    assert pushed.verdict(writer, name, None, value) == "bad-value", "no ref brings it"
    assert pushed.verdict(writer, name, None, mark(pushed.v1)[1]) == "bad-value", "another's name"
    pushed.store.update_refs([RefUpdate("heads/known", None, bytes(pushed.v2))])
    try:
        with pytest.raises(UsageError, match="that are here"):
            push(writer, RefUpdate("heads/x", None, bytes(pushed.v3)), RefUpdate(name, None, value))
    finally:
        pushed.store.update_refs([RefUpdate("heads/known", bytes(pushed.v2), None)])


def test_annotations_by_role_and_only_by_one_that_holds(pushed: Pushed) -> None:
    name = name_of_note(pushed.v1, "accuracy")
    one, other = (encode_note(Annotation(time, "ada", "0.9")) for time in (1, 2))
    for role in Role:
        verdict, judge = pushed.verdict, pushed.judge(role)
        writes = "yes" if role >= Role.WRITE else "scope"
        assert verdict(judge, name, None, one) == writes
        assert verdict(judge, name, one, other) == writes
        assert verdict(judge, name, other, one, force=True) == "scope", "nobody may"
        deletes = "yes" if role >= Role.MAINTAIN else "scope"
        assert verdict(judge, name, one, None) == deletes
        wrong = "bad-value" if role >= Role.WRITE else "scope"
        assert verdict(judge, name, None, one + b" ") == wrong
        assert verdict(judge, name, one, b"", force=True) == wrong
        assert verdict(judge, name.removesuffix("="), None, one) == "bad-name"
    absent = name_of_note(VersionId.of(b"nothing"), "accuracy")
    assert pushed.verdict(pushed.judge(Role.ADMIN), absent, None, one) == "missing-object"


def test_rules_for_annotations(pushed: Pushed) -> None:
    name, value = name_of_note(pushed.v1, "k"), encode_note(Annotation(1, "ada", "x"))
    signed = ProtectionRule("r", "**", signers="ada ssh-ed25519 AAAA\n")
    assert pushed.verdict(pushed.judge(Role.WRITE, signed), name, None, value) == "yes"
    bob = ProtectionRule("r", "notes/**", allow=("bob",))
    assert pushed.verdict(pushed.judge(Role.ADMIN, bob), name, None, value) == "protected-ref"
    assert pushed.verdict(pushed.judge(Role.WRITE, bob, who="bob"), name, None, value) == "yes"
    only_main = pushed.judge(Role.WRITE, refs="heads/*")
    assert pushed.verdict(only_main, name, None, value) == "scope"


def test_branches_by_role(pushed: Pushed) -> None:
    for role in Role:
        judge = pushed.judge(role)
        expected = "yes" if role >= Role.WRITE else "scope"
        moves = [(None, pushed.v1), (pushed.v1, pushed.v3), (pushed.v1, None)]
        for old, new in moves:
            assert pushed.verdict(judge, "heads/main", old, new) == expected
        forced = pushed.verdict(judge, "heads/main", pushed.v3, pushed.side, force=True)
        assert forced == expected
        unforced = pushed.verdict(judge, "heads/main", pushed.v3, pushed.side)
        assert unforced == ("non-fast-forward" if role >= Role.WRITE else "scope")


def test_a_training_box_can_only_add(pushed: Pushed) -> None:
    judge = pushed.judge(Role.APPEND)
    verdict = pushed.verdict
    assert verdict(judge, "auto/box/run", None, pushed.v1) == "yes"
    assert verdict(judge, "auto/box/run", pushed.v1, pushed.v2) == "yes"
    assert verdict(judge, "auto/box/run", pushed.v2, pushed.v1, force=True) == "scope"
    assert verdict(judge, "auto/box/run", pushed.v2, None) == "scope"
    assert verdict(judge, "heads/main", None, pushed.v1) == "scope"
    assert verdict(judge, "tags/t", None, pushed.v1) == "scope"


def test_refs_that_a_grant_does_not_name(pushed: Pushed) -> None:
    judge = pushed.judge(Role.ADMIN, refs="heads/ada/*")
    assert pushed.verdict(judge, "heads/ada/x", None, pushed.v1) == "yes"
    assert pushed.verdict(judge, "heads/main", None, pushed.v1) == "scope"


def test_tags_stand_still_but_for_maintainers(pushed: Pushed) -> None:
    for role, expected in ((Role.WRITE, "scope"), (Role.MAINTAIN, "yes")):
        judge = pushed.judge(role)
        assert pushed.verdict(judge, "tags/1.0", None, pushed.v1 + b"message") == "yes"
        moved = pushed.verdict(judge, "tags/1.0", pushed.v1, pushed.v2, force=True)
        assert moved == expected
        assert pushed.verdict(judge, "tags/1.0", pushed.v1, None) == expected


@pytest.mark.parametrize("role", [Role.WRITE, Role.ADMIN])
def test_protection_binds_everybody(pushed: Pushed, role: Role) -> None:
    judge = pushed.judge(role, ProtectionRule("r", "heads/*"))
    verdict = pushed.verdict
    assert verdict(judge, "heads/main", pushed.v1, pushed.v2) == "yes"
    assert verdict(judge, "heads/main", pushed.v2, None) == "protected-ref"
    assert verdict(judge, "heads/main", pushed.v3, pushed.side, force=True) == "protected-ref"
    assert verdict(judge, "auto/x", pushed.v3, pushed.side, force=True) == "yes"
    only_bob = pushed.judge(role, ProtectionRule("**", "heads/main", allow=("bob",)))
    assert verdict(only_bob, "heads/main", pushed.v1, pushed.v2) == "protected-ref"
    bob = pushed.judge(role, ProtectionRule("**", "heads/main", allow=("bob",)), who="bob")
    assert verdict(bob, "heads/main", pushed.v1, pushed.v2) == "yes"


@pytest.mark.parametrize(
    "name",
    [
        "", "heads/", "heads", "main", "saved/1", "workspaces/1/head", "remotes/o/heads/m", "heads/../x",
        "heads/a ", "heads/a\0", "heads/e\u0301", "tags/\u200b", "tags/a//b", "heads/x.lock", "signatures/x",
        "signatures/" + "0" * 64 + "/zz", "tags/" + "é" * 101, "/heads/x", "stages/v1/00000001",
        "stages/a b/00000001", f"signatures/tags/a..b/{'a' * 64}", "auto/-x", "refs/heads/x", "stages/prod",
        "stages/prod/1", "stages/prod/00000001/x",
    ],
)  # fmt: skip
def test_names_that_do_not_travel(pushed: Pushed, name: str) -> None:
    assert pushed.verdict(pushed.judge(Role.ADMIN), name, None, pushed.v1) == "bad-name"


def test_names_that_travel() -> None:
    for name in (
        "heads/a/b",
        "auto/ada/box/run-1",
        "tags/1.0",
        "stages/prod/00000001",
        "tags/v1",
        "heads/é",
        "tags/x y",
    ):
        require_name(name)
    require_name(f"signatures/{'0' * 64}/{'a' * 64}")
    require_name(f"signatures/tags/rel/1.0/{'a' * 64}")


@pytest.mark.parametrize("value", [b"", b"short", b"x" * 33])
def test_values_that_are_no_versions(pushed: Pushed, value: bytes) -> None:
    assert pushed.verdict(pushed.judge(Role.ADMIN), "heads/m", None, value) == "bad-value"


def test_versions_that_are_not_there(pushed: Pushed) -> None:
    judge = pushed.judge(Role.ADMIN)
    absent = VersionId(bytes(32))
    assert pushed.verdict(judge, "heads/m", pushed.v1, absent) == "missing-object"


def test_records_of_stages_are_only_appended(pushed: Pushed) -> None:
    first = Promotion(pushed.v1, "prod", 1, Step.PROMOTE, "ada", NOW).encode()
    second = Promotion(pushed.v2, "prod", 2, Step.PROMOTE, "ada", NOW, previous=bytes(32)).encode()
    judge = pushed.judge(Role.ADMIN)
    name = "stages/prod/0000000"
    assert pushed.verdict(judge, name + "1", None, first) == "yes"
    assert pushed.verdict(judge, name + "2", None, second) == "not-appended"
    assert pushed.verdict(judge, name + "1", first, None) == "scope"
    assert pushed.verdict(judge, name + "1", first, second, force=True) == "scope"


def test_signed_only(pushed: Pushed, tmp_path) -> None:
    key, other = make_key(tmp_path), make_key(tmp_path, "other")
    rule = ProtectionRule("**", "heads/main", signers=key.line())
    judge = pushed.judge(Role.WRITE, rule)
    move = RefUpdate("heads/main", pushed.v1, pushed.v2)
    with pytest.raises(AuthError) as caught:
        push(judge, move)
    assert caught.value.kind == "protected-ref"

    def signature(by) -> RefUpdate:
        signed = of_version(pushed.v2)
        blob = KEYGEN.sign(signed.message, signed.namespace, str(by.path))
        return RefUpdate(signed.ref(blob), None, blob)

    with pytest.raises(AuthError):
        push(judge, move, signature(other))
    push(judge, move, signature(key))
    push(judge, RefUpdate("heads/other", None, pushed.v2))
    misfiled = signature(key)._replace(name=signature(other).name)
    with pytest.raises(UsageError) as bad:
        push(judge, misfiled)
    assert bad.value.kind == "bad-value"


def test_ancestors(pushed: Pushed) -> None:
    assert is_ancestor(pushed.store, pushed.v1, pushed.v3)
    assert is_ancestor(pushed.store, pushed.v2, pushed.v2)
    assert not is_ancestor(pushed.store, pushed.v3, pushed.v1)
    assert not is_ancestor(pushed.store, pushed.side, pushed.v3)
    merged = put_version(pushed.store, pushed.side, pushed.v3)
    assert is_ancestor(pushed.store, pushed.v2, merged)
    with pytest.raises(Conflict):
        push(pushed.judge(Role.WRITE), RefUpdate("heads/m", merged, pushed.side))


RULES = st.builds(
    ProtectionRule,
    st.sampled_from(["**", "r", "other", "?"]),
    st.sampled_from(["**", "heads/*", "heads/main", "tags/**", "auto/*"]),
    st.booleans(),
    st.booleans(),
    st.none() | st.lists(st.sampled_from(["ada", "bob"]), max_size=2).map(tuple),
)


@settings(max_examples=200)
@given(
    st.lists(RULES, max_size=4),
    st.sampled_from(["heads/main", "heads/a/b", "tags/1.0", "auto/x"]),
    st.sampled_from(["create", "advance", "force", "delete"]),
)
def test_all_rules_that_match_bind(
    pushed: Pushed, rules: list[ProtectionRule], name: str, what: str
) -> None:
    old, new = {
        "create": (None, pushed.v1),
        "advance": (pushed.v1, pushed.v2),
        "force": (pushed.v2, pushed.side),
        "delete": (pushed.v1, None),
    }[what]
    forced = what == "force" or (what == "advance" and name.startswith("tags/"))
    broken = False
    for rule in rules:
        if oracle(rule.repos, "r") and oracle(rule.refs, name):
            broken |= rule.allow is not None and "ada" not in rule.allow
            broken |= rule.no_delete and what == "delete"
            broken |= rule.fast_forward and forced
    found = pushed.verdict(pushed.judge(Role.ADMIN, *rules), name, old, new, force=True)
    assert found == ("protected-ref" if broken else "yes")
