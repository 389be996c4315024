"""What a change did to the weights, tensor by tensor, the largest change first.

    tensors  18 changed, 1 added, 130 unchanged
      relative  changed  max abs    cosine  mean                  std
        0.0694                                                                model.layers.3  2 of 9 changed
         0.101   99.7 %    0.364  0.994928  -0.0021 -> -0.0060    0.99 -> 1     mlp.up.weight
        0.0311   99.2 %    0.142  0.999516  0.0273 -> 0.0271      1.01 -> 1     mlp.down.weight
      unchanged  model.layers.0 ... model.layers.2  27 tensors

Tensors stand under their module: the name up to its first number, else without its last part. Runs of modules
in which nothing changed are one line. Long lists are cut; --top and --verbose show more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.screens.diff.folding import joined
from mvc.cli.screens.diff.marks import fitting

if TYPE_CHECKING:
    from mvc.api.diff import Diff
    from mvc.api.weights import TensorDiff, TensorStatistics, Weights

TOP_TENSORS = 24
_OTHER_TENSORS = 8
_PAIR_COLUMNS = 4
"""Where mean and std stand, which a narrow terminal does without."""
_HEADS = ("relative", "changed", "max abs", "cosine", "mean", "std", "")
_DIFFERING = ("changed", "retyped", "reshaped", "renamed", "added", "removed")
_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "renamed": (">", "cyan")}


@dataclass(slots=True)
class TensorModule:
    """Tensors whose names begin alike, in the order of the file."""

    name: str
    tensors: list[TensorDiff] = field(default_factory=list)

    @property
    def measured(self) -> list[TensorDiff]:
        return [t for t in self.tensors if is_measured(t)]

    @property
    def relative(self) -> float:
        """Relative change of all its changed tensors, as one vector; NaN when all of them are packed."""
        found = [t.statistics for t in self.measured if not t.packed]
        if not found:
            return math.nan
        before = math.hypot(*(s.norm_old for s in found))
        change = math.hypot(*(s.l2 for s in found))
        return change / before if before else math.inf if change else 0.0


def whole(diff: Diff, *, top: int | None) -> Iterator[str]:
    """Tensors of a difference; of checkpoints of one model one, unless all are shown. One that came is compared
    with the checkpoint before it. `top`: how many of the changed tensors, None for all."""
    since = {} if top is None else diff.since
    beside = not since or bool(_differing(diff.weights) - since.keys())
    if beside:
        yield from lines(diff.weights, top=top, told=since)
    for at, (path, sub) in enumerate(since.items()):
        if at or beside:
            yield ""
        before = text.safe(sub.below[0]) if sub.below else ""
        yield from fitting(text.safe(path), f"since {before}", "  ")
        sub.weights.measure()
        yield from lines(sub.weights, top=top)


def lines(weights: Weights, *, top: int | None, told: Collection[str] = ()) -> Iterator[str]:
    """`top`: how many of the changed tensors, None for all; `told` are files that are told elsewhere."""
    every, others = list(weights.values()), list[str]()
    if top is not None:
        every, others = _of_leading(every)
    tensors, state = _apart([t for t in every if _path(t) not in told], folded=top is not None)
    if not every and weights.absent:
        yield f"{click.style('tensors', bold=True)}  not compared, their content is not here"
        return
    yield _title(tensors)
    ranked = sorted((t for t in tensors if is_measured(t)), key=_model_first)
    modules = by_module(tensors)
    if ranked[:top]:
        yield from _figures(ranked[:top], modules)
    if top is not None and len(ranked) > top:
        yield f"  ... {_rest(ranked[top:])} (--top, -v)"
    rest = [t for t in tensors if t.kind != "unchanged" and not is_measured(t)]
    yield from _others(rest, None if top is None else _OTHER_TENSORS)
    yield from _frozen(modules)
    if state:
        yield f"  training state  {_counts(state)} (-v)"
    if others:
        yield f"  {text.plural(len(others), 'file')} of other checkpoints left out (-v)"


def _path(tensor: TensorDiff) -> str:
    form = tensor.new or tensor.old
    return form.path if form is not None else ""


def _differing(weights: Weights) -> set[str]:
    """Files that speak for a model, with a tensor that is not as before."""
    tensors, _ = _of_leading(weights.of_kind(*_DIFFERING))
    return {_path(tensor) for tensor in tensors if not tensor.state}


def _of_leading(every: Sequence[TensorDiff]) -> tuple[list[TensorDiff], list[str]]:
    """Tensors of one checkpoint of each model that differs, and the files of the others that differ."""
    from mvc.api.diff import family_of, leading  # late: start-up

    found = leading(dict.fromkeys(_path(tensor) for tensor in every if tensor.kind != "unchanged"))
    families = set(map(family_of, found))
    kept = [t for t in every if _path(t) in found or family_of(_path(t)) not in families]
    return kept, [path for others in found.values() for path in others]


def _apart(
    every: Sequence[TensorDiff], *, folded: bool
) -> tuple[list[TensorDiff], list[TensorDiff]]:
    """The model's tensors and those of training state, if these are to be folded and there are others."""
    model = [tensor for tensor in every if not tensor.state]
    if not (folded and model):
        return model + [tensor for tensor in every if tensor.state], []
    return model, [tensor for tensor in every if tensor.state]


