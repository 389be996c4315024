"""Routes about accounts, for who administers all: what `mvc admin` does, in the name of who asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import UsageError
from mvc.api.team import TeamServer
from mvc.web.site import Json, Shapes, answer, body_of, limit_of
from mvc.web.teamroutes import hosting_of, visitor

_ROWS = 100
_TEXT = (str, type(None))
Act = Callable[[TeamServer, Json, Shapes], Json]


def _shapes(request: Request) -> Shapes:
    found: Shapes = request.app.state.shapes
    return found


def accounts(request: Request) -> Response:
    """All accounts."""
    server, shape = hosting_of(request).admin(visitor(request)), _shapes(request).account
    lists: dict[str, Iterable[Any]] = {
        "users": server.users(), "tokens": server.tokens(), "grants": server.grants(),
        "rules": server.rules(), "quotas": server.quotas(), "repositories": server.repositories(),
    }  # fmt: skip
    return answer({name: [shape(one) for one in found] for name, found in lists.items()})


def audit(request: Request) -> Response:
    """Rows of an audit log, newest first, and whether its chain holds."""
    asked, before = request.query_params, request.query_params.get("before")
    if before is not None and not before.isdecimal():
        raise UsageError(f"{before!r} is no number of a row")
    rows, state = hosting_of(request).audit(
        visitor(request), asked.get("repo") or None,
        before=None if before is None else int(before), limit=limit_of(request, _ROWS),
    )  # fmt: skip
    shape = _shapes(request).account
    following = rows[-1].number if rows and rows[-1].number > 1 else None
    chain = {"rows": state.rows, "digest": state.digest, "ok": state.ok, "problems": state.problems}
    return answer({"rows": [shape(row) for row in rows], "next": following, "chain": chain})


# ---------------------------------------------------------------- changes


def _user(server: TeamServer, body: Json, shapes: Shapes) -> Json:
    return shapes.account(server.add_user(body["name"], service=body.get("service", False)))


def _user_remove(server: TeamServer, body: Json, _: Shapes) -> Json:
    server.remove_user(body["name"])
    return {"removed": body["name"]}


def _token(server: TeamServer, body: Json, shapes: Shapes) -> Json:
    limits = {name: body.get(name) or None for name in ("role", "repos", "refs", "expires")}
    secret, made = server.add_token(body["user"], note=body.get("note") or "", **limits)
    return {"secret": secret, **shapes.account(made)}


def _token_revoke(server: TeamServer, body: Json, shapes: Shapes) -> Json:
    return shapes.account(server.revoke_token(body["id"]))


def _globs(body: Json) -> dict[str, str]:
    return {name: body.get(name) or "**" for name in ("repos", "refs")}


def _grant(server: TeamServer, body: Json, shapes: Shapes) -> Json:
    return shapes.account(server.grant(body["user"], body["role"], **_globs(body)))


def _grant_remove(server: TeamServer, body: Json, _: Shapes) -> Json:
    server.ungrant(body["user"], **_globs(body))
    return {"removed": body["user"]}


def _rule(server: TeamServer, body: Json, shapes: Shapes) -> Json:
    made = server.protect(
        body["refs"], repos=body.get("repos") or "**", no_delete=body.get("no_delete", True),
        fast_forward=body.get("fast_forward", True), allow=body.get("allow"),
        signers=body.get("signers") or None,
    )  # fmt: skip
    return shapes.account(made)


def _rule_remove(server: TeamServer, body: Json, _: Shapes) -> Json:
    server.unprotect(body["refs"], repos=body.get("repos") or "**")
    return {"removed": body["refs"]}


def _quota(server: TeamServer, body: Json, shapes: Shapes) -> Json:
    repos, user = body.get("repos") or "**", body.get("user") or None
    return shapes.account(server.set_quota(body["limit"], repos=repos, user=user))


def _quota_remove(server: TeamServer, body: Json, _: Shapes) -> Json:
    server.remove_quota(repos=body.get("repos") or "**", user=body.get("user") or None)
    return {"removed": body.get("repos") or "**"}


def _repository(server: TeamServer, body: Json, shapes: Shapes) -> Json:
    return shapes.account(server.add_repository(body["name"]))


_GLOBS = {"repos": _TEXT, "refs": _TEXT}
_ACTIONS: dict[str, tuple[Act, tuple[str, ...], dict[str, Any]]] = {
    "user": (_user, ("name",), {"name": str, "service": bool}),
    "user-remove": (_user_remove, ("name",), {"name": str}),
    "token": (_token, ("user",), {"user": str, "role": _TEXT, "expires": _TEXT, "note": _TEXT, **_GLOBS}),
    "token-revoke": (_token_revoke, ("id",), {"id": str}),
    "grant": (_grant, ("user", "role"), {"user": str, "role": str, **_GLOBS}),
    "grant-remove": (_grant_remove, ("user",), {"user": str, **_GLOBS}),
    "rule": (_rule, ("refs",), {
        **_GLOBS, "no_delete": bool, "fast_forward": bool, "allow": (list, type(None)), "signers": _TEXT}),
    "rule-remove": (_rule_remove, ("refs",), _GLOBS),
    "quota": (_quota, ("limit",), {"limit": (str, int), "repos": _TEXT, "user": _TEXT}),
    "quota-remove": (_quota_remove, (), {"repos": _TEXT, "user": _TEXT}),
    "repository": (_repository, ("name",), {"name": str}),
}  # fmt: skip
"""Each action with the fields that it needs, and the types of all."""


async def change(request: Request) -> Response:
    """One change of accounts, which is one row of the audit log."""
    if (found := _ACTIONS.get(request.path_params["action"])) is None:
        raise UsageError("there is no such change of accounts", help=", ".join(_ACTIONS))
    act, needed, kinds = found
    body = await body_of(request, **kinds)
    for name in needed:
        if not body.get(name):
            raise UsageError(f"the request's body has no {name}")
    if not all(isinstance(one, str) for one in body.get("allow") or ()):
        raise UsageError("allow is a list of users")
    hosting, who, shapes = hosting_of(request), visitor(request), _shapes(request)
    return answer(await run_sync(lambda: act(hosting.admin(who), body, shapes)))


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/v1/admin/accounts", accounts),
        Route("/api/v1/admin/audit", audit),
        Route("/api/v1/admin/{action}", change, methods=["POST"]),
    ]
