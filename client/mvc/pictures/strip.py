"""The heat strip: how much each tensor changed, layer by layer.

Tensors of numbered modules ("model.layers.7.mlp.up") make a block for each stem: columns are the numbers, rows
what follows. Others are listed below with one cell each. Colour is the relative change on a logarithmic scale.
Where a block would have more than 40 rows (experts), numbers within a row's name are taken together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mvc.api.weights import TensorDiff, Weights
from mvc.pictures.drawing import GRID, INK, PALE, Anchor, Colour, Drawing, Rect, text_width
from mvc.pictures.scale import LogHeat

_MAX_ROWS = 40
_ROW_PIXELS = 22
_MARGIN_PIXELS = 24
_BLOCK_PIXELS = 960
_LISTED_TENSORS = 150  # tensors outside of blocks
_NUMBERED = re.compile(r"(.+?)[./](\d{1,9})[./](.+)")
_LONGEST_CHARACTERS = 48  # characters of a row's name
_STATES: dict[str, tuple[str, Colour]] = {
    "unchanged": ("unchanged", (232, 234, 237)),
    "added": ("added", (88, 166, 112)),
    "removed": ("removed", (150, 150, 150)),
    "other": ("shape or dtype", (120, 160, 205)),
    "packed": ("changed, packed", (214, 178, 110)),
    "ill": ("NaN or Inf appeared", (255, 0, 170)),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """`state`: "changed", or a key of the states above. `change` and `norm`: of the difference, of the old."""

    name: str
    state: str
    change: float = 0.0
    norm: float = 0.0
    note: str = ""

    @property
    def relative(self) -> float:
        return self.change / self.norm if self.norm else math.inf if self.change else 0.0


def of(weights: Weights, title: str) -> Drawing:
    """The strip of a diff's weights, training state left out if there is a model beside it; reads what
    has not been measured yet."""
    weights.measure()
    every = list(weights.values())
    model = [tensor for tensor in every if not tensor.state]
    return draw([_cell_of(tensor) for tensor in model or every], title)


def _cell_of(tensor: TensorDiff) -> Cell:
    if tensor.kind == "renamed":
        return Cell(tensor.name, "unchanged")
    if not tensor.measured:
        state = tensor.kind if tensor.kind in ("unchanged", "added", "removed") else "other"
        return Cell(tensor.name, state, note=(tensor.obstacle or "") if state == "other" else "")
    found = tensor.statistics
    if tensor.kind == "unchanged" or (not found.changed and not found.sickened):
        return Cell(tensor.name, "unchanged")
    if tensor.packed:
        return Cell(tensor.name, "packed", note=f"{found.changed_fraction:.3g} of its bytes")
    state = "ill" if found.sickened else "changed"
    return Cell(tensor.name, state, found.l2, found.norm_old)


def draw(cells: Sequence[Cell], title: str) -> Drawing:
    drawing = Drawing(title)
    blocks, rest = _blocks(cells)
    heat = LogHeat.of([c.relative for c in cells if c.state == "changed"])
    labels = [row for block in blocks for row in block.rows] + [c.name for c in rest]
    left = _MARGIN_PIXELS + max((text_width(_short(label)) for label in labels), default=0) + 12
    drawing.text(_MARGIN_PIXELS, 34, title)
    bottom = _legend(drawing, heat, 54, {c.state for c in cells})
    for block in blocks:
        bottom = _block(drawing, block, heat, left, bottom + 18)
    if rest:
        bottom = _list(drawing, rest, heat, left, bottom + 18)
    right = max((s.x + s.width for s in drawing.shapes if isinstance(s, Rect)), default=0.0)
    texts = max(text_width(title) + _MARGIN_PIXELS, 760)
    drawing.width = int(max(right, texts)) + _MARGIN_PIXELS
    drawing.height = int(bottom) + _MARGIN_PIXELS
    return drawing


# ---------------------------------------------------------------- what goes where


@dataclass(slots=True)
class _Block:
    stem: str
    numbers: list[int]
    rows: list[str]
    cells: dict[tuple[str, int], Cell]


def _blocks(cells: Iterable[Cell]) -> tuple[list[_Block], list[Cell]]:
    by_stem: dict[str, list[tuple[int, str, Cell]]] = {}
    rest = []
    for cell in cells:
        found = _NUMBERED.fullmatch(cell.name)
        if found is None:
            rest.append(cell)
        else:
            by_stem.setdefault(found[1], []).append((int(found[2]), found[3], cell))
    blocks = []
    for stem, rows in by_stem.items():
        numbers = {number for number, _, _ in rows}
        if len(numbers) == 1:
            rest += [cell for _, _, cell in rows]
        else:
            blocks.append(_arranged(stem, sorted(numbers), rows))
    return blocks, rest


def _arranged(stem: str, numbers: list[int], rows: list[tuple[int, str, Cell]]) -> _Block:
    if len({suffix for _, suffix, _ in rows}) > _MAX_ROWS:
        rows = [(n, re.sub(r"(?<=[./])\d+(?=[./])", "*", suffix), c) for n, suffix, c in rows]
    shared: dict[tuple[str, int], list[Cell]] = {}
    for number, suffix, cell in rows:
        shared.setdefault((suffix, number), []).append(cell)
    cells = {
        place: _together(f"{stem}.{place[1]}.{place[0]}", found) for place, found in shared.items()
    }
    return _Block(stem, numbers, list(dict.fromkeys(suffix for _, suffix, _ in rows)), cells)


def _together(name: str, cells: list[Cell]) -> Cell:
    """Several tensors as one vector."""
    if len(cells) == 1:
        return cells[0]
    states = [cell.state for cell in cells]
    state = next(
        (s for s in ("ill", "changed", "packed", "other", "added", "removed") if s in states),
        "unchanged",
    )
    change = math.hypot(*(cell.change for cell in cells))
    return Cell(
        name, state, change, math.hypot(*(cell.norm for cell in cells)), f"{len(cells)} tensors"
    )


# ---------------------------------------------------------------- ink


def _block(drawing: Drawing, block: _Block, heat: LogHeat, left: float, top: float) -> float:
    width = min(max(_BLOCK_PIXELS // len(block.numbers), 4), 28)
    drawing.text(_MARGIN_PIXELS, top + 16, block.stem)
    top += 26
    for index, suffix in enumerate(block.rows):
        y = top + index * _ROW_PIXELS
        drawing.text(left - 12, y + 17, _short(suffix), colour=PALE, anchor="end")
        for column, number in enumerate(block.numbers):
            cell = block.cells.get((suffix, number))
            x = left + column * width
            if cell is not None:
                gap = 1 if width > 6 else 0
                _cell(drawing, cell, heat, (x, y, width - gap, _ROW_PIXELS - 2))
    bottom = top + len(block.rows) * _ROW_PIXELS
    _numbers(drawing, block.numbers, left, width, bottom + 18)
    return bottom + 22


def _numbers(drawing: Drawing, numbers: list[int], left: float, width: int, y: float) -> None:
    """As many as have room between them."""
    room = text_width(str(numbers[-1])) + 10
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if s * width >= room)
    for column in range(0, len(numbers), step):
        x = left + (column + 0.5) * width
        drawing.text(x, y, str(numbers[column]), colour=PALE, anchor="middle")


def _list(drawing: Drawing, cells: Sequence[Cell], heat: LogHeat, left: float, top: float) -> float:
    if len(cells) > _LISTED_TENSORS:
        y = top + _LISTED_TENSORS * _ROW_PIXELS + 17
        drawing.text(left, y, f"{len(cells) - _LISTED_TENSORS:,} more", colour=PALE)
    for index, cell in enumerate(cells[:_LISTED_TENSORS]):
        y = top + index * _ROW_PIXELS
        drawing.text(left - 12, y + 17, _short(cell.name), colour=PALE, anchor="end")
        _cell(drawing, cell, heat, (left, y, 27, _ROW_PIXELS - 2))
        if cell.state == "changed":
            drawing.text(left + 38, y + 17, f"{cell.relative:.2g}", colour=PALE)
    return top + min(len(cells), _LISTED_TENSORS + 1) * _ROW_PIXELS


def _cell(
    drawing: Drawing, cell: Cell, heat: LogHeat, box: tuple[float, float, float, float]
) -> None:
    changed = cell.state == "changed"
    fill = heat.colour(cell.relative) if changed else _STATES[cell.state][1]
    said = f"{cell.relative:.3g}" if changed else _STATES[cell.state][0]
    drawing.rect(*box, fill, f"{cell.name}: {said}" + (f" ({cell.note})" if cell.note else ""))


def _legend(drawing: Drawing, heat: LogHeat, top: float, states: set[str]) -> float:
    x = float(_MARGIN_PIXELS)
    steps = 24 * (heat.high - heat.low)
    width = 360 / steps
    for step in range(steps):
        value = 10 ** (heat.low + (step + 0.5) / 24)
        drawing.rect(x + step * width, top, width + 0.5, 14, heat.colour(value))
    every = max(1, math.ceil((heat.high - heat.low) / 4))
    for decade in range(heat.low, heat.high + 1, every):
        at = x + 360 * (decade - heat.low) / (heat.high - heat.low)
        drawing.line([(at, top + 14), (at, top + 19)], GRID if decade == heat.low else INK, 1)
        anchor: Anchor = "start" if decade == heat.low else "middle"
        drawing.text(at, top + 38, f"1e{decade}", colour=PALE, anchor=anchor)
    drawing.text(x + 390, top + 13, "|new - old| / |old|", colour=PALE)
    x, y = float(_MARGIN_PIXELS), top + 54
    for state, (label, colour) in _STATES.items():
        if state in states:
            drawing.rect(x, y, 14, 14, colour)
            drawing.text(x + 20, y + 14, label, colour=PALE)
            x += 20 + text_width(label) + 24
    return y + 20


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_CHARACTERS else "..." + label[3 - _LONGEST_CHARACTERS :]
