"""The document of `mvc diff --json`: that of `documents.diff`, and what the differences mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mvc.cli import documents
from mvc.cli.documents import Json, change, finite, scalar

if TYPE_CHECKING:
    from mvc.api.diff import (
        ArchitectureChange,
        ColumnSummary,
        DataChange,
        Diff,
        Layer,
        ModelChange,
        Table,
        TableChange,
    )


def diff(found: Diff, *, columns: bool = False) -> Json:
    """With what the differences mean; with `columns`, summaries of every changed table's columns."""
    return {
        **documents.diff(found),
        "totals": {
            component.value: {
                side: {"files": root.files, "bytes": root.size}
                for side, root in zip(("old", "new"), roots, strict=True)
            }
            for component, roots in found.totals.items()
        },
        "absent": {
            "components": {c.value: list(ids) for c, ids in found.absent.items()},
            "files": list(found.absent_files),
            "help": found.way_to_absent if found.absent or found.absent_files else None,
        },
        "architecture": architecture(found.architecture),
        "data": data(found.data, found.columns if columns else None),
    }


def architecture(found: ArchitectureChange) -> Json:
    return {
        "models": [_model(model) for model in found.models],
        "config": {
            path: {key: change(value) for key, value in keys.items()}
            for path, keys in found.config.items()
        },
        "source": [
            {"path": source.path, "lines_added": source.added, "lines_removed": source.removed}
            for source in found.source
        ],
        "environment": [
            {"package": p.package, "old": p.old, "new": p.new, "path": p.path}
            for p in found.environment
        ],
        "packages_differ": found.packages_differ,
    }


def _model(model: ModelChange) -> Json:
    def layer(layer: Layer) -> Json:
        return {"name": layer.name, "dtype": layer.dtype, "shape": list(layer.shape)}

    def pairs(pairs: Iterable[tuple[Layer, Layer]]) -> list[Json]:
        return [{"old": layer(old), "new": layer(new)} for old, new in pairs]

    def counts(pair: tuple[int, int]) -> Json:
        return {"old": pair[0], "new": pair[1]}

    return {
        "old": model.old,
        "new": model.new,
        "layers": {
            "added": [layer(found) for found in model.added],
            "removed": [layer(found) for found in model.removed],
            "renamed": pairs(model.renamed),
            "reshaped": pairs(model.reshaped),
            "retyped": pairs(model.retyped),
            "same": model.same,
        },
        "parameters": counts(model.parameters),
        "modules": {row.module: counts((row.old, row.new)) for row in model.modules},
        "dtypes": {dtype: counts(pair) for dtype, pair in model.dtypes.items()},
    }


def data(found: DataChange, summarised: Mapping[str, TableChange] | None) -> Json:
    """`rows` is null where they were not counted, `problem` says why; `summary` is null unless asked for."""
    tables = found.tables if summarised is None else summarised.values()
    return {
        "tables": [_table_change(table) for table in tables],
        "images": {path: {"old": a, "new": b} for path, (a, b) in found.images.items()},
        "duplicates": [list(paths) for paths in found.duplicates],
        "repeated": found.repeated,
        "overlaps": [documents.overlap(overlap) for overlap in found.overlaps],
        "near_overlaps": [documents.near_overlap(near) for near in found.near],
        "not_looked_at": found.unlooked,
        "not_listed": found.unlisted,
    }


def _table_change(found: TableChange) -> Json:
    return {
        "path": found.path,
        "format": found.format,
        "old": None if found.old is None else _table(found.old),
        "new": None if found.new is None else _table(found.new),
        "columns_added": [column.name for column in found.columns_added],
        "columns_removed": [column.name for column in found.columns_removed],
        "columns_retyped": [column.name for _, column in found.columns_retyped],
        "columns_reordered": found.reordered,
        "shards": None
        if found.shards is None
        else {"old": found.shards[0], "new": found.shards[1], "changed": list(found.files)},
    }


def _table(table: Table) -> Json:
    return {
        "rows": table.rows,
        "problem": table.problem,
        "columns": [
            {
                "name": column.name,
                "type": column.type or None,
                "summary": _summary(table.summaries.get(column.name)),
            }
            for column in table.columns
        ],
    }


def _summary(found: ColumnSummary | None) -> Json | None:
    if found is None:
        return None
    return {
        "missing": found.missing,
        "distinct": found.distinct,
        "distinct_more": found.distinct_more,
        "min": scalar(found.min),
        "max": scalar(found.max),
        "mean": finite(found.mean),
    }
