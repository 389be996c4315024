"""The files of a version, listed and described; refs; history."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from itertools import islice
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mvcd.errors import UsageError
from mvcd.hub import bodies
from mvcd.hub.digested import described
from mvcd.hub.lookups import AskedRepo, asked, in_order, no_such_entry
from mvcd.hub.repoids import endpoint, pull_number, sha_of
from mvcd.hub.site import HubSite
from mvcd.hub.told import iso, title_of
from mvcd.ids import VersionId
from mvcd.objects.version import Version
from mvcd.repo.contents.files import Placed, changes
from mvcd.repo.history.history import history
from mvcd.repo.records.refs import EMPTY_ID, HEADS, TAGS

PAGE_ENTRIES = 1000
"""Entries of a page of a tree; the Hub's clients follow its link to the next."""
EXPANDED_ENTRIES = 50
"""The same where each is to have its last commit."""
PAGE_VERSIONS = 50
MAX_VERSIONS = 1000
"""Commits of a page at most, whatever limit is asked for."""
MAX_LOOKUPS = 2000
"""Versions looked into for the last commit of a path; of an older one the oldest of these is told."""
MAX_PATHS = 20_000

Listed = tuple[str, Placed | None]
"""A path, and the file there; None for a directory."""


def routes(site: HubSite) -> list[Route]:
    def tree(request: Request) -> Response:
        found, id = _version(site, request)
        expand = _flag(request.query_params.get("expand"))
        top = request.path_params.get("path", "").strip("/")
        after = request.query_params.get("cursor", "")
        if _flag(request.query_params.get("recursive")):
            listed = _below(found, id, top, after)
        else:
            listed = _directly(found, id, top, after)
        limit = EXPANDED_ENTRIES if expand else PAGE_ENTRIES
        page = list(islice(listed, limit + 1))
        if not page and top and not after:
            raise no_such_entry(top, id)
        answer = JSONResponse(_told(found, id, page[:limit], expand=expand))
        if len(page) > limit:
            _link(request, answer, cursor=page[limit - 1][0])
        return answer

    async def paths_info(request: Request) -> Response:
        fields = await bodies.form(request)
        return await run_in_threadpool(_paths_info, site, request, fields)

    def refs(request: Request) -> Response:
        return JSONResponse(_refs(asked(site, request)))

    def commits(request: Request) -> Response:
        found, id = _version(site, request)
        limit = (
            min(bodies.number_in(request, "limit", PAGE_VERSIONS), MAX_VERSIONS) or PAGE_VERSIONS
        )
        page = bodies.number_in(request, "p", 0)
        line = _history(found, id)
        formatted = "formatted" in request.query_params.getlist("expand[]")
        part = islice(line, page * limit, (page + 1) * limit)
        made = [_commit(i, version, formatted=formatted) for i, version in part]
        answer = JSONResponse(made)
        if next(line, None) is not None:
            _link(request, answer, p=str(page + 1))
        return answer

    repo = "/api/{kind:hubkind}/{repo:hubrepo}"
    return [
        Route(f"{repo}/tree/{{rev:hubrev}}", tree),
        Route(f"{repo}/tree/{{rev:hubrev}}/{{path:hubpath}}", tree),
        Route(f"{repo}/paths-info/{{rev:hubrev}}", paths_info, methods=["POST"]),
        Route(f"{repo}/refs", refs),
        Route(f"{repo}/commits/{{rev:hubrev}}", commits),
    ]


def _version(site: HubSite, request: Request) -> tuple[AskedRepo, VersionId]:
    found = asked(site, request)
    return found, found.version(request.path_params["rev"])


# ---------------------------------------------------------------- trees


def _directly(asked: AskedRepo, id: VersionId, top: str, after: str) -> Iterator[Listed]:
    files = asked.files(id)
    if top and (placed := files.find(top)) is not None:
        yield from [] if after else [(top, placed)]
        return
    below = f"{top}/" if top else ""
    found = ((below + name, placed) for name, placed in files.directory(top).items())
    yield from sorted((each for each in found if each[0] > after), key=lambda each: each[0])


def _below(asked: AskedRepo, id: VersionId, top: str, after: str) -> Iterator[Listed]:
    """Files below, and each directory before the first thing in it."""
    seen = {top, ""}
    for placed in in_order(asked.files(id), top or None):
        path = placed.entry.path
        up: list[str] = []
        while (parent := (up[-1] if up else path).rpartition("/")[0]) not in seen:
            up.append(parent)
        for directory in reversed(up):
            seen.add(directory)
            if directory > after:
                yield directory, None
        if path > after:
            yield path, placed


