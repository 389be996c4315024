"""Repositories: made, removed, described.

A repository may be made by who has the role write on its branches, so an administrator gives a user a namespace
by a grant for `NAMESPACE/*`; it is removed by who has the role admin on it, and its files are put aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mvcd.errors import AuthError, Failure
from mvcd.hub import bodies
from mvcd.hub.callers import caller_of
from mvcd.hub.digested import attributes, described
from mvcd.hub.lookups import AskedRepo, asked, in_order
from mvcd.hub.making import write_version
from mvcd.hub.repoids import PREFIXES, address, sha_of, team_name
from mvcd.hub.site import HubSite
from mvcd.hub.told import iso
from mvcd.ids import VersionId
from mvcd.repo.contents.files import Placed
from mvcd.repo.records.refs import DEFAULT_BRANCH, EMPTY_ID, HEADS
from mvcd.team.auditlog import By
from mvcd.team.roles import Identity, Role
from mvcd.wire.host import Access

MAX_FILES = 100_000
"""Files that a description lists; the tree has all, page by page."""


def routes(site: HubSite) -> list[Route]:
    async def create_repository(request: Request) -> Response:
        return await run_in_threadpool(_create, site, request, await bodies.json_object(request))

    async def delete_repository(request: Request) -> Response:
        return await run_in_threadpool(_delete, site, request, await bodies.json_object(request))

    def describe(request: Request) -> Response:
        found = asked(site, request)
        id = found.version(request.path_params.get("rev", DEFAULT_BRANCH))
        blobs = request.query_params.get("blobs", "").lower() in ("1", "true")
        return JSONResponse(_described(found, id, blobs=blobs))

    async def settings(request: Request) -> Response:
        body = await bodies.json_object(request)
        await run_in_threadpool(asked, site, request, Access.PUT)
        _require_possible(body)
        return JSONResponse({"private": True, "visibility": "private", "gated": False})

    def auth_check(request: Request) -> Response:
        asked(site, request)
        return JSONResponse({})

    def auth_check_write(request: Request) -> Response:
        asked(site, request, Access.PUT)
        return JSONResponse({})

    repo = "/api/{kind:hubkind}/{repo:hubrepo}"
    return [
        Route("/api/repos/create", create_repository, methods=["POST"]),
        Route("/api/repos/delete", delete_repository, methods=["DELETE"]),
        Route(f"{repo}/settings", settings, methods=["PUT"]),
        Route(f"{repo}/auth-check", auth_check),
        Route(f"{repo}/auth-check/write", auth_check_write),
        Route(f"{repo}/revision/{{rev:hubrev}}", describe),
        Route(repo, describe),
    ]


def _named(identity: Identity, body: dict[str, Any]) -> tuple[str, str]:
    """Kind and name of the repository that a body is about; the caller's own namespace where it says none."""
    kind = bodies.text_in({"type": body.get("type") or "model"}, "type") + "s"
    if kind not in PREFIXES:
        raise Failure(f"there is no kind of repository {kind[:40]!r}", kind="usage")
    space = body.get("organization") or identity.principal
    return kind, f"{space}/{bodies.text_in(body, 'name')}"


def _create(site: HubSite, request: Request, body: dict[str, Any]) -> Response:
    identity = site.identity(request)
    kind, repo = _named(identity, body)
    name = team_name(kind, repo)
    request.state.repo = name
    where = {"url": address(request, kind, repo), "name": repo}
    role = identity.role(name, HEADS + DEFAULT_BRANCH)
    if role is None or role < Role.WRITE:
        raise AuthError(
            f"{identity.principal} may not make the repository {name}",
            kind="scope",
            cause="it takes the role write there",
            help=f"ask an administrator for a grant: '{name.rpartition('/')[0]}/*', write",
        )
    by = By(identity.principal, site.now_us(), caller_of(request).peer, identity.token)
    try:
        site.host.root.create_repository(by, name)
    except Failure as error:
        if error.kind != "exists":
            raise
        text = (
            f"You already created this {kind[:-1]} repo: {repo}"
            if error.cause is None
            else str(error)
        )
        return JSONResponse({"error": text, **where}, 409)
    made = AskedRepo(site, kind, repo, name, site.repository(request, name, Access.UPDATE))
    write_version(made, DEFAULT_BRANCH, {".gitattributes": attributes()}, "initial commit")
    return JSONResponse({**where, "id": repo})


def _require_possible(body: dict[str, Any]) -> None:
    """Raises Failure for settings that would let others in: that is what grants are for."""
    public = body.get("private") is False or body.get("visibility") not in (None, "private")
    if public or body.get("gated") not in (None, False):
        raise Failure(
            "who may read a repository is not set here",
            kind="by-grants",
            cause="repositories are for who has a grant, and for nobody else",
            help="mvc admin grant add USER read --repos REPO  (an administrator, on the server)",
        )


def _delete(site: HubSite, request: Request, body: dict[str, Any]) -> Response:
    identity = site.identity(request)
    kind, repo = _named(identity, body)
    name = team_name(kind, repo)
    site.repository(request, name, Access.READ)
    role = identity.role(name)
    if role is None or role < Role.ADMIN:
        raise AuthError(
            f"{identity.principal} may not remove the repository {name}",
            kind="scope",
            cause="it takes the role admin there",
        )
    by = By(identity.principal, site.now_us(), caller_of(request).peer, identity.token)
    site.host.root.remove_repository(by, name)
    return JSONResponse({})


def _described(asked: AskedRepo, id: VersionId, *, blobs: bool) -> dict[str, Any]:
    version = asked.core.version(id)
    group = list(islice(in_order(asked.files(id)), MAX_FILES))
    made = asked.site.host.root.accounts.repository(asked.name)
    moment = version.time_us if id != EMPTY_ID else made.created_us if made else 0
    return {
        "_id": asked.hosted.repo_id[:24],
        "id": asked.repo,
        "modelId": asked.repo,
        "author": asked.repo.rpartition("/")[0],
        "sha": sha_of(id),
        "lastModified": iso(moment),
        "createdAt": iso(made.created_us if made else moment),
        "private": True,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "siblings": _siblings(asked, id, group)
        if blobs
        else [{"rfilename": p.entry.path} for p in group],
        "usedStorage": sum(p.entry.size for p in group),
    }


def _siblings(asked: AskedRepo, id: VersionId, group: Sequence[Placed]) -> list[dict[str, Any]]:
    """The files with their digests, in the form that a description has them in."""
    found = []
    for each in described(asked, id, group):
        told = {"rfilename": each["path"], "size": each["size"], "blobId": each["oid"]}
        if lfs := each.get("lfs"):
            told["lfs"] = {
                "sha256": lfs["oid"],
                "size": lfs["size"],
                "pointerSize": lfs["pointerSize"],
            }
        found.append(told)
    return found
