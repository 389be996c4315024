"""Errors as JSON: what, why and what helps, with the status that says what a caller would do next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mvc.api import errors
from mvc.web.site import Json, answer

log = logging.getLogger("mvcd.page")

_STATUS: Sequence[tuple[type[errors.MvcError], int]] = (
    (errors.UsageError, 400),
    (errors.NoRepository, 404),
    (errors.NotPermitted, 403),
    (errors.AuthError, 403),
    (errors.IntegrityError, 500),
    (errors.DaemonError, 503),
    (errors.RemoteUnreachable, 503),
)
_KINDS = {"no-cursor": 410, "unauthenticated": 401}
_ABSENT = ("unknown-", "no-such-", "ambiguous-")
"""How the kinds begin of failures that are about something that is not there."""


def status_of(error: errors.MvcError) -> int:
    """The status that says what a caller would do next."""
    if error.kind in _KINDS:
        return _KINDS[error.kind]
    if error.kind.startswith(_ABSENT) and not isinstance(error, errors.UsageError):
        return 404
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 409)


def error_document(error: errors.MvcError) -> Json:
    """An error as the command line writes it, without the exit code."""
    place: Json = {}
    if isinstance(error, errors.ExpressionError):
        place = {"expression": error.expression, "start": error.start, "length": error.length}
    said = {"kind": error.kind, "message": str(error), "cause": error.cause, "help": error.help}
    return {**said, **place, **error.more}


def refused(
    status: int, kind: str, message: str, help: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer that is an error of the request's own."""
    said = {"kind": kind, "message": message, "cause": None, "help": help}
    return answer(said, status, headers)


def of_error(_: Request, error: Exception) -> Response:
    """What is told in full to the one person whose machine it is."""
    assert isinstance(error, errors.MvcError)
    return answer(error_document(error), status_of(error))


def hiding(hide: Callable[[str], str]) -> Callable[[Request, Exception], Response]:
    """The same for those who may not know everything: `hide` takes out of texts what is the server's own, and
    of what is damaged only the log tells."""

    def of_hidden(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.MvcError)
        status = status_of(error)
        if status == 500:
            log.error(
                "a request failed", exc_info=error, extra={"fields": {"path": request.url.path}}
            )
            return refused(
                500,
                "internal",
                "the server cannot answer this",
                "ask an administrator: its log says more",
            )
        found = {k: hide(v) if isinstance(v, str) else v for k, v in error_document(error).items()}
        return answer(found, status)

    return of_hidden


def _of_bytes(_: Request, error: Exception) -> Response:
    return refused(400, "usage", f"the address is not UTF-8: {error}", "percent-encode it")


def _of_status(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase.lower()
    return refused(error.status_code, "http", f"{phrase}: nothing here answers that", "/")


def _of_accident(request: Request, error: Exception) -> Response:
    log.error("a request failed", exc_info=error, extra={"fields": {"path": request.url.path}})
    return refused(500, "accident", f"this went wrong here: {type(error).__name__}", "mvc doctor")


def handlers(
    of_failure: Callable[[Request, Exception], Response],
) -> dict[Any, Callable[[Request, Exception], Response]]:
    """For an application, by the kind of exception."""
    return {
        errors.MvcError: of_failure,
        UnicodeDecodeError: _of_bytes,
        HTTPException: _of_status,
        Exception: _of_accident,
    }
