"""`mvc plot`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

import click

from mvc.api.errors import Failure
from mvc.cli.face import Face
from mvc.cli.options import Option, verb

if TYPE_CHECKING:
    from mvc.api.search import Point, Series
    from mvc.pictures.axis import Kind
    from mvc.pictures.chart import Panel


@verb("plot")
@click.argument("metrics", nargs=-1, required=True, metavar="METRIC...")
@click.option(
    "--rev", default="HEAD", metavar="REV", help="Draw the line that ends at REV. [default: HEAD]"
)
@click.option(
    "--branch",
    "branches",
    multiple=True,
    metavar="NAME",
    help="Draw the line of this branch; several are overlaid.",
)
@click.option(
    "--x", "kind", type=click.Choice(["version", "time", "step"]), default="version",
    help="What the x axis shows: versions, time, or steps: those within the newest version's training, if its"
    " files have them, else the step or epoch that each version records.",
)  # fmt: skip
@click.option("--log", is_flag=True, help="Use a logarithmic y axis.")
@click.option(
    "--where", metavar="EXPR", help="Draw only versions for which EXPR holds: mvc log --help."
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), metavar="FILE",
    help="Write the picture to FILE.png, FILE.svg or FILE.html.",
)  # fmt: skip
@click.option(
    "--scale", cls=Option, type=click.FloatRange(0.5, 8), default=1.0, metavar="N",
    help="Draw a PNG with N times as many pixels each way. [default: 1]",
)  # fmt: skip
@click.pass_obj
def command(
    face: Face,
    metrics: tuple[str, ...],
    rev: str,
    branches: tuple[str, ...],
    kind: Kind,
    log: bool,
    where: str | None,
    output: str | None,
    scale: float,
) -> None:
    """Draw metrics or numeric hyperparameters over history, in the terminal or as a picture.

    \b
    mvc plot val_acc loss
    mvc plot loss --branch main --branch wide --x step --log -o loss.png

    An SVG has its text as text, in the font that the reader has. A PNG has the letters of a real font where
    Pillow is installed (pip install 'mvcd[plots]'), else small ones of mvc's own; --scale 2 is sharp on fine
    screens and in print.
    """
    from mvc.cli.screens import plot as screen  # late: start-up

    if output is not None:
        from mvc.pictures.files import check_name  # late: start-up

        check_name(output, option="-o")
    found = face.repo.series(*metrics, revs=branches or (rev,), where=where, steps=kind == "step")
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    panels = _panels(found, kind, zone, log=log)
    if output is not None:
        from mvc.pictures.files import has_fonts  # late: start-up

        real = has_fonts(output)
        title = f"{', '.join(metrics)}: {', '.join(branches or (rev,))}"
        _write(panels, title, kind, output, real=real, scale=scale)
    if face.json:
        document = {"x": kind, "series": screen.document(found)}
        face.answer(document if output is None else {**document, "plot": output})
    elif output is None:
        width = min(shutil.get_terminal_size().columns, 120)
        dots = (sys.stdout.encoding or "").lower().startswith("utf")
        face.page(screen.lines(panels, width, dots=dots))
    else:
        face.say(f"Drawn as {output}")
        if not real and output.lower().endswith(".png"):
            face.hint("pip install 'mvcd[plots]'  draws it with the letters of a real font")


def _write(
    panels: Sequence[Panel], title: str, kind: Kind, path: str, *, real: bool, scale: float
) -> None:
    from mvc.pictures import chart, figure  # late: start-up
    from mvc.pictures.files import write

    drawing = figure.draw(panels, title, kind) if real else chart.draw(panels, title)
    write(drawing, path, scale=scale)


def _panels(found: Sequence[Series], kind: Kind, zone: tzinfo, *, log: bool) -> list[Panel]:
    from mvc.pictures.chart import Line, panel  # late: start-up

    panels = []
    for metric in dict.fromkeys(series.metric for series in found):
        lines = [
            Line(
                series.rev,
                tuple((x, p.value) for p in series.points if (x := _along(p, kind)) is not None),
            )
            for series in found
            if series.metric == metric
        ]
        made = panel(metric, lines, kind, zone, log=log)
        if made is None:
            raise _nothing_to_draw(metric, kind)
        panels.append(made)
    return panels


def _along(point: Point, kind: Kind) -> float | None:
    if kind == "time":
        return point.time.timestamp()
    return point.step if kind == "step" else float(point.number)


def _nothing_to_draw(metric: str, kind: Kind) -> Exception:
    if kind == "step":
        return Failure(
            f"no version with {metric} records a step", kind="no-step",
            cause="it is one of step, global_step, iteration, epoch among metrics or hyperparameters",
            help=f"mvc plot {metric} --x version",
        )  # fmt: skip
    return Failure(
        f"no value of {metric} is above 0", kind="no-positive",
        cause="a logarithmic axis has no place for others", help=f"mvc plot {metric}",
    )  # fmt: skip
