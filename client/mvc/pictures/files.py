"""Drawings as files; the form follows from the name."""

from __future__ import annotations

import os

from mvc.api.errors import UsageError
from mvc.pictures import ink
from mvc.pictures.drawing import Drawing
from mvc.pictures.page import html, picture
from mvc.pictures.raster import png

SUFFIXES = (".png", ".svg", ".html")


def check_name(path: str | os.PathLike[str], *, option: str = "--plot") -> None:
    """Raises UsageError unless the name says which form is wanted."""
    if not os.fspath(path).lower().endswith(SUFFIXES):
        raise UsageError(
            f"{os.fspath(path)} does not say which kind of picture it is to be",
            cause="pictures are written as .png, .svg or .html",
            help=f"{option} picture.png",
        )


def has_fonts(path: str | os.PathLike[str]) -> bool:
    """Whether a picture of that name has the letters of a real font: each SVG, and a PNG where Pillow is."""
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    return suffix == ".svg" or (suffix == ".png" and ink.is_there())


def write(drawing: Drawing, path: str | os.PathLike[str], *, scale: float = 1.0) -> None:
    """`scale`: pixels of a PNG for each of the drawing's.

    Raises UsageError for a name that is no picture's, and for too large a picture; OSError where it cannot be
    written.
    """
    check_name(path)
    name = os.fspath(path).lower()
    if name.endswith(".png"):
        try:
            form = ink.png(drawing, scale) if ink.is_there() else png(drawing, scale)
        except ValueError as error:
            raise UsageError(str(error), help="draw less, or write an .svg") from None
    else:
        form = (picture(drawing) if name.endswith(".svg") else html(drawing)).encode()
    with open(path, "wb") as file:
        file.write(form)
