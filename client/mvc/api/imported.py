"""The outcome of bringing names, and the options of git that are safe: importers need them besides `Repo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mvcd.daemon.surroundings import SAFE_GIT

SAFE_GIT_OPTIONS = SAFE_GIT[1:]
"""Options with which git runs nothing that a repository brings."""


@dataclass(frozen=True, slots=True)
class ImportedNames:
    """Outcome of bringing names: branches and tags that are new or moved; those that were left as they are,
    with the reason; and lines that nothing else reaches."""

    branches: tuple[str, ...]
    tags: tuple[str, ...]
    left: Mapping[str, str]
    kept: tuple[str, ...]
