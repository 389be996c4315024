"""The difference for a pull request: GitHub's Markdown, tables that stay small.

Names and values come from files of others, so they stand in code spans, where nothing can be markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from mvc.api.metric_names import ranked
from mvc.cli import text
from mvc.cli.screens.diff import absent, checkpoints, data, folding, values
from mvc.cli.screens.diff.architecture import layer_counts, layer_rows, shown_models, version
from mvc.cli.screens.diff.marks import RowLimits, change
from mvc.cli.screens.diff.stat import marks, meaning, sizes, totals

if TYPE_CHECKING:
    from mvc.api.diff import DataChange, Diff, TableChange, ValueChange

_ROWS = 40
"""Of one table; a pull request's description may have 65,536 characters in all."""


def lines(diff: Diff, old: str, new: str) -> Iterator[str]:
    yield f"### Model changes: {code(old)} → {code(new)}"
    yield ""
    if not diff.changed:
        yield "No differences."
        return
    rows = [
        [
            c.value,
            click.unstyle(marks(f)),
            sizes(diff, c.value),
            meaning(diff, c.value),
        ]
        for c, f in diff.components.items()
    ]
    yield from table(["", "files", "size", ""], rows)
    yield ""
    yield totals(diff)
    if said := absent.sentence(diff, old, new):
        yield from ("", f"⚠️ {said}")
    metrics = values.distinct(diff.metrics)
    yield from _values("Results", {key: metrics[key] for key in ranked(metrics)})
    yield from _values("Hyperparameters", diff.hyperparameters)
    yield from _architecture(diff)
    yield from _data(diff.data)


def code(name: str) -> str:
    """A code span; a backtick in it would end it, a pipe would end the cell."""
    return f"`{text.safe(name).replace('`', chr(39)).replace('|', chr(92) + '|') or ' '}`"


def table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()
) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield "|" + "|".join("--:" if i in right else "---" for i in range(len(titles))) + "|"
    rows = list(rows)
    for row in rows[:_ROWS]:
        yield f"| {' | '.join(row)} |"
    if len(rows) > _ROWS:
        yield f"| … {len(rows) - _ROWS:,} more {'| ' * len(titles)}".rstrip()


def _values(title: str, changes: Mapping[str, ValueChange]) -> Iterator[str]:
    if not changes:
        return
    yield from ("", f"#### {title}", "")
    rows = []
    for key, value in changes.items():
        signed, relative = values.difference(value)
        word = values.verdict(value)
        sign = {"better": "🟢 better", "worse": "🔴 worse"}.get(word, "")
        moved = f"{signed} ({relative})" if relative else signed
        rows.append([code(key), _shown(value.old), _shown(value.new), moved, sign])
    yield from table(["", "before", "after", "change", ""], rows, right=(1, 2, 3))


def _shown(value: object) -> str:
    shown = text.number(value)
    return code(shown) if isinstance(value, str) else shown


def _architecture(diff: Diff) -> Iterator[str]:
    found, models = diff.architecture, shown_models(diff, RowLimits())
    if models:
        yield from ("", "#### Layers", "")
    for model, _ in models:
        both = model.old is not None and model.new is not None
        parameters = f", parameters {change(*model.parameters)}" if both else ""
        yield f"{code(model.new or model.old or '')}: {layer_counts(model)}{parameters}"
        yield ""
        if both:
            rows = [
                [kind, code(folding.joined(name)), code(note) if note else ""]
                for kind, name, note in folding.layers(layer_rows(model))
            ]
            yield from table(["", "layer", "form"], rows)
    for path, keys in checkpoints.configs(found.config.items()):
        yield from _values(code(path), keys)
    if found.environment:
        yield from ("", "#### Environment", "")
        yield from table(
            ["package", "before", "after", "file"],
            (
                [
                    code(p.package),
                    code(version(p.old)),
                    code(version(p.new)),
                    code(p.path or "recorded"),
                ]
                for p in found.environment
            ),
        )


def _data(found: DataChange) -> Iterator[str]:
    if not (found.tables or found.images or found.overlaps or found.near):
        return
    yield from ("", "#### Data", "")
    for overlap in found.overlaps:
        examples = ", ".join(f"{code(a)} = {code(b)}" for a, b in overlap.examples)
        yield from (f"⚠️ {data.shared(overlap)}: {examples}", "")
    for near in found.near:
        examples = ", ".join(
            f"{code(a)} ~ {code(b)} ({data.percent(share)})" for a, b, share in near.examples
        )
        yield from (f"⚠️ {data.nearly(near)}: {examples}", "")
    if found.tables:
        rows = ([code(table.path), *_table(table)] for table in found.tables)
        yield from table(["table", "rows before", "after", "columns"], rows, right=(1, 2))
        yield ""
    if found.images:
        counts = ([code(name), f"{a:,}", f"{b:,}"] for name, (a, b) in found.images.items())
        yield from table(["images", "before", "after"], counts, right=(1, 2))


def _table(change: TableChange) -> list[str]:
    sides = (change.old, change.new)
    counts = ["-" if side is None or side.rows is None else f"{side.rows:,}" for side in sides]
    said = [f"+{code(column.name)}" for column in change.columns_added]
    said += [f"-{code(column.name)}" for column in change.columns_removed]
    said += [f"{code(a.name)}: {code(a.type)} → {code(b.type)}" for a, b in change.columns_retyped]
    problems = [text.safe(side.problem) for side in sides if side is not None and side.problem]
    return [*counts, ", ".join([*said, *dict.fromkeys(problems)])]
