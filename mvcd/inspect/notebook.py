"""The source of a Jupyter notebook (nbformat 4): its cells' text, without outputs, counters and identifiers."""

from __future__ import annotations

import json


def source(data: bytes) -> bytes | None:
    """One cell after another, each with a newline at its end; None for what is no notebook. Bounded by the
    caller's bound on `data`."""
    try:
        cells = json.loads(data)["cells"]
        texts = ["".join(cell["source"]) for cell in cells]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    lines = [text if text.endswith("\n") else text + "\n" for text in texts if text]
    return "".join(lines).encode("utf-8", "replace")
