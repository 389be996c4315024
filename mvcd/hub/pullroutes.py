"""Pull requests, as far as branches can be them: refs/pr/N, from its first version on, until `main` has it all.

Title and description are the message of its first version; comments, and discussions without versions, are not
kept. A merge takes over what the branch changed since both parted, file by file; where both changed a file
differently it is refused, and whoever wants it merges by `mvc merge` (mvcd/repo/joining/merge.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mvcd.errors import Failure
from mvcd.hub import bodies
from mvcd.hub.lookups import AskedRepo, asked
from mvcd.hub.making import new_pull, write_version
from mvcd.hub.repoids import pull_number, sha_of
from mvcd.hub.site import HubSite
from mvcd.hub.told import iso, title_of
from mvcd.ids import VersionId
from mvcd.objects.version import Trigger, Version
from mvcd.repo.change.edits import Content, Copied
from mvcd.repo.contents.files import changes
from mvcd.repo.joining.merge import merge_base
from mvcd.repo.records.refs import DEFAULT_BRANCH, EMPTY_ID, HEADS
from mvcd.repo.trust.incoming import is_ancestor
from mvcd.wire.host import Access

PAGE_ENTRIES = 100
MAX_VERSIONS = 1000
"""Versions of a pull request that are told."""


@dataclass(frozen=True, slots=True)
class _Pull:
    number: int
    tip: VersionId
    line: tuple[tuple[VersionId, Version], ...]
    """Its versions, newest first, as far as `main` has not got them."""
    merged: bool


def routes(site: HubSite) -> list[Route]:
    def pulls(request: Request) -> Response:
        return JSONResponse(_page(asked(site, request), request))

    def pull(request: Request) -> Response:
        found = asked(site, request)
        return JSONResponse(_detailed(found, _pull(found, request)))

    async def create_pull(request: Request) -> Response:
        return await run_in_threadpool(_create, site, request, await bodies.json_object(request))

    async def merge_pull(request: Request) -> Response:
        body = await bodies.json_object(request)
        return await run_in_threadpool(_merge, site, request, bodies.text_in(body, "comment", ""))

    pages = "/api/{kind:hubkind}/{repo:hubrepo}/discussions"
    return [
        Route(pages, pulls),
        Route(pages, create_pull, methods=["POST"]),
        Route(f"{pages}/{{number:hubnumber}}", pull),
        Route(f"{pages}/{{number:hubnumber}}/merge", merge_pull, methods=["POST"]),
    ]


def _pull(asked: AskedRepo, request: Request) -> _Pull:
    number = request.path_params["number"]
    tip = asked.branch(f"refs/pr/{number}")
    if tip is None:
        raise Failure(f"there is no pull request {number}", kind="no-such-path")
    return _looked_at(asked, number, tip)


def _looked_at(asked: AskedRepo, number: int, tip: VersionId) -> _Pull:
    main = asked.branch(DEFAULT_BRANCH) or EMPTY_ID
    store = asked.hosted.store
    merged = main != EMPTY_ID and is_ancestor(store, tip, main)
    line = [(tip, asked.core.version(tip))]
    while len(line) < MAX_VERSIONS and line[-1][1].parents:
        above = line[-1][1].parents[0]
        if merged or above == EMPTY_ID or is_ancestor(store, above, main):
            break
        line.append((above, asked.core.version(above)))
    return _Pull(number, tip, tuple(line), merged)


def _page(asked: AskedRepo, request: Request) -> dict[str, Any]:
    wanted = request.query_params
    start = bodies.number_in(request, "p", 0) * PAGE_ENTRIES
    numbered = ((pull_number(name), tip) for name, tip in asked.refs(HEADS).items())
    found = sorted(((n, tip) for n, tip in numbered if n is not None), reverse=True)
    pulls = [_looked_at(asked, n, tip) for n, tip in found]
    told = [
        _told(asked, each) for each in pulls
        if wanted.get("type") != "discussion"
        and wanted.get("status", _status(each)) in ("all", _status(each))
        and wanted.get("author", _first(each).author) == _first(each).author
    ]  # fmt: skip
    return {"count": len(told), "start": start, "discussions": told[start : start + PAGE_ENTRIES]}


def _first(pull: _Pull) -> Version:
    return pull.line[-1][1]


def _status(pull: _Pull) -> str:
    return "merged" if pull.merged else "open"


def _told(asked: AskedRepo, pull: _Pull) -> dict[str, Any]:
    first = _first(pull)
    return {
        "num": pull.number,
        "title": title_of(first),
        "status": _status(pull),
        "isPullRequest": True,
        "author": {"name": first.author},
        "createdAt": iso(first.time_us),
        "repo": {"name": asked.repo, "type": asked.kind.removesuffix("s")},
    }


def _detailed(asked: AskedRepo, pull: _Pull) -> dict[str, Any]:
    first, rest = _first(pull), _first(pull).message.partition("\n")[2].strip("\n")
    comment = {"edited": False, "hidden": False, "latest": {"raw": rest}}
    events = [_event(asked, "comment", first, comment)] + [
        _event(asked, "commit", version, {"subject": title_of(version), "oid": sha_of(id)})
        for id, version in reversed(pull.line)
    ]
    conflicts: list[str] = [] if pull.merged else _edits(asked, pull)[1]
    return _told(asked, pull) | {
        "events": events,
        "changes": {"base": f"refs/heads/{DEFAULT_BRANCH}"},
        "filesWithConflicts": conflicts,
        "diff": "",
    }


def _event(asked: AskedRepo, kind: str, version: Version, data: dict[str, Any]) -> dict[str, Any]:
    """An event, whose id only has to be one."""
    id = f"{asked.hosted.repo_id[:8]}{version.time_us:x}"
    author = {"name": version.author}
    return {
        "id": id,
        "type": kind,
        "createdAt": iso(version.time_us),
        "author": author,
        "data": data,
    }


def _create(site: HubSite, request: Request, body: dict[str, Any]) -> Response:
    found = asked(site, request, Access.PUT)
    if body.get("pullRequest") is not True:
        raise Failure(
            "discussions are not kept here",
            kind="no-discussions",
            cause="only pull requests are, which are branches",
        )
    title, description = bodies.text_in(body, "title"), body.get("description") or ""
    message = "\n\n".join(part for part in (title, str(description)) if part)
    branch, _ = new_pull(found, found.branch(DEFAULT_BRANCH) or EMPTY_ID, {}, message)
    return JSONResponse({"num": pull_number(branch), "pullRequest": True})


def _merge(site: HubSite, request: Request, comment: str) -> Response:
    found = asked(site, request, Access.UPDATE)
    pull = _pull(found, request)
    if pull.merged:
        raise Failure(f"pull request {pull.number} is merged already", kind="exists")
    main = found.branch(DEFAULT_BRANCH) or EMPTY_ID
    edits, conflicts = _edits(found, pull)
    if conflicts:
        raise Failure(
            f"both sides changed {', '.join(conflicts[:3])}",
            kind="exists",
            help=f"mvc merge refs/pr/{pull.number} --theirs {conflicts[0]}  (in a clone)",
        )
    message = comment or f"Merge pull request {pull.number}: {title_of(_first(pull))}"
    parents = (pull.tip,) if main == EMPTY_ID else (main, pull.tip)
    id = write_version(
        found, DEFAULT_BRANCH, edits, message,
        expect=main, parents=parents, allow_empty=True, trigger=Trigger.MERGE,
    )  # fmt: skip
    return JSONResponse({"mergeCommitId": sha_of(id)})


def _edits(asked: AskedRepo, pull: _Pull) -> tuple[dict[str, Content], list[str]]:
    """What the merge changes, and the paths that both sides changed differently."""
    core, main = asked.core, asked.branch(DEFAULT_BRANCH) or EMPTY_ID
    base = core.version(merge_base(core, main, pull.tip))
    ours = changes(base, core.version(main), core.fetch)
    edits: dict[str, Content] = {}
    conflicts: list[str] = []
    for path, (_, now) in sorted(changes(base, core.version(pull.tip), core.fetch).items()):
        if path not in ours:
            edits[path] = None if now is None else Copied(pull.tip, path)
        elif ours[path][1] != now:
            conflicts.append(path)
    return edits, conflicts
