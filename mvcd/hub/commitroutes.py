"""A commit: first how each file is to be sent, then all of it in one request, which makes one version.

Regular files come inside the commit, large ones were uploaded before and wait in the spool, or are in the
repository already. The version is made by compare-and-swap on its branch, of the parent that the client names
if it names one; so of two commits that name the same, one is refused (412). A pull request is a branch
refs/pr/N.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mvcd.errors import Conflict, Failure, UsageError
from mvcd.hub import bodies, digested
from mvcd.hub.lookups import AskedRepo, asked, unknown_revision
from mvcd.hub.making import new_pull, write_version
from mvcd.hub.payload import CommitLines, LargeFile
from mvcd.hub.repoids import address, pull_number, sha_of
from mvcd.hub.site import HubSite
from mvcd.hub.spool import not_uploaded
from mvcd.ids import VersionId
from mvcd.repo.change.edits import Content
from mvcd.repo.contents.files import VersionFiles, read_entry
from mvcd.repo.records.refs import DEFAULT_BRANCH, EMPTY_ID
from mvcd.repo.workspace.ignore import Patterns
from mvcd.wire.host import Access

MAX_IGNORE_BYTES = 256 << 10
"""Bytes of a `.gitignore` that is obeyed."""


def routes(site: HubSite) -> list[Route]:
    async def preupload(request: Request) -> Response:
        return await run_in_threadpool(_preupload, site, request, await bodies.json_object(request))

    async def commit(request: Request) -> Response:
        found = await run_in_threadpool(asked, site, request, Access.PUT)
        branch = await run_in_threadpool(_branch, found, request.path_params["rev"])
        spool = site.spool(found.hosted)
        with spool.workplace() as directory:
            lines = CommitLines(directory)
            async for line in bodies.lines(request):
                await run_in_threadpool(lines.accept, line)
            return await run_in_threadpool(_commit, request, found, branch, lines)

    repo = "/api/{kind:hubkind}/{repo:hubrepo}"
    return [
        Route(f"{repo}/preupload/{{rev:hubrev}}", preupload, methods=["POST"]),
        Route(f"{repo}/commit/{{rev:hubrev}}", commit, methods=["POST"]),
    ]


# ---------------------------------------------------------------- how files are to be sent


def _preupload(site: HubSite, request: Request, body: dict[str, Any]) -> Response:
    found = asked(site, request, Access.PUT)
    id = found.version(request.path_params["rev"])
    given = body.get("files", [])
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise UsageError("'files' has to be a list of objects")
    files = found.files(id)
    ignored = Patterns(_ignore_text(found, files, body).splitlines())
    there = files.lookup({bodies.text_in(each, "path") for each in given})
    told = digested.described(found, id, list(there.values()))
    known = {each["path"]: each.get("lfs", each)["oid"] for each in told}
    answers = []
    for each in given:
        path, size = bodies.text_in(each, "path"), each.get("size", 0)
        if not isinstance(size, int):
            raise UsageError("'size' has to be a number")
        answers.append({
            "path": path,
            "uploadMode": "lfs" if digested.is_large(path, size) else "regular",
            "shouldIgnore": ignored.match(path),
            **({"oid": known[path]} if path in known else {}),
        })  # fmt: skip
    return JSONResponse({"files": answers})


def _ignore_text(asked: AskedRepo, files: VersionFiles, body: Mapping[str, Any]) -> str:
    """The client's `.gitignore`, or else the version's."""
    if (text := body.get("gitIgnore")) is not None:
        return bodies.text_in({"gitIgnore": text}, "gitIgnore")
    placed = files.find(".gitignore")
    if placed is None or placed.entry.size > MAX_IGNORE_BYTES:
        return ""
    return read_entry(placed.entry, asked.core.fetch).decode("utf-8", "replace")


# ---------------------------------------------------------------- the commit


def _branch(asked: AskedRepo, rev: str) -> str:
    """The branch of a commit: one that is there, or `main`. Raises Failure(kind="unknown-revision")."""
    name = rev.removeprefix("refs/heads/")
    if asked.branch(name) is None and name != DEFAULT_BRANCH:
        raise unknown_revision(rev)
    return name


def _commit(request: Request, asked: AskedRepo, branch: str, lines: CommitLines) -> Response:
    base = asked.branch(branch) or EMPTY_ID
    if lines.parent is not None and not _names(lines.parent, base):
        raise Conflict(
            f"{branch} is not at {lines.parent[:64]}",
            kind="ref-changed",
            cause=f"it is at {sha_of(base)} by now",
        )
    spool = asked.site.spool(asked.hosted)
    wanted = list(dict.fromkeys(large.sha256 for large in lines.large.values()))
    with spool.claim(wanted) as claimed:
        changes: dict[str, Content] = dict.fromkeys(lines.gone)
        changes |= lines.regular
        for path, large in lines.large.items():
            changes[path] = _content(asked, path, large, claimed)
        expect = base if lines.parent is not None else None
        pull = request.query_params.get("create_pr") in ("1", "true")
        branch, id = new_pull(asked, base, changes, lines.message) if pull else (
            branch, _make(asked, branch, changes, lines, expect))  # fmt: skip
    digested.note(asked, id, {p: each.sha256 for p, each in lines.large.items()}, lines.blobs)
    for sha256 in wanted:
        spool.drop(sha256)
    page = address(request, asked.kind, asked.repo)
    answer = {
        "success": True,
        "commitOid": sha_of(id),
        "commitUrl": f"{page}/commit/{sha_of(id)}",
        "hookOutput": "",
    }
    if pull:
        answer["pullRequestUrl"] = f"{page}/discussions/{pull_number(branch)}"
    return JSONResponse(answer)


def _names(sha: str, id: VersionId) -> bool:
    return len(sha) >= 7 and id.hex().startswith(sha.lower())


def _content(asked: AskedRepo, path: str, large: LargeFile, claimed: Mapping[str, str]) -> Content:
    """Where the bytes of a large file are: uploaded, or here. Raises Failure(kind="not-uploaded")."""
    if (at := claimed.get(large.sha256)) is not None:
        size = os.stat(at).st_size
        if large.size not in (None, size):
            raise UsageError(f"{path} has {size:,} bytes, the commit says {large.size:,}")
        return at
    found = digested.place(asked, large.sha256)
    if found is None:
        raise not_uploaded(large.sha256)
    return found[0]


def _make(
    asked: AskedRepo,
    branch: str,
    changes: Mapping[str, Content],
    lines: CommitLines,
    expect: VersionId | None,
) -> VersionId:
    """The version, or the one that is there where nothing changes."""
    try:
        return write_version(asked, branch, changes, lines.message, expect=expect)
    except Failure as error:
        if error.kind != "nothing-to-commit":
            raise
        return asked.branch(branch) or EMPTY_ID
