"""Git LFS, the batch API with the transfer "basic": for git-lfs, and for the Hub's clients without Xet.

An upload's address bears a pass (passes.py), since the Hub's clients send no token there. What came waits in
the spool; a commit takes it from there. git-lfs makes no commits here, for its commits are git's: what it
uploads becomes a version of the branch `lfs` when it asks to verify it, each content at objects/AB/CD/SHA256.
Contents that the repository has are not uploaded again, as far as their SHA-256 is remembered.
"""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mvcd.errors import Failure, UsageError
from mvcd.hub import bodies, digested
from mvcd.hub.callers import caller_of
from mvcd.hub.filestream import FileAnswer, asked_range
from mvcd.hub.lookups import AskedRepo, asked
from mvcd.hub.making import write_version
from mvcd.hub.passes import PASS_SECONDS
from mvcd.hub.repoids import address, team_name
from mvcd.hub.site import HubSite
from mvcd.hub.spool import Spool, not_uploaded, require_sha256
from mvcd.team.roles import unauthenticated
from mvcd.wire.host import Access

MEDIA = "application/vnd.git-lfs+json"
MAX_OBJECTS = 10_000
"""Objects of one batch."""
BRANCH = "lfs"
"""Where contents are that git-lfs uploaded."""
PIECE_BYTES = 1 << 20
"""Bytes of an upload that are taken to the disk at once."""


def routes(site: HubSite) -> list[Route]:
    async def lfs_batch(request: Request) -> Response:
        return await run_in_threadpool(_batch, site, request, await bodies.json_object(request))

    async def lfs_upload(request: Request) -> Response:
        found = await run_in_threadpool(_by_pass_or_token, site, request)
        sha256, size = require_sha256(request.path_params["oid"]), request.path_params["size"]
        await run_in_threadpool(_require_place, found, size)
        spool = site.spool(found.hosted)
        with await run_in_threadpool(spool.put, sha256, size) as writer:
            held = bytearray()
            async for piece in bodies.pieces(request):
                held += piece
                if len(held) >= PIECE_BYTES:
                    await run_in_threadpool(writer.write, held)
                    held = bytearray()
            await run_in_threadpool(writer.write, held)
            await run_in_threadpool(writer.finish)
        return Response(status_code=200)

    async def lfs_verify(request: Request) -> Response:
        return await run_in_threadpool(_verify, site, request, await bodies.json_object(request))

    def lfs_download(request: Request) -> Response:
        found = asked(site, request)
        place = digested.place(found, require_sha256(request.path_params["oid"]))
        if place is None:
            raise Failure("the repository has no such content", kind="no-such-path")
        entry = place[1].entry
        try:
            part = asked_range(request.headers.get("range"), entry.size)
        except ValueError:
            return Response(status_code=416, headers={"content-range": f"bytes */{entry.size}"})
        headers = {"content-type": "application/octet-stream"}
        return FileAnswer(found, entry, headers, part, head=request.method == "HEAD")

    def locks(request: Request) -> Response:
        asked(site, request)
        return JSONResponse({"message": "files are not locked here"}, 404, media_type=MEDIA)

    found: list[Route] = []
    for start in ("/{kind:hubkind}/{repo:hubrepo}.git/info/lfs", "/{repo:hubrepo}.git/info/lfs"):
        found += [
            Route(f"{start}/objects/batch", lfs_batch, methods=["POST"]),
            Route(f"{start}/objects/verify", lfs_verify, methods=["POST"]),
            Route(f"{start}/objects/{{oid}}/{{size:hubnumber}}", lfs_upload, methods=["PUT"]),
            Route(f"{start}/objects/{{oid}}", lfs_download),
            Route(f"{start}/locks", locks),
            Route(f"{start}/locks/verify", locks, methods=["POST"]),
        ]
    return found


