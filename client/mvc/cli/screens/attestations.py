"""What `mvc verify-attestation` tells: what was signed, and which files are not as they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.integrations.attestations import Attestation

_SHOWN_FILES = 20
"""Files of each kind that are named; --json names all."""


def lines(found: Attestation) -> Iterator[str]:
    kind = "a model's files" if found.kind == "model-signing" else "what made the files (SLSA)"
    yield f"good signature over {kind}, by key {found.key[:16]}"
    if found.version:
        yield f"  says it is about version {text.short(found.version)}"
    if found.builder:
        yield f"  builder {text.safe(found.builder)}"
    if found.ok:
        yield f"  {text.plural(found.files, 'file')}, as signed"
        return
    for word, paths in (
        ("changed", found.changed), ("missing", found.missing), ("not signed", found.extra),
    ):  # fmt: skip
        for path in paths[:_SHOWN_FILES]:
            yield f"  {word}: {text.safe(path)}"
        if len(paths) > _SHOWN_FILES:
            yield f"  {word}: ... and {len(paths) - _SHOWN_FILES:,} more"


def document(found: Attestation) -> dict[str, Any]:
    return {"ok": found.ok, **asdict(found)}