def _rest(ranked: Sequence[TensorDiff]) -> str:
    """What a cut list leaves out, the largest first."""
    count = text.plural(len(ranked), "more tensor")
    ill = ranked[0].statistics.sickened
    return (
        count
        if ill or ranked[0].packed
        else f"{count}, each changed by {_relative(ranked[0])} or less"
    )


def markdown(weights: Weights, *, top: int | None) -> Iterator[str]:
    """The same figures as a table for a pull request; what is unchanged is only counted."""
    from mvc.cli.screens.diff.markdown import code, table  # late: start-up

    every = list(weights.values())
    if top is not None:
        every, _ = _of_leading(every)
    tensors, state = _apart(every, folded=top is not None)
    yield from (
        "#### Tensors",
        "",
        click.unstyle(_title(tensors)).removeprefix("tensors").strip(),
        "",
    )
    rows = []
    for tensor in sorted((t for t in tensors if is_measured(t)), key=_rank)[:top]:
        found = tensor.statistics
        note = click.unstyle(_note(tensor, found)).strip()
        figures = [_relative(tensor), _share(found.changed_fraction), _figure(found.max_abs)]
        rows.append([code(tensor.name), *figures, _cosine(found), code(note) if note else ""])
    titles = ["tensor", "relative change", "elements changed", "max abs", "cosine", ""]
    yield from table(titles, rows, right=(1, 2, 3, 4))
    if state:
        yield from ("", f"Training state: {_counts(state)}")


def is_measured(tensor: TensorDiff) -> bool:
    """Whether it has figures to show; `Weights.measure` has taken them."""
    return tensor.kind in ("changed", "retyped") and tensor.comparable


def module_of(name: str) -> str:
    """Parts are set apart by dots, in TensorFlow's names by slashes."""
    numbered = re.match(r"(?:.*?[./])?\d+(?=[./])", name)
    return numbered[0] if numbered else name[: max(name.rfind("."), name.rfind("/"), 0)]


def by_module(tensors: Iterable[TensorDiff]) -> dict[str, TensorModule]:
    """In the order of first appearance, numbers within a name in their own order."""
    modules: dict[str, TensorModule] = {}
    for tensor in tensors:
        name = module_of(tensor.name)
        modules.setdefault(name, TensorModule(name)).tensors.append(tensor)
    return {name: modules[name] for name in sorted(modules, key=_natural)}


def _natural(name: str) -> list[tuple[int, int | str]]:
    return [(0, int(p)) if p.isdecimal() else (1, p) for p in re.split(r"[./]", name)]


def _model_first(tensor: TensorDiff) -> tuple[bool, bool, bool, float, str]:
    return tensor.state, *_rank(tensor)


def _rank(tensor: TensorDiff) -> tuple[bool, bool, float, str]:
    """What fell ill first, then the largest change; of packed ones the largest share, last."""
    found = tensor.statistics
    size = found.changed_fraction if tensor.packed else found.relative_l2
    return not found.sickened, tensor.packed, -size, tensor.name


def _title(tensors: Sequence[TensorDiff]) -> str:
    return f"{click.style('tensors', bold=True)}  {_counts(tensors) or 'none changed'}"


def _counts(tensors: Sequence[TensorDiff]) -> str:
    kinds = (*_DIFFERING, "unchanged")
    counts = {kind: sum(t.kind == kind for t in tensors) for kind in kinds}
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)


