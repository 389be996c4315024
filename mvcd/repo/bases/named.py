"""The model that a model was made from, as the config.json beside it says: transformers' `_name_or_path`."""

from __future__ import annotations

import json
import os
from typing import Final

MAX_CONFIG_BYTES: Final = 1 << 20


def named_beside(place: str) -> str:
    """The last part of that name: a directory's, a repository's on a hub. "" where nothing is told."""
    try:
        with open(os.path.join(os.path.dirname(place), "config.json"), "rb") as file:
            told = json.loads(file.read(MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError):
        return ""
    name = told.get("_name_or_path") if isinstance(told, dict) else None
    return os.path.basename(name.rstrip("/")) if isinstance(name, str) else ""


def lies_in(path: str, name: str) -> bool:
    """Whether a file lies in a directory of that name, at any depth."""
    return bool(name) and name in path.split("/")[:-1]
