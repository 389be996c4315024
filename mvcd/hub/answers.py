"""Errors as HTTP answers: a status, the words, and the code by which the Hub's clients tell them apart."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mvcd import errors
from mvcd.errors import MvcError, with_cause

log = logging.getLogger(__name__)

MAX_HEADER_CHARACTERS = 600

STATUS_BY_KIND: Mapping[str, int] = {
    "unauthenticated": 401,
    "unknown-revision": 404,
    "no-such-path": 404,
    "no-such-route": 404,
    "ref-changed": 412,
    "exists": 409,
    "branch-exists": 409,
    "tag-exists": 409,
    "unknown-branch": 404,
    "unknown-tag": 404,
    "too-large": 413,
    "quota": 507,
    "disk-full": 507,
    "slow": 408,
}
STATUS_BY_CLASS: Mapping[type[MvcError], int] = {
    errors.UsageError: 400,
    errors.NoRepository: 404,
    errors.Busy: 503,
    errors.AuthError: 403,
    errors.NotPermitted: 403,
    errors.IntegrityError: 500,
    errors.Conflict: 409,
    errors.Failure: 400,
}
CODE_BY_KIND: Mapping[str, str] = {
    "unknown-revision": "RevisionNotFound",
    "unknown-branch": "RevisionNotFound",
    "unknown-tag": "RevisionNotFound",
    "no-such-path": "EntryNotFound",
    "no-such-repository": "RepoNotFound",
}


def of_error(request: Request, error: Exception) -> Response:
    """The answer to a request that failed for a reason that is to be told."""
    assert isinstance(error, MvcError)
    found = (code for cls, code in STATUS_BY_CLASS.items() if isinstance(error, cls))
    status = STATUS_BY_KIND.get(error.kind) or next(found, 500)
    if status == 500:
        log.error(
            "a request failed: %s", with_cause(error), extra={"fields": {"path": request.url.path}}
        )
    text = with_cause(error) + (f" ({error.help})" if error.help and status != 401 else "")
    headers = {"X-Error-Message": _header(text)}
    code = CODE_BY_KIND.get(error.kind)
    if status == 401 and "repo" in request.path_params and "authorization" not in request.headers:
        code = "RepoNotFound"  # by which clients say: log in, or it is not there
    if code:
        headers["X-Error-Code"] = code
    if status == 401:
        headers["WWW-Authenticate"] = headers["LFS-Authenticate"] = 'Basic realm="mvc"'
    if status == 503:
        headers["Retry-After"] = "1"
    return JSONResponse({"error": text, "message": text, "kind": error.kind}, status, headers)


def of_accident(request: Request, error: Exception) -> Response:
    """The answer where the fault is the server's; its log says more."""
    log.error("a request failed", exc_info=error, extra={"fields": {"path": request.url.path}})
    return JSONResponse({"error": "the server failed; its log says more"}, 500)


def _header(text: str) -> str:
    """Text as a header may have it: one line of Latin-1."""
    line = " ".join(text.split())[:MAX_HEADER_CHARACTERS]
    return line.encode("latin-1", "replace").decode("latin-1")
