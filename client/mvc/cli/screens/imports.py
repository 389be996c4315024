"""What `mvc import` tells: what came, what it takes now, and what is not as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mvc.cli import documents, text
from mvc.cli.screens import moved

if TYPE_CHECKING:
    from mvc.importers.results import ImportResult

_SHOWN_LINES = 10


def lines(done: ImportResult) -> Iterator[str]:
    where = text.safe(done.root)
    if done.versions or done.branches or done.tags:
        parts = [text.plural(done.versions, "version")]
        parts += [text.plural(len(done.branches), "branch", "branches")] * bool(done.branches)
        parts += [text.plural(len(done.tags), "tag")] * bool(done.tags)
        yield f"Imported {', '.join(parts)} from {text.safe(done.source)} into {where}"
    else:
        yield f"Nothing new in {text.safe(done.source)}"
    if done.versions_before:
        yield f"  {text.plural(done.versions_before, 'version')} had come before"
    if done.versions:
        from_ = [f"{text.size(size)} in {place}" for place, size in done.source_bytes.items()]
        yield f"  {', '.join(from_)} -> {text.size(done.stored_bytes)}"
    for old, new in done.renamed[:_SHOWN_LINES]:
        yield f"  {text.safe(old)} is called {text.safe(new)} here"
    if done.checkout is not None:
        yield from moved.lines(done.checkout, moved=True)


def doubts(done: ImportResult) -> Iterator[str]:
    """What a person has to know, and may have to do something about."""
    for name, why in done.left:
        yield f"{name} was not moved: {why}"
    for absent in done.absent[:_SHOWN_LINES]:
        still = "is in no version of" if done.kind == "hf" else "is a pointer still in"
        yield f"{absent.path} {still} commit {absent.commit[:12]}: {absent.digest} is missing"
    for path, why in done.left_out[:_SHOWN_LINES]:
        yield f"{path} is in no version: {why}"
    for found in (done.absent, done.left_out):
        if len(found) > _SHOWN_LINES:
            yield f"{len(found) - _SHOWN_LINES} more of that kind (--json lists all)"
    yield from done.notes


def document(done: ImportResult) -> dict[str, Any]:
    return {
        "kind": done.kind,
        "source": done.source,
        "root": done.root,
        "versions": done.versions,
        "versions_before": done.versions_before,
        "branches": list(done.branches),
        "tags": list(done.tags),
        "source_bytes": dict(done.source_bytes),
        "stored_bytes": done.stored_bytes,
        "renamed": [{"source": old, "name": new} for old, new in done.renamed],
        "left": [{"name": name, "why": why} for name, why in done.left],
        "absent": [{"path": a.path, "digest": a.digest, "commit": a.commit} for a in done.absent],
        "left_out": [{"path": path, "why": why} for path, why in done.left_out],
        "notes": list(done.notes),
        "checkout": None if done.checkout is None else documents.checkout(done.checkout),
    }
