"""Routes about many versions: pages of them, and their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.metric_names import held_out_first, is_axis, ranked, without_copies
from mvc.api.versions import Version
from mvc.web.site import Json, Site, answer, limit_of, site_of
from mvc.web.walks import Question

PAGE_ROWS = 100
_AUTO_METRICS = 4
_AUTO_SETTINGS_KEYS = 2
_DIFFERING_KEYS = 40


def chosen_columns(rows: Sequence[Version]) -> tuple[str, ...]:
    """At most six keys that say most: metrics of the newest row with a direction, then settings that differ."""
    if not rows:
        return ()
    newest = next((row for row in rows if row.metrics), rows[0])
    every = held_out_first(ranked(without_copies(newest.metrics)))
    metrics = [key for key in every if not is_axis(key)][:_AUTO_METRICS] or every[:1]
    settings = [
        key
        for key in newest.hyperparameters
        if len({repr(row.hyperparameters.get(key)) for row in rows}) > 1
    ]
    plain = [key for key in settings if ":" not in key and key not in metrics]
    return (*metrics, *plain[:_AUTO_SETTINGS_KEYS])


def differing_columns(rows: Sequence[Version]) -> tuple[str, ...]:
    """At most forty keys whose values are not alike in all rows, metrics first, those that say most first."""
    values: dict[str, dict[str, set[str]]] = {"metrics": {}, "settings": {}}
    for row in rows:
        for kind, recorded in (("metrics", row.metrics), ("settings", row.hyperparameters)):
            for key, value in recorded.items():
                values[kind].setdefault(key, set()).add(repr(value))
    counted = {
        kind: [
            key
            for key, found in keys.items()
            if len(found) > 1
            or any(key not in (r.metrics if kind == "metrics" else r.hyperparameters) for r in rows)
        ]
        for kind, keys in values.items()
    }
    metrics = held_out_first(ranked(counted["metrics"]))
    settings = [key for key in counted["settings"] if key not in metrics]
    return (*metrics, *settings)[:_DIFFERING_KEYS]


def row_of(site: Site, version: Version, columns: Sequence[str] | None) -> Json:
    """A version as a row; with `columns` only these of its values."""
    since = site.repo.since_parent(version, columns)
    if columns is not None:
        kept = set(columns)
        version = replace(
            version,
            metrics={k: v for k, v in version.metrics.items() if k in kept},
            hyperparameters={k: v for k, v in version.hyperparameters.items() if k in kept},
        )
    return {
        **site.shapes.version(version),
        "numbered": version.numbered,
        "changed": [part.value for part in since.changed],
        "better": dict(since.better),
        "files": version.files,
        "bytes": version.size,
    }


def versions(request: Request) -> Response:
    """A page of versions."""
    asked = request.query_params
    limit = limit_of(request, PAGE_ROWS)
    question = Question.of(request)
    return page_of(site_of(request), question, asked.get("cursor"), limit, asked.get("columns"))


def page_of(
    site: Site, question: Question, cursor: str | None, limit: int, said: str | None
) -> Response:
    """The rows after a cursor. `said`: the keys of their columns, "auto", "differing", or None for all."""
    rows, following = site.walks.page(site.repo, question, cursor, limit)
    choose = {"auto": chosen_columns, "differing": differing_columns}.get(said or "")
    named = None if said is None else tuple(filter(None, said.split(",")))
    columns = named if choose is None else choose(rows)
    signed = site.repo.signed_versions()
    return answer(
        {
            "versions": [
                {**row_of(site, row, columns), "signatures": signed.get(row.id, 0)} for row in rows
            ],
            "columns": columns,
            "next": following,
        }
    )


def names(request: Request) -> Response:
    """Names of versions, by id, and where HEAD is."""
    repo = site_of(request).repo
    head = repo.head
    return answer(
        {
            "head": {"ref": head.branch, "version": head.version, "number": head.number},
            "names": {id: list(found) for id, found in repo.names().items()},
        }
    )


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/v1/r/versions", versions),
        Route("/api/v1/r/names", names),
    ]
