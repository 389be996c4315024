"""What changed in the network: layers, parameters, configuration, environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.screens.diff import checkpoints, folding, values
from mvc.cli.screens.diff.marks import RowLimits, change, cut, fitting, mark, more, named, sentence

if TYPE_CHECKING:
    from mvc.api.diff import (
        ArchitectureChange,
        Diff,
        Layer,
        ModelChange,
        PackageChange,
        SourceChange,
    )


def lines(diff: Diff, limits: RowLimits) -> Iterator[str]:
    """What stands below the changed files."""
    found = diff.architecture
    for model, others in shown_models(diff, limits):
        yield from _model(model, limits)
        if others:
            yield f"      {checkpoints.more(others)}"
    whole = limits.names is None
    configs = list(found.config.items())
    for path, keys in configs if whole else checkpoints.configs(configs):
        yield f"    {click.style(text.safe(path), bold=True)}"
        yield from values.lines(keys, limits, indent=" " * 6)
    if found.environment or found.packages_differ:
        yield f"    {click.style('environment', bold=True)}"
        yield from cut(_packages(found), limits.values, indent=" " * 6)


def shown_models(diff: Diff, limits: RowLimits) -> list[tuple[ModelChange, int]]:
    """The models whose form changed, with the checkpoints of each that are left out. One that came is compared
    with the checkpoint before it, and left out if that had its form; so is one that came or went while the
    model has others, for the files tell that."""
    layers = diff.architecture.layers
    if limits.names is None:
        return [(model, 0) for model in layers]
    found = []
    stayed = checkpoints.families(
        model.new for model in diff.architecture.models if model.old and model.new
    ) | checkpoints.families(_told(diff))
    for path, model, others in checkpoints.models(layers):
        one_sided = model.old is None or model.new is None
        if one_sided and path not in _told(diff) and checkpoints.families([path]) <= stayed:
            continue
        earlier = _since(diff, path) if model.old is None else None
        if earlier is None or earlier.changed:
            found.append((earlier or model, others))
    return found


def _told(diff: Diff) -> set[str]:
    """Models, by their names, that are compared with a checkpoint before."""
    return {path.rpartition(".")[0] for path in diff.since}


def _since(diff: Diff, path: str) -> ModelChange | None:
    """What became of the model `path`, whose files came, since the checkpoint before."""
    for new, sub in diff.since.items():
        directory, slash, _ = new.rpartition("/")
        for model in sub.architecture.models:
            if sub.below and directory + slash + (model.new or "") == path:
                suffix = new.removeprefix(path)
                return replace(model, old=sub.below[0].removesuffix(suffix), new=path)
    return None


def line_counts(found: ArchitectureChange) -> dict[str, str]:
    """By path: "+12 -3", coloured; of a notebook's cells, or that they are as before."""
    return {source.path: _lines(source) for source in found.source}


def _lines(source: SourceChange) -> str:
    if source.path.endswith(".ipynb") and source.added == source.removed == 0:
        return "outputs only"
    counts = (("+", source.added, "green"), ("-", source.removed, "red"))
    return " ".join(click.style(f"{s}{n:,}", fg=color) for s, n, color in counts if n)


def summary(diff: Diff) -> str:
    """One line: lines, layers, parameters, keys, packages; of checkpoints of one model, of one of them."""
    found = diff.architecture
    models = [model for model, _ in shown_models(diff, RowLimits())]
    added = sum(source.added or 0 for source in found.source)
    removed = sum(source.removed or 0 for source in found.source)
    keys = sum(len(keys) for _, keys in checkpoints.configs(found.config.items()))
    return sentence(
        [
            f"+{added:,} -{removed:,} lines" if added or removed else "",
            *(layer_counts(model) for model in models),
            *(
                f"parameters {change(*model.parameters)}"
                for model in models
                if model.old is not None and model.new is not None
                if model.parameters[0] != model.parameters[1]
            ),
            text.plural(keys, "config key") if keys else "",
            text.plural(len(found.environment), "package") if found.environment else "",
        ]
    )


