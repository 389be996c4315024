"""Results of an import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mvc.api.results import CheckoutResult


@dataclass(frozen=True, slots=True)
class AbsentContent:
    """Content that no cache has: where it belongs in which commit, and the digest that names it."""

    path: str
    digest: str
    commit: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Result of an import: what came, from what, and what is not as it was at the source."""

    kind: str
    source: str
    root: str
    versions: int  # made now
    versions_before: int  # imported by an earlier run
    branches: tuple[str, ...]  # new or moved
    tags: tuple[str, ...]
    source_bytes: Mapping[str, int]  # what the content took there, by place: "DVC's cache"
    stored_bytes: int  # what the store grew by
    renamed: tuple[tuple[str, str], ...] = ()  # (name at the source, name here)
    left: tuple[tuple[str, str], ...] = ()  # (name that was not moved, why)
    absent: tuple[AbsentContent, ...] = ()  # pointers to it stay as they are
    left_out: tuple[tuple[str, str], ...] = ()  # (path, why no version has it)
    notes: tuple[str, ...] = ()
    checkout: CheckoutResult | None = None
