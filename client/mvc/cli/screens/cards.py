"""Model cards and catalogues as JSON, as a table, and into a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from mvc.api.metric_names import (
    has_direction,
    held_out_first,
    is_axis,
    ranked,
    short_name,
    without_copies,
)
from mvc.cli import documents, text
from mvc.cli.screens import stages

if TYPE_CHECKING:
    from mvc.api.card import Card, Catalogue
    from mvc.api.results import Value
    from mvc.cli.face import Face

_MAX_METRICS = 3
_MAX_LEADING_METRICS = 6


def document(card: Card) -> dict[str, Any]:
    from mvc.api.card import model_name  # late: start-up

    return {
        "project": card.project,
        "model": model_name(card),
        "license": card.notes.license or None,
        "intended_use": card.notes.intended_use or None,
        "picture": card.notes.picture or None,
        "leading_metrics": [key for key, _ in leading_metrics(card)[:_MAX_LEADING_METRICS]],
        **documents.version(card.version),
        "components": {
            name.value: {"digest": root.digest, "files": root.files, "bytes": root.size}
            for name, root in card.version.components.items()
        },
        "absent": [component.value for component in card.absent],
        "parameters": dict(card.parameters),
        "networks": [
            {
                "name": n.name,
                "tensors": n.tensors,
                "parameters": dict(n.parameters),
                "modules": [
                    {"module": m.module, "tensors": m.tensors, "parameters": m.parameters}
                    for m in n.modules
                ],
            }
            for n in card.networks
        ],
        "architecture_files": [
            {"path": f.path, "bytes": f.size, "recipe": f.recipe} for f in card.architecture
        ],
        "weight_files": [
            {
                "path": f.path,
                "bytes": f.size,
                "recipe": f.recipe,
                "format": f.format,
                "tensors": f.tensors,
                "state": f.state,
            }
            for f in card.weights
        ],
        "data_tables": [
            {
                "path": t.path,
                "rows": t.rows,
                "columns": list(t.columns),
                "problem": t.problem,
                "shards": t.shards,
            }
            for t in card.tables
        ],
        "data_shared": {
            "overlaps": [documents.overlap(each) for each in card.shared.equal],
            "near_overlaps": [documents.near_overlap(each) for each in card.shared.near],
            "not_looked_at": card.shared.unlooked,
        },
        "data_kinds": [{"kind": k.kind, "files": k.files, "bytes": k.size} for k in card.data],
        "provenance": documents.provenance(card.version),
        "stages": [stages.document(r) for r in card.stages],
        "signatures": None
        if card.signatures is None
        else [
            {"state": s.state.value, "principal": s.principal, "fingerprint": s.fingerprint}
            for s in card.signatures.signatures
        ],
        "download": f"mvc export {card.version.id} DIR",
    }


def table(catalogue: Catalogue) -> list[str]:
    """A row for each model, with as many metrics as the terminal has room for, at least one, and where it has
    none for the command that gets a model, that below."""
    if not catalogue.cards:
        return []
    columns = text.room()
    for way in (True, False):
        for count in range(_MAX_METRICS, 0, -1):
            found = _table(catalogue, count, way=way)
            if columns is None or max(map(text.width, found)) <= columns:
                break
        else:
            continue
        break
    return found if way else [*found, click.style("mvc export ID DIR  gets one", dim=True)]


def _table(catalogue: Catalogue, count: int, *, way: bool) -> list[str]:
    from mvc.api.card import model_name  # late: start-up

    title = ("model", "version", "", "parameters", "size", "results", "get it")
    rows = [[click.style(cell, bold=True) for cell in title]]
    for card in catalogue.cards:
        version = card.version
        found = leading_metrics(card)[:count]
        rows.append(
            [
                click.style(text.safe(model_name(card)), fg="magenta", bold=True),
                f"v{version.number}",
                click.style(text.short(version.id), fg="yellow"),
                ", ".join(f"{n:,} {text.safe(d)}" for d, n in card.parameters.items()) or "-",
                text.size(version.size),
                "  ".join(f"{text.safe(k)} {text.number(v)}" for k, v in found) or "-",
                f"mvc export {text.short(version.id)} DIR",
            ]
        )
    return text.table(rows if way else [row[:-1] for row in rows], right=(4,))


def leading_metrics(card: Card) -> list[tuple[str, Value]]:
    """The metrics that say most first: held-out ones with a direction."""
    metrics = card.version.metrics
    ordered = ranked(without_copies(metrics))
    judged = [key for key in ordered if has_direction(key) and short_name(key) == key]
    keys = [*held_out_first(judged), *(key for key in ordered if key not in judged)]
    return [(key, metrics[key]) for key in keys if not is_axis(key)]


def put(face: Face, page: str, output: str | None) -> None:
    """A page on stdout, or whole into a file that is old or new, never half."""
    if output is None:
        click.echo(page, nl=False)
        return
    content = page.encode("utf-8", "backslashreplace")
    if os.path.exists(output) and not os.path.isfile(output):
        with open(output, "wb") as file:  # /dev/stdout, a pipe: not to be replaced
            file.write(content)
    else:
        from mvc.api.durable import make_directories, replace_file  # late: start-up

        make_directories(os.path.dirname(os.path.abspath(output)))
        replace_file(output, content)
    face.say(f"Wrote {text.safe(output)} ({text.size(len(page.encode()))})")
