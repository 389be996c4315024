"""Routes that change something: each one action of the command line's, and as easy to undo.

The page asks before; here only the front (app.py) stands before them. One action runs at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import UsageError
from mvc.api.hosted import TeamRepo
from mvc.api.repo import Repo
from mvc.api.stages import GateFailed
from mvc.web.site import Json, Site, answer, body_of, site_of


async def act(site: Site, name: str, body: Json, action: Callable[[Repo], Json]) -> Response:
    """Does it, or where the body says `dry_run` tells what it would do, as far as that is known before."""

    def alone() -> Json:
        if isinstance(site.repo, TeamRepo):
            site.repo.require(name)
        if not body.get("dry_run"):
            with site.writing:
                return action(site.repo)
        if not isinstance(site.repo, TeamRepo):
            raise UsageError(f"there is no dry run of {name} here: its operation can be undone")
        found = site.repo.rehearse(action)
        return {"dry_run": True, "operation": found.operation, "moves": found.moves}

    return answer(await run_sync(alone))


def _required(body: Json, name: str) -> Any:
    if not body.get(name):
        raise UsageError(f"the request's body has no {name}")
    return body[name]


async def undo(request: Request) -> Response:
    """Undoes an operation."""
    site, body = site_of(request), await body_of(request, number=int, dry_run=bool)
    number, shape = _required(body, "number"), site.shapes.operation
    return await act(site, "undo", body, lambda repo: {"operation": shape(repo.undo(number))})


async def tag(request: Request) -> Response:
    """Makes a tag."""
    site = site_of(request)
    body = await body_of(request, name=str, rev=str, message=str, dry_run=bool)
    name, rev = _required(body, "name"), _required(body, "rev")

    def make(repo: Repo) -> Json:
        made = repo.tag(name, rev, message=body.get("message", ""))
        return {"tag": made.name, "version": made.version, "number": made.number}

    return await act(site, "tag", body, make)


async def annotate(request: Request) -> Response:
    """Writes annotations of a version, and removes those whose text is null."""
    site, body = site_of(request), await body_of(request, rev=str, texts=dict, dry_run=bool)
    rev, texts = _required(body, "rev"), _required(body, "texts")
    if not all(text is None or isinstance(text, str) for text in texts.values()):
        raise UsageError("an annotation is text, or null to remove it")

    def write(repo: Repo) -> Json:
        return {"annotations": dict(repo.annotate(rev, texts))}

    return await act(site, "annotate", body, write)


async def promote(request: Request) -> Response:
    """Promotes a version to a stage, or tells whether it may."""
    site = site_of(request)
    body = await body_of(request, rev=str, stage=str, reason=str, require=list, dry_run=bool)
    rev, stage, require = _required(body, "rev"), _required(body, "stage"), body.get("require", [])
    if not all(isinstance(one, str) for one in require):
        raise UsageError("a requirement is text", help='["val_acc>=0.9"]')
    shape = site.shapes.requirement

    def check() -> Json:
        if isinstance(site.repo, TeamRepo):
            site.repo.require("promote")
        try:
            checked = site.repo.promotion_check(rev, stage, require=require)
        except GateFailed as refused:
            found, why = refused.checked, refused.cause
            return {"allowed": False, "checked": [shape(one) for one in found], "why": why}
        if isinstance(site.repo, TeamRepo):  # the role and rules of the stage's name, too
            site.repo.rehearse(move)
        return {"allowed": True, "checked": [shape(one) for one in checked], "why": None}

    def move(repo: Repo) -> Json:
        reason = body.get("reason", "")
        return site.shapes.stage(repo.promote(rev, stage, require=require, reason=reason))

    if body.get("dry_run"):
        return answer(await run_sync(check))
    return await act(site, "promote", body, move)


async def rollback(request: Request) -> Response:
    """Gives a stage back to its holder before."""
    site = site_of(request)
    body = await body_of(request, stage=str, to=int, reason=str, dry_run=bool)
    stage = _required(body, "stage")

    def move(repo: Repo) -> Json:
        reason = body.get("reason", "")
        return site.shapes.stage(repo.stage_rollback(stage, to=body.get("to"), reason=reason))

    return await act(site, "rollback", body, move)


async def prune(request: Request) -> Response:
    """Lets go of the content that no rule of `[retention]` keeps."""
    site, shape = site_of(request), site_of(request).shapes.pruned
    body = await body_of(request, dry_run=bool)

    def check() -> Json:
        if isinstance(site.repo, TeamRepo):
            site.repo.require("prune")
            site.repo.rehearse(lambda repo: repo.prune())
        return shape(site.repo.prune(dry_run=True))

    if body.get("dry_run"):
        return answer(await run_sync(check))
    return await act(site, "prune", body, lambda repo: shape(repo.prune()))


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route(f"/api/v1/r/{action.__name__}", action, methods=["POST"])
        for action in (undo, tag, annotate, promote, rollback, prune)
    ]
