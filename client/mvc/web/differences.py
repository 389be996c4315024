"""Routes about two versions. Records, lists and headers are compared at once; the data of tensors is read while
the answer is sent, as far as somebody stays to read it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from mvc.api.diff import Diff
from mvc.api.weights import TensorDiff, Weights
from mvc.web.site import Json, Site, answer, segment, site_of

BATCH_BYTES = 64 << 20
"""Bytes of tensors, both sides together, that are read before the answer goes on."""


def _diff(request: Request) -> Diff:
    repo, old = site_of(request).repo, segment(request, "old")
    new = segment(request, "new") if "new" in request.path_params else None
    return repo.diff(old, new)


def diff(request: Request) -> Response:
    """The five differences."""
    columns = request.query_params.get("columns") == "1"
    return answer(site_of(request).shapes.diff(_diff(request), columns))


def markdown(request: Request) -> Response:
    """The five differences as Markdown."""
    site = site_of(request)
    lines = site.shapes.markdown(site.repo, _diff(request))
    return PlainTextResponse("\n".join(lines) + "\n")


def batches(tensors: Iterable[tuple[str, TensorDiff]]) -> Iterator[list[tuple[str, TensorDiff]]]:
    """Tensors in their order, so many at a time that BATCH_BYTES are read, or one."""
    batch: list[tuple[str, TensorDiff]] = []
    size = 0
    for label, tensor in tensors:
        here = Weights.bytes_of([tensor])
        if batch and size + here > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append((label, tensor))
        size += here
    if batch:
        yield batch


def _line(document: Json) -> str:
    return json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n"


async def _measured(site: Site, request: Request) -> AsyncIterator[str]:
    found = await run_sync(_diff, request)
    weights = found.weights
    every = await run_sync(lambda: list(weights.items()))
    wanted = {id(one) for one in weights.to_measure()}
    todo = [(label, one) for label, one in every if id(one) in wanted]
    known = [(label, one) for label, one in every if id(one) not in wanted]
    shape = site.shapes.tensor
    yield _line(
        {
            "schema_version": 1,
            "total_bytes": Weights.bytes_of([one for _, one in todo]),
            "total_tensors": len(todo),
            "order": [label for label, _ in every],
        }
    )
    yield _line({"tensors": {label: shape(one) for label, one in known}})
    done_bytes = done = 0
    ends = None if site.stream_seconds is None else time.monotonic() + site.stream_seconds
    for batch in batches(todo):
        if site.ending or (ends is not None and time.monotonic() >= ends):
            yield _line({"stopped": True})
            return
        size = Weights.bytes_of([one for _, one in batch])
        await run_sync(_measure, site, weights, [one for _, one in batch])
        done_bytes, done = done_bytes + size, done + len(batch)
        yield _line(
            {
                "tensors": {label: shape(one) for label, one in batch},
                "done_bytes": done_bytes,
                "done_tensors": done,
            }
        )
    yield _line({"finished": True})


def _measure(site: Site, weights: Weights, tensors: list[TensorDiff]) -> None:
    with site.measuring:
        weights.measure(tensors)


def tensors(request: Request) -> Response:
    """How much each tensor changed, as lines of JSON."""
    site_of(request).repo.resolve(segment(request, "old"))
    return StreamingResponse(
        _measured(site_of(request), request), media_type="application/x-ndjson"
    )


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/v1/r/diff/{old}", diff),
        Route("/api/v1/r/diff/{old}/{new}", diff),
        Route("/api/v1/r/diff/{old}/{new}/tensors", tensors),
        Route("/api/v1/r/diff/{old}/{new}/markdown", markdown),
    ]
