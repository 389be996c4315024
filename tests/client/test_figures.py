"""Charts as papers print them: SVG read back as XML, PNG by Pillow, and `mvc plot` with Pillow and without."""

from __future__ import annotations

import io
import math
import sys
from datetime import UTC
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from mvc.pictures import figure, ink
from mvc.pictures.axis import Kind
from mvc.pictures.chart import Line, panel
from mvc.pictures.drawing import Drawing, Label, Polyline
from mvc.pictures.files import write
from mvc.pictures.letters import FAMILY, width
from mvc.pictures.page import picture
from tests.support.commandline import Mvc

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*lines: Line, title: str = "loss: main", kind: Kind = "version") -> Drawing:
    made = panel("loss", lines, kind, UTC, log=False)
    assert made is not None
    return figure.draw([made], title, kind)


def wave(label: str, count: int, phase: float = 0.0) -> Line:
    return Line(label, tuple((float(n + 1), math.sin(n / 3 + phase) + phase) for n in range(count)))


def labels(made: Drawing) -> list[Label]:
    return [shape for shape in made.shapes if isinstance(shape, Label)]


def left_of(label: Label) -> float:
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor]
    return label.x - share * width(label.text, 10 * label.size)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.mark.parametrize("count", [1, 3, 50, 1000])
@pytest.mark.parametrize("kind", ["version", "time", "step"])
def test_nothing_leaves_the_picture_and_no_marks_touch(count: int, kind: Kind) -> None:
    made = drawn(
        *(wave(f"team/a-rather-long-name-of-a-branch-{n}", count, n) for n in range(3)), kind=kind
    )
    for label in labels(made):
        assert left_of(label) >= 0
        assert left_of(label) + width(label.text, 10 * label.size) <= made.width
        assert 0 <= label.y <= made.height
    for shape in made.shapes:
        if isinstance(shape, Polyline):
            assert all(0 <= x <= made.width and 0 <= y <= made.height for x, y in shape.points)
    below = max(label.y for label in labels(made) if label.anchor == "middle") - 22
    row = sorted(left_of(label) for label in labels(made) if abs(label.y - below) < 1)
    texts = [label for label in labels(made) if abs(label.y - below) < 1]
    for start, label, after in zip(row, sorted(texts, key=left_of), row[1:], strict=False):
        assert start + width(label.text, 10 * label.size) <= after


def test_twelve_lines_are_told_apart_and_named_beside_the_data() -> None:
    made = drawn(*(wave(f"b{n}", 30, n) for n in range(12)))
    lines = [s for s in made.shapes if isinstance(s, Polyline) and s.title]
    assert len({(line.colour, line.dash) for line in lines}) == 12
    data = max(x for line in lines for x, _ in line.points if len(line.points) > 2)
    legend = [label for label in labels(made) if label.text.startswith("b")]
    assert len(legend) == 12
    assert all(label.x > data for label in legend)
    assert "version" in {label.text for label in labels(made)}


def test_an_svg_keeps_its_text_as_text() -> None:
    title = "日本語のタイトル <&> 🎉 " * 12
    root = ElementTree.fromstring(picture(drawn(wave("a", 5), wave("b", 5), title=title)).encode())
    assert root.get("font-family") == FAMILY
    texts = list(root.iter(f"{SVG}text"))
    assert not any(element.get("textLength") for element in texts)
    said = {element.text for element in texts}
    assert {"a", "b", "loss", "version"} <= said
    (heading,) = (text for text in said if text is not None and text.startswith("日本語"))
    assert heading.endswith("…")
    paper = next(iter(root.iter(f"{SVG}rect")))
    assert (paper.get("width"), paper.get("fill")) == ("100%", "#ffffff")


def test_a_png_has_as_many_pixels_as_are_asked_for() -> None:
    made = drawn(wave("a", 1), title="Заголовок 模型 naïve")
    for scale in (1, 2):
        image = Image.open(io.BytesIO(ink.png(made, scale)))
        assert image.size == (made.width * scale, made.height * scale)
        colours = {pixel for _, pixel in image.getcolors(1 << 20) or ()}
        assert figure.COLOURS[0] in colours  # the one point is seen
        heading = image.crop((0, 0, image.width, 45 * scale)).convert("L")
        assert heading.getextrema()[0] < 80  # and the title
    with pytest.raises(ValueError, match="too many"):
        ink.png(made, 20)


def test_dashes_leave_gaps() -> None:
    made = Drawing("", 100, 10, fixed=False)
    made.line([(0, 5), (40, 5), (100, 5)], (0, 0, 0), 2, dash=(10, 10))
    image = Image.open(io.BytesIO(ink.png(made))).convert("L")
    inked = [image.getpixel((x, 5)) for x in (5, 15, 25, 35, 45, 55, 65, 75)]
    assert [value < 128 for value in map(int, inked)] == [True, False] * 4  # type: ignore[arg-type]


def test_plot_with_a_real_font_and_without(
    mvc: Mvc, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, own, page = (tmp_path / name for name in ("a.png", "b.png", "c.svg"))
    assert mvc("plot", "val.accuracy", "-o", str(real)).out == f"Drawn as {real}\n"
    mvc("plot", "val.accuracy", "lr", "-o", str(page))
    assert ElementTree.parse(page).getroot().tag == f"{SVG}svg"
    for suffix in ("svg", "png", "html"):
        mvc("diff", "v1", "v2", "--plot", str(tmp_path / f"d.{suffix}"))
        mvc("lineage", "--plot", str(tmp_path / f"l.{suffix}"))
        assert (tmp_path / f"l.{suffix}").stat().st_size > 500
    assert size_of(real) == (960, 536)
    assert "too many" in mvc("plot", "val.accuracy", "-o", str(own), "--scale", "8", code=2).err
    assert not own.exists()
    monkeypatch.setitem(sys.modules, "PIL", None)  # as if it were not installed
    out = mvc("plot", "val.accuracy", "-o", str(own), "--scale", "2").out
    assert (
        out.splitlines()[1] == "pip install 'mvcd[plots]'  draws it with the letters of a real font"
    )
    assert size_of(own) > (1900, 700)
    write(Drawing("x", 10, 10), tmp_path / "e.png", scale=2)
    assert size_of(tmp_path / "e.png") == (20, 20)