def _told(
    asked: AskedRepo, id: VersionId, page: Sequence[Listed], *, expand: bool
) -> list[dict[str, Any]]:
    files = iter(described(asked, id, [placed for _, placed in page if placed is not None]))
    told = [_directory(path, id) if placed is None else next(files) for path, placed in page]
    if expand:
        last = _last_commits(asked, id, [path for path, _ in page])
        for each in told:
            each["lastCommit"] = last[each["path"]]
            if each["type"] == "file":
                each["securityFileStatus"] = None
    return told


def _directory(path: str, id: VersionId) -> dict[str, Any]:
    """A directory. There is no tree of git here, so its id is one of the path in the version."""
    named = hashlib.sha1(bytes(id) + path.encode(), usedforsecurity=False).hexdigest()
    return {"type": "directory", "path": path, "size": 0, "oid": named}


def _paths_info(site: HubSite, request: Request, fields: Any) -> Response:
    found, id = _version(site, request)
    paths = list(dict.fromkeys(path.strip("/") for path in fields.get("paths", [])))
    if len(paths) > MAX_PATHS:
        raise UsageError(f"a call may ask for {MAX_PATHS:,} paths", kind="too-large")
    files = found.files(id)
    known = files.lookup(paths)
    page: list[Listed] = []
    for path in paths:
        if path in known:
            page.append((path, known[path]))
        elif path and files.look_up(path) is True:
            page.append((path, None))
    expand = _flag((fields.get("expand") or [None])[0])
    return JSONResponse(_told(found, id, page, expand=expand))


def _last_commits(
    asked: AskedRepo, id: VersionId, paths: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The newest version on the line of first parents in which something at or below each path changed."""
    found: dict[str, dict[str, Any]] = {}
    pending = set(paths)
    for step, (at, version) in enumerate(_line(asked, id)):
        if not pending:
            break
        parent = asked.core.version(version.parents[0] if version.parents else EMPTY_ID)
        last = step == MAX_LOOKUPS or not version.parents
        changed = set(pending) if last else _touched(asked, parent, version, pending)
        for path in changed:
            found[path] = {
                "id": sha_of(at),
                "title": title_of(version),
                "date": iso(version.time_us),
            }
        pending -= changed
        if last:
            break
    return found


def _touched(asked: AskedRepo, old: Version, new: Version, pending: set[str]) -> set[str]:
    touched = set[str]()
    for path in changes(old, new, asked.core.fetch):
        while path:
            if path in pending:
                touched.add(path)
            path = path.rpartition("/")[0]  # noqa: PLW2901 - the way up
    return touched


# ---------------------------------------------------------------- refs and history


def _refs(asked: AskedRepo) -> dict[str, Any]:
    branches = asked.refs(HEADS)
    pulls = {name: id for name, id in branches.items() if pull_number(name) is not None}
    return {
        "branches": [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha_of(id)}
            for name, id in branches.items() if name not in pulls
        ],
        "converts": [],
        "tags": [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": sha_of(id)}
            for name, id in asked.refs(TAGS).items()
        ],
        "pullRequests": [
            {"name": name, "ref": name, "targetCommit": sha_of(id)} for name, id in pulls.items()
        ],
    }  # fmt: skip


def _line(asked: AskedRepo, id: VersionId) -> Iterator[tuple[VersionId, Version]]:
    while id != EMPTY_ID:
        version = asked.core.version(id)
        yield id, version
        id = version.parents[0] if version.parents else EMPTY_ID


def _history(asked: AskedRepo, id: VersionId) -> Iterator[tuple[VersionId, Version]]:
    """The version and its ancestors, newest first."""
    for entry in history(asked.core, starts={id}):
        yield entry.id, entry.version


def _commit(id: VersionId, version: Version, *, formatted: bool) -> dict[str, Any]:
    title, _, rest = version.message.partition("\n")
    told: dict[str, Any] = {
        "id": sha_of(id),
        "title": title,
        "message": rest.strip("\n"),
        "authors": [{"user": version.author}],
        "date": iso(version.time_us),
    }
    if formatted:
        told["formatted"] = {"title": escape(title), "message": escape(told["message"])}
    return told


# ---------------------------------------------------------------- queries and links


def _flag(text: str | None) -> bool:
    return (text or "").lower() in ("1", "true")


def _link(request: Request, answer: Response, **more: str) -> None:
    """Tells where the next page is (RFC 8288)."""
    kept = [(k, v) for k, v in request.query_params.multi_items() if k not in more]
    query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in [*kept, *more.items()])
    answer.headers["Link"] = f'<{endpoint(request)}{request.scope["path"]}?{query}>; rel="next"'