def _batch(site: HubSite, request: Request, body: dict[str, Any]) -> Response:
    operation = bodies.text_in(body, "operation")
    if operation not in ("upload", "download"):
        raise UsageError(f"there is no operation {operation[:40]!r}")
    found = asked(site, request, Access.PUT if operation == "upload" else Access.READ)
    given = body.get("objects")
    if not isinstance(given, list) or len(given) > MAX_OBJECTS:
        raise UsageError(f"'objects' has to be a list of up to {MAX_OBJECTS:,}")
    if body.get("hash_algo", "sha256") != "sha256":
        raise UsageError("contents are named by SHA-256 here")
    answer = _upload if operation == "upload" else _download
    objects = [answer(found, request, *_object(each)) for each in given]
    return JSONResponse(
        {"transfer": "basic", "objects": objects, "hash_algo": "sha256"}, media_type=MEDIA
    )


def _object(each: Any) -> tuple[str, int]:
    if not isinstance(each, dict) or not isinstance(each.get("size"), int) or each["size"] < 0:
        raise UsageError("an object has an oid and a size")
    return require_sha256(bodies.text_in(each, "oid")), each["size"]


def _upload(asked: AskedRepo, request: Request, sha256: str, size: int) -> dict[str, Any]:
    told: dict[str, Any] = {"oid": sha256, "size": size, "authenticated": True}
    keep = request.headers.get("user-agent", "").startswith("git-lfs/")
    waits = not keep and asked.site.spool(asked.hosted).has(sha256)
    if waits or digested.place(asked, sha256) is not None:
        return told
    word = asked.site.passes.give(caller_of(request), asked.name).word
    at = f"{_lfs(asked, request)}/objects"
    return told | {
        "actions": {
            "upload": {
                "href": f"{at}/{sha256}/{size}?pass={word}",
                "expires_in": int(PASS_SECONDS / 2),
            },
            "verify": {
                "href": f"{at}/verify?pass={word}{'&keep=1' * keep}",
                "expires_in": int(PASS_SECONDS / 2),
            },
        }
    }


def _download(asked: AskedRepo, request: Request, sha256: str, size: int) -> dict[str, Any]:
    told: dict[str, Any] = {"oid": sha256, "size": size}
    if digested.place(asked, sha256) is None:
        return told | {"error": {"code": 404, "message": "the repository has no such content"}}
    at = f"{_lfs(asked, request)}/objects/{sha256}"
    return told | {"actions": {"download": {"href": at}}}


def _lfs(asked: AskedRepo, request: Request) -> str:
    return f"{address(request, asked.kind, asked.repo)}.git/info/lfs"


def _by_pass_or_token(site: HubSite, request: Request) -> AskedRepo:
    """The repository of the address, for who bears a pass to it or may put into it."""
    word = request.query_params.get("pass")
    if word is None:
        return asked(site, request, Access.PUT)
    kind, repo = request.path_params.get("kind", "models"), request.path_params["repo"]
    name = team_name(kind, repo)
    if site.passes.find(word).repo != name:
        raise unauthenticated("this address is of another repository")
    return AskedRepo(site, kind, repo, name, site.by_pass(request, word, Access.PUT))


def _require_place(asked: AskedRepo, size: int) -> None:
    """Raises Failure(kind="quota") where what waits, and this, would be more than the caller may put."""
    asked.hosted.require_quota(asked.site.spool(asked.hosted).waiting_bytes() + size)


def _verify(site: HubSite, request: Request, body: dict[str, Any]) -> Response:
    found = _by_pass_or_token(site, request)
    sha256, size = _object(body)
    spool = site.spool(found.hosted)
    if spool.size(sha256) != size:
        place = digested.place(found, sha256)
        if place is None or place[1].entry.size != size:
            raise Failure("no such content came", kind="no-such-path")
    elif request.query_params.get("keep") == "1":
        _keep(found, spool, sha256)
    return JSONResponse({}, media_type=MEDIA)


def _keep(asked: AskedRepo, spool: Spool, sha256: str) -> None:
    """Makes the content part of the branch of those that git names."""
    path = f"objects/{sha256[:2]}/{sha256[2:4]}/{sha256}"
    with spool.claim([sha256]) as claimed:
        if sha256 not in claimed:
            raise not_uploaded(sha256)
        try:
            id = write_version(asked, BRANCH, {path: claimed[sha256]}, f"Git LFS: {sha256[:12]}")
        except Failure as error:  # another upload of the same has just made it
            if error.kind != "nothing-to-commit":
                raise
            id = asked.version(BRANCH)
    digested.note(asked, id, {path: sha256}, {})
    spool.drop(sha256)
