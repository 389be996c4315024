"""Drawings as PNG, read back by a decoder of our own, and as HTML, read back as XML."""

from __future__ import annotations

import math
import re
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvc import UsageError
from mvc.pictures import strip
from mvc.pictures.drawing import INK, PAPER, Colour, Drawing, text_width
from mvc.pictures.files import write
from mvc.pictures.page import html, svg
from mvc.pictures.raster import png
from mvc.pictures.scale import HEAT, LogHeat, ticks
from mvc.pictures.strip import Cell

RED: Colour = (255, 0, 0)


def decoded(data: bytes) -> list[list[Colour]]:
    """Rows of pixels of an 8-bit RGB file with filters 0 and 2; every checksum is looked at."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, width, height = 8, b"", 0, 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size) == (zlib.crc32(kind + body),)
        if kind == b"IHDR":
            width, height, *rest = struct.unpack(">IIBBBBB", body)
            assert rest == [8, 2, 0, 0, 0]
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    raw, rows, above = zlib.decompress(packed), [], bytes(3 * width)
    assert len(raw) == height * (3 * width + 1)
    for start in range(0, len(raw), 3 * width + 1):
        row = raw[start + 1 : start + 1 + 3 * width]
        if raw[start] == 2:
            row = bytes((a + b) % 256 for a, b in zip(row, above, strict=True))
        rows.append([(row[i], row[i + 1], row[i + 2]) for i in range(0, len(row), 3)])
        above = row
    return rows


def drawing(width: int = 40, height: int = 30) -> Drawing:
    return Drawing("a <title> & more", width, height)


def test_rectangles_and_what_lies_beyond_the_edge() -> None:
    made = drawing()
    made.rect(30, 20, 100, 100, RED)
    made.rect(-50, -50, 52, 51, INK)
    made.rect(5, 5, 0, 9, RED)
    rows = decoded(png(made))
    assert (len(rows), len(rows[0])) == (30, 40)
    assert (rows[0][0], rows[0][1], rows[0][2], rows[1][0]) == (INK, INK, PAPER, PAPER)
    assert (rows[29][39], rows[20][30], rows[19][30], rows[10][5]) == (RED, RED, PAPER, PAPER)


def test_text_has_the_width_it_says() -> None:
    made = drawing(100, 30)
    made.text(2, 20, "HH", size=2)
    made.text(98, 20, "I", size=1, anchor="end")
    inked = [x for row in decoded(png(made)) for x, c in enumerate(row) if c == INK]
    assert (min(inked), max(inked)) == (2, 98 - 3)
    assert text_width("HH") == 24
    assert max(x for x in inked if x < 80) == 2 + 24 - 3


@given(*[st.integers(0, 40) for _ in range(4)])
def test_a_line_covers_its_ends_and_stays_within_its_width(
    x0: int, y0: int, x1: int, y1: int
) -> None:
    made = Drawing("", 41, 41)
    made.line([(x0 + 0.5, y0 + 0.5), (x1 + 0.5, y1 + 0.5)], INK, 2)
    rows = decoded(png(made))
    assert rows[y0][x0] == rows[y1][x1] == INK
    length = math.hypot(x1 - x0, y1 - y0)
    for y, row in enumerate(rows):
        for x, colour in enumerate(row):
            if colour != PAPER:
                off = abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length if length else 0
                assert off <= 1.5 + 1e-6


def test_html_is_well_formed_and_shows_names_as_they_are() -> None:
    made = drawing()
    made.rect(1, 1, 2, 2, RED, '<script>alert("&")</script>')
    made.text(1, 9, "a<b> & 'c'")
    made.line([(0, 0), (1, 1)], INK, title="x")
    root = ElementTree.fromstring(svg(made))
    texts = [e.text for e in root.iter() if e.text and e.text.strip()]
    assert texts == ["a <title> & more", '<script>alert("&")</script>', "a<b> & 'c'", "x"]
    page = html(made)
    assert "<script" not in page and "http" not in page.replace("http-equiv", "").replace(
        "http://www.w3.org/2000/svg", ""
    )


def test_files_are_named_for_their_form(tmp_path: Path) -> None:
    write(drawing(), tmp_path / "a.png")
    write(drawing(), tmp_path / "a.HTML")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UsageError, match="which kind"):
        write(drawing(), tmp_path / "a.gif")


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 7
    slack = 1e-6 * max(abs(low), span)
    assert all(low - slack <= t <= low + span + slack for t in found)


def test_heat_is_by_decades_and_clamped() -> None:
    heat = LogHeat.of([0, 1e-4, 0.5, math.inf])
    assert (heat.low, heat.high) == (-4, 0)
    assert heat.colour(1e-9) == heat.colour(0) == HEAT[0]
    assert heat.colour(math.inf) == heat.colour(9) == HEAT[-1]
    assert LogHeat.of([]) == LogHeat(-2, 0)


# ---------------------------------------------------------------- the strip


def layers(count: int, parts: int = 2) -> list[Cell]:
    cells = [
        Cell(f"net.{i}.part{p}.w", "changed" if i else "unchanged", 10.0**-i, 1.0)
        for i in range(count) for p in range(parts)
    ]  # fmt: skip
    return [*cells, Cell("head", "added"), Cell("gone", "removed"), Cell("bad", "ill")]


def rects(made: Drawing) -> dict[str, Colour]:
    page = svg(made)
    found = re.findall(r'fill="#(\w{6})"><title>(.*?)</title>', page)
    return {title: tuple(bytes.fromhex(fill)) for fill, title in found}  # type: ignore[misc]


def test_the_strip_has_a_cell_for_each_tensor() -> None:
    made = strip.draw(layers(4), "v1 -> v2")
    cells = rects(made)
    assert len(cells) == 11
    assert cells["net.0.part0.w: unchanged"] == (232, 234, 237)
    darker = [sum(cells[f"net.{i}.part1.w: {10.0**-i:.3g}"]) for i in (1, 2, 3)]
    assert darker == sorted(darker)
    assert cells["bad: NaN or Inf appeared"] == (255, 0, 170)
    assert len(decoded(png(made))[0]) == made.width


def test_many_experts_are_taken_together() -> None:
    cells = [
        Cell(f"layers.{i}.experts.{e}.w", "changed", 3.0, 4.0) for i in range(2) for e in range(64)
    ]
    found = rects(strip.draw(cells, ""))
    assert list(found) == [
        "layers.0.experts.*.w: 0.75 (64 tensors)",
        "layers.1.experts.*.w: 0.75 (64 tensors)",
    ]


def test_a_strip_of_nothing() -> None:
    assert png(strip.draw([], "v1 -> v2"))[:4] == b"\x89PNG"


def test_slashes_set_parts_apart_too_and_long_lists_are_cut() -> None:
    cells = [Cell(f"net/{i}/kernel", "added") for i in range(3)]
    cells += [Cell(f"w{i}", "unchanged") for i in range(500)]
    made = strip.draw(cells, "")
    texts = [shape.text for shape in made.shapes if hasattr(shape, "text")]
    assert {"net", "kernel", "350 more"} <= set(texts)
    assert made.height < 4000
