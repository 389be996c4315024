"""`authorize` against the table in its module, written a second time and flat."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import AuthError, NoRepository
from mvcd.team.roles import Identity, Permission, Role, Scope, authorize, required
from tests.team.test_globs import oracle

REFS = (
    "heads/main",
    "tags/v1",
    "stages/prod/00000001",
    "signatures/x/y",
    "auto/box/run",
    "saved/1",
)

# lowest role by ref, for create, advance, force, delete; "-": nobody
TABLE = {
    "heads/main": "write write write write",
    "tags/v1": "write maintain maintain maintain",
    "stages/prod/00000001": "write - - -",
    "signatures/x/y": "write - - maintain",
    "auto/box/run": "append append write write",
    "saved/1": "- - - -",
    "workspaces/1/head": "- - - -",
    "remotes/o/heads/x": "- - - -",
}
MOVES = (Permission.CREATE, Permission.ADVANCE, Permission.FORCE, Permission.DELETE)


@pytest.mark.parametrize("ref", TABLE)
def test_the_lowest_role_for_each_move(ref: str) -> None:
    found = [required(action, ref) for action in MOVES]
    assert " ".join(role.word if role else "-" for role in found) == TABLE[ref]


def allowed(identity: Identity | None, action: Permission, repo: str, ref: str | None) -> bool:
    try:
        authorize(identity, action, repo, ref)
    except (AuthError, NoRepository):
        return False
    return True


@pytest.mark.parametrize("action", Permission)
def test_nobody_may_nothing(action: Permission) -> None:
    for ref in (None, *REFS):
        with pytest.raises(AuthError) as caught:
            authorize(None, action, "r", ref)
        assert caught.value.kind == "unauthenticated"
        with pytest.raises(NoRepository) as hidden:
            authorize(Identity("ada", "", ()), action, "r", ref)
        assert hidden.value.kind == "no-such-repository"


def test_a_hidden_repository_answers_as_an_absent_one() -> None:
    identity = Identity("ada", "", (Scope("mine/**", Role.ADMIN),))
    answers = []
    for repo in ("theirs/secret", "theirs/nothing"):
        with pytest.raises(NoRepository) as caught:
            authorize(identity, Permission.READ, repo)
        error = caught.value
        answers.append((error.kind, error.cause, error.help, str(error).replace(repo, "R")))
    assert answers[0] == answers[1]


def test_moves_of_no_ref_are_denied() -> None:
    identity = Identity("ada", "", (Scope("**", Role.ADMIN),))
    for action in MOVES:
        assert not allowed(identity, action, "r", None)


SCOPES = st.builds(
    Scope,
    st.sampled_from(["**", "*", "team/*", "team/iris", "other"]),
    st.sampled_from(Role),
    st.sampled_from(["**", "heads/*", "auto/**", "heads/main", "tags/*"]),
)


@given(
    st.lists(SCOPES, max_size=3),
    st.none() | st.lists(SCOPES, max_size=3),
    st.sampled_from(["team/iris", "other", "x"]),
)
def test_grants_are_cut_down_by_the_scopes_of_the_token(
    grants: list[Scope], scopes: list[Scope] | None, repo: str
) -> None:
    identity = Identity("ada", "t", tuple(grants), None if scopes is None else tuple(scopes))
    cut = [Scope(role=Role.ADMIN)] if scopes is None else scopes

    def highest(given: list[Scope], ref: str | None) -> int:
        fitting = [
            s.role for s in given
            if oracle(s.repos, repo) and (ref is None or oracle(s.refs, ref))
        ]  # fmt: skip
        return max(fitting, default=0)

    sees = min(highest(grants, None), highest(cut, None)) > 0
    for action, ref in product(Permission, (None, *REFS)):
        role = min(highest(grants, ref), highest(cut, ref))
        needed = required(action, ref)
        expected = sees and needed is not None and role >= needed
        assert allowed(identity, action, repo, ref) == expected
