"""Images in files: of matplotlib, Pillow or numpy, or files that are there already."""

from __future__ import annotations

import os
import shutil
from typing import Any

from mvc.api import errors

SUFFIXES = (".jpg", ".jpeg", ".gif", ".png")


def name_of(name: str, image: Any) -> str:
    """The name with a suffix, that of `image` if it is a file. Raises UsageError where there is none."""
    if isinstance(image, (str, os.PathLike)) and not os.path.splitext(name)[1]:
        name += os.path.splitext(image)[1]
    if not name.lower().endswith(SUFFIXES):
        raise errors.UsageError(
            f"{name!r} is no name of an image", help=f"a name that ends with {' '.join(SUFFIXES)}"
        )
    return name


def write(image: Any, path: str) -> None:
    """Raises UsageError of what is no image, and OSError."""
    if isinstance(image, (str, os.PathLike)):
        if os.path.splitext(image)[1].lower() == os.path.splitext(path)[1].lower():
            shutil.copyfile(image, path)
        else:
            with _pillow().open(image) as opened:
                opened.save(path)
    elif callable(getattr(image, "savefig", None)):  # a figure of matplotlib
        image.savefig(path)
    elif hasattr(image, "dtype"):  # an array
        _pillow().fromarray(image).save(path)
    elif callable(getattr(image, "save", None)):  # an image of Pillow
        image.save(path)
    else:
        raise errors.UsageError(
            f"{type(image).__name__} is no image",
            help="a path, an array of numpy, a figure of matplotlib, or an image of Pillow",
        )


def _pillow() -> Any:
    try:
        from PIL import Image  # late: an extra
    except ImportError as missing:
        raise errors.UsageError(
            "an image from an array, or of another format, needs Pillow", kind="not-installed",
            cause=str(missing), help="pip install pillow",
        ) from None  # fmt: skip
    return Image