def layer_counts(model: ModelChange) -> str:
    """ "layers: 1 added, 2 reshaped", or that the model is new or gone."""
    if model.old is None:
        return f"new, {text.plural(len(model.added), 'layer')}, {model.parameters[1]:,} parameters"
    if model.new is None:
        return (
            f"gone, {text.plural(len(model.removed), 'layer')}, {model.parameters[0]:,} parameters"
        )
    kinds = ("added", "removed", "renamed", "reshaped", "retyped")
    counts = [f"{n:,} {kind}" for kind in kinds if (n := len(getattr(model, kind)))]
    return f"layers: {', '.join(counts)}"


def shape(layer: Layer) -> str:
    """ "F32 [4, 3]"."""
    return f"{text.safe(layer.dtype)} {list(layer.shape)}"


def layer_rows(model: ModelChange) -> list[tuple[str, str, str]]:
    """(kind, name, what is to be said of it) of every layer whose form differs."""
    rows = [("removed", named(layer.name), shape(layer)) for layer in model.removed]
    rows += [("added", named(layer.name), shape(layer)) for layer in model.added]
    rows += [("renamed", f"{named(a.name)} -> {named(b.name)}", "") for a, b in model.renamed]
    rows += [
        ("reshaped", named(b.name), f"{shape(a)} -> {list(b.shape)}") for a, b in model.reshaped
    ]
    rows += [("retyped", named(b.name), f"{shape(a)} -> {shape(b)}") for a, b in model.retyped]
    return rows


def _model(model: ModelChange, limits: RowLimits) -> Iterator[str]:
    path = model.new if model.new is not None else model.old
    label = text.safe(path or "")
    if model.old is not None and model.new is not None and model.old != model.new:
        label = folding.joined(f"{text.safe(model.old)} -> {label}", "/")
    yield from fitting(f"    {click.style(label, bold=True)}", layer_counts(model), " " * 6)
    if model.old is not None and model.new is not None:
        rows = layer_rows(model)
        if limits.names is not None:
            rows = folding.layers(rows)
        shown = rows[: limits.layers]
        yield from text.table(
            [f"      {mark(kind)} {folding.joined(name)}", *([note] if note else [])]
            for kind, name, note in shown
        )
        yield from more(len(rows), limits.layers, " " * 6)
        yield from _parameters(model, limits)


def _parameters(model: ModelChange, limits: RowLimits) -> Iterator[str]:
    old, new = model.parameters
    if old != new:
        relative = f"  ({values.percent(100 * (new - old) / old)})" if old else ""
        yield f"      parameters  {change(old, new)}  {new - old:+,}{relative}"
    if old and new and old != new:
        modules = [("", named(m.module), f"{m.old:,} -> {m.new:,}") for m in model.modules]
        if limits.layers is not None:
            modules = folding.layers(modules)
        if len(modules) > 1:
            rows = [[f"        {name}", *counts.split(" -> ")] for _, name, counts in modules]
            table = [[row[0], row[1], "->", row[2]] for row in rows[: limits.layers]]
            yield from text.table(table, right=(1, 3))
            yield from more(len(rows), limits.layers, " " * 8)
    dtypes = [(d, a, b) for d, (a, b) in model.dtypes.items() if bool(a) != bool(b)]
    if dtypes and old and new:
        before = ", ".join(text.safe(d) for d, (a, _) in model.dtypes.items() if a)
        after = ", ".join(text.safe(d) for d, (_, b) in model.dtypes.items() if b)
        yield f"      dtypes  {before} -> {after}"


def _packages(found: ArchitectureChange) -> list[str]:
    rows = [
        [f"      {text.safe(p.package)}", version(p.old), "->", version(p.new), _where(p)]
        for p in found.environment
    ]
    shown = text.table(rows)
    if found.packages_differ:
        shown.append("      the packages installed at the time differ")
    return shown


def version(found: str | None) -> str:
    return "-" if found is None else text.safe(found) or "any"


def _where(package: PackageChange) -> str:
    return click.style(text.safe(package.path) or "recorded", dim=True)
