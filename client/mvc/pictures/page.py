"""A drawing as one HTML page with inline SVG: no script, nothing fetched, names on pointing at a shape."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from mvc.pictures.drawing import (
    PAPER,
    PITCH_PIXELS,
    Colour,
    Drawing,
    Label,
    Polyline,
    Rect,
    Shape,
    text_width,
)
from mvc.pictures.letters import FAMILY

_STYLE = "body{margin:16px;background:#fff}svg{max-width:100%;height:auto}text{white-space:pre}"
_FIXED = "ui-monospace,Menlo,Consolas,monospace"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(drawing: Drawing) -> str:
    title = escape(drawing.title)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{svg(drawing)}\n</body>\n</html>\n"
    )


def picture(drawing: Drawing) -> str:
    """A file of its own: an SVG on white paper, whose text stays text."""
    paper = f'<rect width="100%" height="100%" fill="{_colour(PAPER)}"/>'
    head, rest = svg(drawing).split("\n", 1)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{paper}\n{rest}\n'


def svg(drawing: Drawing) -> str:
    box = f"0 0 {drawing.width} {drawing.height}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawing.width}" height="{drawing.height}" '
            f'viewBox="{box}" role="img" font-family="{_FIXED if drawing.fixed else FAMILY}">',
            f"<title>{escape(drawing.title)}</title>",
            *(_shape(shape, fixed=drawing.fixed) for shape in drawing.shapes),
            "</svg>",
        ]
    )


def _shape(shape: Shape, *, fixed: bool) -> str:
    match shape:
        case Rect():
            place = (
                f'x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" height="{shape.height:g}"'
            )
            return f'<rect {place} fill="{_colour(shape.fill)}">{_title(shape.title)}</rect>'
        case Polyline():
            points = " ".join(f"{x:g},{y:g}" for x, y in shape.points)
            stroke = f'stroke="{_colour(shape.colour)}" stroke-width="{shape.width:g}"'
            ends = 'fill="none" stroke-linejoin="round" stroke-linecap="round"'
            if shape.dash:
                lengths = ",".join(f"{length:g}" for length in shape.dash)
                ends = f'fill="none" stroke-linejoin="round" stroke-dasharray="{lengths}"'
            return f'<polyline points="{points}" {stroke} {ends}>{_title(shape.title)}</polyline>'
        case Label():
            return "".join(_text(shape, fixed=fixed))


def _text(text: Label, *, fixed: bool) -> Iterator[str]:
    """If `fixed`, set to exactly the width that the pixel font takes, whatever font the reader has."""
    if not text.text:
        return
    size = text.size * PITCH_PIXELS / 0.6
    yield f'<text x="{text.x:g}" y="{text.y:g}" font-size="{size:g}" fill="{_colour(text.colour)}"'
    yield f' text-anchor="{text.anchor}"'
    if fixed:
        yield f' textLength="{text_width(text.text, text.size):g}" lengthAdjust="spacingAndGlyphs"'
    yield f">{escape(text.text)}</text>"


def _title(title: str) -> str:
    return f"<title>{escape(title)}</title>" if title else ""


def _colour(colour: Colour) -> str:
    return "#" + bytes(colour).hex()
