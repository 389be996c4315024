"""Drawings as files; the form follows from the name."""

from __future__ import annotations

import os

from mvc.api.errors import UsageError
from mvc.pictures.drawing import Drawing
from mvc.pictures.page import html
from mvc.pictures.raster import png

SUFFIXES = (".png", ".html")


def check_name(path: str | os.PathLike[str], *, option: str = "--plot") -> None:
    """Raises UsageError unless the name says which form is wanted."""
    if not os.fspath(path).lower().endswith(SUFFIXES):
        raise UsageError(
            f"{os.fspath(path)} does not say which kind of picture it is to be",
            cause="pictures are written as .png or .html",
            help=f"{option} picture.png",
        )


def write(drawing: Drawing, path: str | os.PathLike[str]) -> None:
    """Raises UsageError for a name that is no picture's, OSError where it cannot be written."""
    check_name(path)
    form = png(drawing) if os.fspath(path).lower().endswith(".png") else html(drawing).encode()
    with open(path, "wb") as file:
        file.write(form)
