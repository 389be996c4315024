"""Xet over HTTP: the pass that a client asks the Hub for, and the calls that it makes with it (XET.md).

    GET  /api/KIND/REPO/xet-write-token/REV     a pass to the repository, and the address for the rest
    GET  /xet/ERA/v1/chunks/default/HASH        which xorbs of a file are here
    POST /xet/ERA/v1/xorbs/default/HASH         a xorb
    POST /xet/ERA/v1/shards                     files, made of chunks of xorbs

What clients ask for besides (xorb-grants, v2/shards, telemetry) is answered 404, and they do without.
"""

from __future__ import annotations

import mmap
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mvcd.errors import Failure, UsageError
from mvcd.hub import bodies
from mvcd.hub.callers import caller_of, token_of
from mvcd.hub.lookups import AskedRepo, asked
from mvcd.hub.repoids import endpoint
from mvcd.hub.site import HubSite
from mvcd.hub.spool import system_start
from mvcd.hub.xetcontents import RepositoryContents
from mvcd.hub.xethash import from_hex
from mvcd.hub.xetshard import MAX_SHARD_BYTES
from mvcd.hub.xetshelf import SHELF, XetShelf, drop_shelves
from mvcd.hub.xettable import XetTable
from mvcd.hub.xetuploads import XetGate, XetUploads
from mvcd.hub.xetxorb import MAX_XORB_BYTES
from mvcd.team.host import TeamRepository
from mvcd.wire.host import Access

_WRITE_BYTES = 1 << 20
_NAME = "/{prefix}/{hash}"


def routes(site: HubSite) -> list[Route]:
    """The routes of Xet; what they remember between requests is as old as this list."""
    here = _Site(site)

    def write_token(request: Request) -> Response:
        found = asked(site, request, Access.PUT)
        known = site.passes.give(caller_of(request), found.name)
        address = f"{endpoint(request)}/xet/{here.uploads(found).era()}"
        until = int(known.until)
        return JSONResponse(
            {"casUrl": address, "accessToken": known.word, "exp": until},
            headers={
                "X-Xet-Cas-Url": address,
                "X-Xet-Access-Token": known.word,
                "X-Xet-Token-Expiration": str(until),
            },
        )

    def chunk(request: Request) -> Response:
        found = here.by_pass(request)
        session = request.headers.get("x-xet-session-id", "")[:64]
        shard = here.uploads(found).known_chunks(_hash(request), session)
        if shard is None:
            raise Failure("no file here has this chunk", kind="no-such-path")
        return Response(shard, media_type="application/octet-stream")

    async def xorb(request: Request) -> Response:
        found = await run_in_threadpool(here.by_pass, request)
        name = _hash(request)
        uploads = here.uploads(found)
        async with here.received(request, found, MAX_XORB_BYTES, "a xorb") as (file, size):
            fresh = await run_in_threadpool(uploads.add_xorb, name, file, size)
        return JSONResponse({"was_inserted": fresh})

    async def shard(request: Request) -> Response:
        found = await run_in_threadpool(here.by_pass, request)
        async with here.received(request, found, MAX_SHARD_BYTES, "a shard") as (file, size):
            await run_in_threadpool(_add_shard, here.uploads(found), file, size)
        return JSONResponse({"result": 1})

    return [
        Route("/api/{kind:hubkind}/{repo:hubrepo}/xet-write-token/{rev:hubrev}", write_token),
        Route(f"/xet/{{era}}/v1/chunks{_NAME}", chunk),
        Route(f"/xet/{{era}}/v1/xorbs{_NAME}", xorb, methods=["POST"]),
        Route("/xet/{era}/v1/shards", shard, methods=["POST"]),
    ]


class _Site:
    """What these routes have in common. `era` in an address is for the client alone: it keeps what it
    remembers by the address, and the repository is the pass's."""

    def __init__(self, site: HubSite) -> None:
        self._site = site
        self._gates: defaultdict[str, XetGate] = defaultdict(XetGate)
        self._system_start = system_start() or b""
        known = {hosted.id for hosted in site.host.root.accounts.repositories()}
        drop_shelves(site.host.root.uploads, known)

    def by_pass(self, request: Request) -> AskedRepo:
        """The repository of the pass that the request bears. Raises AuthError, NoRepository."""
        word = token_of(request) or ""
        name = self._site.passes.find(word).repo
        return AskedRepo(self._site, "", name, name, self._site.by_pass(request, word, Access.PUT))

    def uploads(self, found: AskedRepo) -> XetUploads:
        hosted = found.hosted
        return XetUploads(
            self._gates[hosted.repo_id],
            XetTable(hosted.store),
            self._shelf(found),
            RepositoryContents(found, self._site.spool(hosted)),
            self._system_start,
            lambda: self._site.now_us() / 1e6,
        )

    @asynccontextmanager
    async def received(
        self, request: Request, found: AskedRepo, limit: int, what: str
    ) -> AsyncIterator[tuple[BinaryIO, int]]:
        """The body in a file of the shelf, and its bytes. Raises UsageError(kind="too-large"), Failure."""
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdecimal() else limit
        if size > limit:
            raise _too_large(what, limit)
        shelf = self._shelf(found)
        await run_in_threadpool(self._require_place, found.hosted, shelf, size)
        with shelf.arriving(size, what) as file:
            got = 0
            waiting = bytearray()
            async for piece in bodies.pieces(request):
                got += len(piece)
                if got > limit:
                    raise _too_large(what, limit)
                waiting += piece
                if len(waiting) >= _WRITE_BYTES:
                    await run_in_threadpool(file.write, waiting)
                    waiting = bytearray()
            await run_in_threadpool(file.write, waiting)
            yield file, got

    def _require_place(self, hosted: TeamRepository, shelf: XetShelf, size: int) -> None:
        """Raises Failure(kind="quota") where what waits, and this, would be more than the caller may put."""
        hosted.require_quota(
            self._site.spool(hosted).waiting_bytes() + shelf.waiting_bytes() + size
        )

    def _shelf(self, found: AskedRepo) -> XetShelf:
        uploads = self._site.host.root.uploads
        directory = os.path.join(uploads, found.hosted.repo_id + SHELF)
        return XetShelf(directory, lambda: self._site.now_us() / 1e6)


def _add_shard(uploads: XetUploads, file: BinaryIO, size: int) -> None:
    file.flush()
    if not size:
        raise UsageError("the body is no shard", kind="xet-shard", cause="it is empty")
    uploads.add_shard(memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)))


def _hash(request: Request) -> bytes:
    prefix = request.path_params["prefix"]
    if prefix not in ("default", "default-merkledb"):
        raise UsageError(f"Xet has no hashes of the kind {prefix[:40]!r}")
    return from_hex(request.path_params["hash"])


def _too_large(what: str, limit: int) -> UsageError:
    return UsageError(f"{what} may have {limit >> 20} MiB", kind="too-large")
