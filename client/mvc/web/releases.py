"""Routes about the whole: stages, the catalogue of models, the operation log."""

from __future__ import annotations

from itertools import islice

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import UsageError
from mvc.web.site import answer, limit_of, site_of

_OPERATIONS_ROWS = 100


def stages(request: Request) -> Response:
    """Each stage, with its history and whether the chain of its records is whole."""
    site = site_of(request)
    repo, shapes = site.repo, site.shapes
    found = [
        {
            "stage": newest.stage,
            "records": [shapes.stage(record) for record in repo.stage_history(newest.stage)],
            "chain": shapes.chain(repo.stage_check(newest.stage)),
        }
        for newest in repo.stages()
    ]
    return answer({"stages": found})


def catalogue(request: Request) -> Response:
    """All that was published, a card each."""
    site = site_of(request)
    return answer({"models": [site.shapes.card(card) for card in site.repo.catalogue().cards]})


def ops(request: Request) -> Response:
    """Operations, newest first."""
    site, said = site_of(request), request.query_params.get("before")
    if said is not None and not said.isdecimal():
        raise UsageError(f"{said!r} is no number of an operation")
    below = None if said is None else int(said)
    older = (op for op in site.repo.operations() if below is None or op.number < below)
    limit = limit_of(request, _OPERATIONS_ROWS)
    found = list(islice(older, limit + 1))
    following = found[limit - 1].number if len(found) > limit else None
    return answer(
        {"operations": [site.shapes.operation(op) for op in found[:limit]], "next": following}
    )


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/v1/r/stages", stages),
        Route("/api/v1/r/catalogue", catalogue),
        Route("/api/v1/r/ops", ops),
    ]
