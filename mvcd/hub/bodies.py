"""What comes in a request, within bounds of size, of time between two pieces, and of depth."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import anyio
from starlette.requests import ClientDisconnect, Request

from mvcd.errors import Failure, UsageError

IDLE_SECONDS = 60.0
"""Seconds that a client may pause inside a request."""
MAX_JSON_BYTES = 8 << 20
"""Bytes of a request that is one JSON object: 10,000 contents of an LFS batch take 1 MiB."""
MAX_LINE_BYTES = 16 << 20
"""Bytes of a line: a file of 10 MiB in base64, the most that the Hub's rules put into one."""


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes, in pieces of some 64 KiB. Raises Failure(kind="slow")."""
    stream = request.stream()
    while True:
        try:
            with anyio.fail_after(IDLE_SECONDS):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Failure("the request stopped coming", kind="slow") from None
        except ClientDisconnect:
            raise Failure("the client went away", kind="slow") from None
        if piece:
            yield piece


async def whole(request: Request, limit: int = MAX_JSON_BYTES) -> bytes:
    """The body. Raises UsageError(kind="too-large") beyond `limit` bytes."""
    found = bytearray()
    async for piece in pieces(request):
        found += piece
        if len(found) > limit:
            raise _too_large("a request", limit)
    return bytes(found)


async def json_object(request: Request, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object that the body is; nothing is {}. Raises UsageError."""
    return parsed(await whole(request, limit) or b"{}")


async def form(request: Request) -> Mapping[str, list[str]]:
    """The fields of an HTML form, or of a JSON object. Raises UsageError."""
    body = await whole(request)
    if request.headers.get("content-type", "").startswith("application/json"):
        found = parsed(body or b"{}")
        return {
            k: [str(i) for i in v] if isinstance(v, list) else [str(v)] for k, v in found.items()
        }
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20_000)
    except ValueError as error:
        raise UsageError("the form cannot be read", cause=str(error)) from None


async def lines(request: Request) -> AsyncIterator[bytes]:
    """The lines of the body, but for empty ones. Raises UsageError(kind="too-large")."""
    rest = bytearray()
    async for piece in pieces(request):
        looked, begin = len(rest), 0
        rest += piece
        while (end := rest.find(b"\n", max(looked, begin))) >= 0:
            _require_short(end - begin)
            if line := bytes(rest[begin:end]).strip():
                yield line
            begin = end + 1
        del rest[:begin]
        _require_short(len(rest))
    if rest.strip():
        yield bytes(rest)


def _require_short(size: int) -> None:
    if size > MAX_LINE_BYTES:
        raise _too_large("a line", MAX_LINE_BYTES)


def parsed(data: bytes) -> dict[str, Any]:
    """Raises UsageError for what is no JSON object."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError("the request is no JSON", cause=str(error)[:200]) from None
    if not isinstance(found, dict):
        raise UsageError("the request is no JSON object")
    return found


def text_in(found: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A text of a JSON object. Raises UsageError where it is absent or none."""
    value = found.get(name, default)
    if not isinstance(value, str):
        raise UsageError(f"{name!r} has to be a text")
    return value


def number_in(request: Request, name: str, default: int) -> int:
    """A number of the address's query. Raises UsageError for what is none."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 9:
        raise UsageError(f"{name}={text[:40]!r} is no number")
    return int(text)


def _too_large(what: str, limit: int) -> UsageError:
    return UsageError(f"{what} may have {limit >> 20} MiB", kind="too-large")