def _figures(shown: Sequence[TensorDiff], modules: dict[str, TensorModule]) -> Iterator[str]:
    rows = [[click.style(head, dim=True) if head else "" for head in _HEADS]]
    groups: dict[str, list[TensorDiff]] = {}
    for tensor in shown:
        groups.setdefault(module_of(tensor.name), []).append(tensor)
    for name, tensors in groups.items():
        whole = modules[name]
        if name and len(whole.tensors) > 1:
            rows.append(_module_row(whole))
            rows += [_row(t, "  " + t.name[len(name) + 1 :]) for t in tensors]
        else:
            rows += [_row(t, t.name) for t in tensors]
    table, room = text.table(rows, right=(0, 1, 2, 3)), text.room()
    for first in (_PAIR_COLUMNS, _PAIR_COLUMNS - 1):
        if room is not None and max(map(text.width, table)) + 2 > room:
            narrow = [row[:first] + row[_PAIR_COLUMNS + 2 :] for row in rows]
            table = text.table(narrow, right=range(first))
    yield from (f"  {line}" for line in table)


def _module_row(module: TensorModule) -> list[str]:
    count = f"{len(module.measured)} of {len(module.tensors)} changed"
    name = f"{click.style(text.safe(module.name), bold=True)}  {click.style(count, dim=True)}"
    return [_figure(module.relative), "", "", "", "", "", name]


def _row(tensor: TensorDiff, name: str) -> list[str]:
    found = tensor.statistics
    return [
        _relative(tensor),
        _share(found.changed_fraction),
        _figure(found.max_abs),
        _cosine(found),
        _pair(found.mean_old, found.mean_new),
        _pair(found.std_old, found.std_new),
        text.safe(name) + _note(tensor, found),
    ]


def _note(tensor: TensorDiff, found: TensorStatistics) -> str:
    notes = [f"{tensor.new.dtype}, by bytes"] if tensor.packed and tensor.new else []
    if tensor.kind == "retyped" and tensor.old and tensor.new:
        notes.append(f"{tensor.old.dtype} -> {tensor.new.dtype}")
    if found.nan_old or found.nan_new:
        notes.append(f"NaN {found.nan_old:,} -> {found.nan_new:,}")
    if found.inf_old or found.inf_new:
        notes.append(f"Inf {found.inf_old:,} -> {found.inf_new:,}")
    said = "  ".join(text.safe(note) for note in notes)
    return f"  {click.style(said, fg='red' if found.sickened else 'magenta')}" if said else ""


def _cosine(found: TensorStatistics) -> str:
    return f"{found.cosine:.6f}" if math.isfinite(found.cosine) else "-"


def _relative(tensor: TensorDiff) -> str:
    return _figure(tensor.statistics.relative_l2)


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _pair(old: float, new: float) -> str:
    return "" if math.isnan(old) and math.isnan(new) else f"{_figure(old)} -> {_figure(new)}"


def _share(fraction: float) -> str:
    """Never "100 %" or "0 %" for what is not all or nothing."""
    percent = 100 * fraction
    if 0 < percent < 0.1:
        return "<0.1 %"
    return "100 %" if fraction == 1 else f"{min(percent, 99.9):.1f} %"


def _others(tensors: Sequence[TensorDiff], limit: int | None) -> Iterator[str]:
    for tensor in tensors[:limit]:
        sign, color = _SIGNS.get(tensor.kind, ("#", "magenta"))
        forms = [f"{f.dtype} {list(f.shape)}" for f in (tensor.old, tensor.new) if f is not None]
        note = click.style(text.safe(tensor.problem or " -> ".join(dict.fromkeys(forms))), dim=True)
        name = text.safe(tensor.name)
        if tensor.kind == "renamed":
            name = joined(f"{text.safe(tensor.old_name or '')} -> {name}")
        yield f"  {click.style(sign, fg=color)} {name}  {note}"
    if limit is not None and len(tensors) > limit:
        yield f"    ... {len(tensors) - limit:,} more (-v)"


def _frozen(modules: dict[str, TensorModule]) -> Iterator[str]:
    rows: list[list[str]] = []
    for run in _runs(modules.values()):
        first, last = run[0].name or run[0].tensors[0].name, run[-1].name
        name = first if len(run) == 1 else f"{first} ... {last}"
        count = text.plural(sum(len(module.tensors) for module in run), "tensor")
        rows.append(["  unchanged", text.safe(name), count])
    for line in text.table(rows, right=(2,)):
        yield click.style(line, dim=True)


def _runs(modules: Iterable[TensorModule]) -> Iterator[list[TensorModule]]:
    """Neighbours without a change; a module without a name stays by itself."""
    run: list[TensorModule] = []
    for module in modules:
        if all(t.kind == "unchanged" for t in module.tensors):
            run.append(module)
        elif run:
            yield run
            run = []
    if run:
        yield run
