"""Branches and tags, made and removed; a branch's history cut to its newest version (super-squash)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mvcd.errors import Conflict, Failure, UsageError
from mvcd.hub import bodies
from mvcd.hub.lookups import AskedRepo, asked, unknown_revision
from mvcd.hub.making import context_of
from mvcd.hub.site import HubSite
from mvcd.ids import VersionId
from mvcd.objects.version import Trigger
from mvcd.repo.change.branches import MAX_TAG_MESSAGE_BYTES
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.records.names import check_name
from mvcd.repo.records.refs import DEFAULT_BRANCH, EMPTY_ID, HEADS, TAGS
from mvcd.repo.trust.signatures import removals
from mvcd.store.api import RefUpdate
from mvcd.wire.host import Access


def routes(site: HubSite) -> list[Route]:
    async def create_branch(request: Request) -> Response:
        return await run_in_threadpool(
            _create_branch, site, request, await bodies.json_object(request)
        )

    def delete_branch(request: Request) -> Response:
        found, name = asked(site, request, Access.UPDATE), request.path_params["rev"]
        if name == DEFAULT_BRANCH:
            raise Failure(f"{name} is the branch that clients begin with", kind="current-branch")
        _delete(found, HEADS, name, "branch")
        return JSONResponse({})

    async def squash(request: Request) -> Response:
        return await run_in_threadpool(_squash, site, request, await bodies.json_object(request))

    async def create_tag(request: Request) -> Response:
        return await run_in_threadpool(
            _create_tag, site, request, await bodies.json_object(request)
        )

    def delete_tag(request: Request) -> Response:
        _delete(asked(site, request, Access.UPDATE), TAGS, request.path_params["rev"], "tag")
        return JSONResponse({})

    repo = "/api/{kind:hubkind}/{repo:hubrepo}"
    return [
        Route(f"{repo}/branch/{{rev:hubrev}}", create_branch, methods=["POST"]),
        Route(f"{repo}/branch/{{rev:hubrev}}", delete_branch, methods=["DELETE"]),
        Route(f"{repo}/super-squash/{{rev:hubrev}}", squash, methods=["POST"]),
        Route(f"{repo}/tag/{{rev:hubrev}}", create_tag, methods=["POST"]),
        Route(f"{repo}/tag/{{rev:hubrev}}", delete_tag, methods=["DELETE"]),
    ]


def _create_branch(site: HubSite, request: Request, body: dict[str, Any]) -> Response:
    found, name = asked(site, request, Access.UPDATE), request.path_params["rev"]
    start = body.get("startingPoint") or DEFAULT_BRANCH
    id = found.version(bodies.text_in({"startingPoint": start}, "startingPoint"))
    check_name(name, "branch")
    _make(found, HEADS, name, _pointed(id, start), "branch")
    return JSONResponse({})


def _squash(site: HubSite, request: Request, body: dict[str, Any]) -> Response:
    """A version that follows none takes the branch, with the files of the newest one. What it had before stays
    in the operation log and in the audit log, as after a push by force, whose rights it takes."""
    found, branch = asked(site, request, Access.UPDATE), request.path_params["rev"]
    id = found.branch(branch)
    if id is None:
        raise unknown_revision(branch)
    how = context_of(found)
    version = replace(
        found.core.version(id),
        parents=(),
        generation=1,
        author=how.author,
        time_us=how.time_us,
        utc_offset_minutes=0,
        message=bodies.text_in(body, "message", f"Squash {branch}"),
        trigger=Trigger.MANUAL,
    )
    data = version.encode()
    made = VersionId.of(data)
    with found.core.store.session() as session:
        found.core.rely_on(session, [id])
        StoreTarget(found.core.store, session).put_object(made, data)
        move = RefUpdate(HEADS + branch, bytes(id), bytes(made))
        found.core.record(how, "squash", f"squash {branch}", [move], session=session, force=True)
    return JSONResponse({})


def _create_tag(site: HubSite, request: Request, body: dict[str, Any]) -> Response:
    found, rev = asked(site, request, Access.UPDATE), request.path_params["rev"]
    name, message = bodies.text_in(body, "tag"), bodies.text_in(body, "message", "")
    check_name(name, "tag")
    if len(message.encode()) > MAX_TAG_MESSAGE_BYTES:
        raise UsageError(
            f"a tag's message may have {MAX_TAG_MESSAGE_BYTES >> 10} KiB", kind="too-long"
        )
    value = _pointed(found.version(rev), rev) + message.encode()
    _make(found, TAGS, name, value, "tag")
    return JSONResponse({})


def _pointed(id: VersionId, rev: str) -> bytes:
    if id == EMPTY_ID:
        raise unknown_revision(rev)
    return bytes(id)


def _make(asked: AskedRepo, space: str, name: str, value: bytes, what: str) -> None:
    """Raises Failure(kind="branch-exists" or "tag-exists")."""
    try:
        asked.core.record(
            context_of(asked), what, f"{what} {name}", [RefUpdate(space + name, None, value)]
        )
    except Conflict as error:
        if error.kind != "ref-changed":
            raise
        raise Failure(f"{what} {name!r} exists", kind=f"{what}-exists") from None


def _delete(asked: AskedRepo, space: str, name: str, what: str) -> None:
    """Raises Failure(kind="unknown-branch" or "unknown-tag")."""
    value = asked.hosted.store.ref(space + name) if asked.hosted.visible(space + name) else None
    if value is None:
        raise Failure(f"there is no {what} {name[:200]!r}", kind=f"unknown-{what}")
    gone = [RefUpdate(space + name, value, None)]
    if space == TAGS:
        gone += removals(asked.hosted.store, name)
    asked.core.record(context_of(asked), what, f"{what} -d {name}", gone)
