"""What fetch, pull, push and clone tell: refs, then what travelled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from mvc.api.version_paths import long_form, written
from mvc.cli import documents, text

if TYPE_CHECKING:
    from mvc.api.picks import Picked
    from mvc.api.remotes import Clash, Clone, Fetch, Merge, MovedRef, Pull, Push

_SPACES = ("heads/", "tags/", "stages/", "signatures/", "auto/")
_COUNTED = {"signatures/": "signature", "notes/": "annotation"}
_SHOWN_LINES = 20
_LINE_COLUMNS = 76
"""Columns of a line that names all stages."""


def moved(refs: Iterable[MovedRef], place: str) -> list[str]:
    """One line a ref; signatures and annotations only by number, and so the records of stages, with the
    stages' names."""
    rows = []
    counts = dict.fromkeys(_COUNTED, 0)
    records: list[str] = []
    for ref in refs:
        if (stage := _stage_of(ref)) is not None:
            records.append(stage)
            continue
        space = f"{ref.name.partition('/')[0]}/"
        if space in counts:
            counts[space] += 1
            continue
        rows.append((*_step(ref), text.safe(_named(ref.name, place))))
    lines = text.table(rows[:_SHOWN_LINES])
    if len(rows) > _SHOWN_LINES:
        lines.append(f"  ... and {len(rows) - _SHOWN_LINES:,} more refs")
    if records:
        said = f"{text.plural(len(records), 'stage record')}: {', '.join(dict.fromkeys(records))}"
        lines.append("  " + text.cut(text.safe(said), _LINE_COLUMNS))
    lines += [f"  {text.plural(n, _COUNTED[space])}" for space, n in counts.items() if n]
    return lines


def _stage_of(ref: MovedRef) -> str | None:
    """The stage that a new record is of: `stages/production/00000003`, of a remote or not."""
    parts = ref.name.split("/")
    if parts[0] == "remotes":
        parts = parts[2:]
    new = ref.old is None and len(parts) > 2 and parts[0] == "stages"
    return "/".join(parts[1:-1]) if new else None


def _step(ref: MovedRef) -> tuple[str, str]:
    if ref.new is None:
        return click.style("  gone", fg="red"), text.short(ref.old or "")
    if ref.old is None:
        return click.style("  new", fg="green"), text.short(ref.new)
    return "  moved", f"{text.short(ref.old)} -> {text.short(ref.new)}"


def _named(name: str, place: str) -> str:
    if name.startswith("remotes/"):
        remote, space, rest = name.removeprefix("remotes/").split("/", 2)
        return f"{remote}/{rest}" if space == "heads" else f"{remote}/{space}/{rest}"
    short = written(name) if name.startswith("heads/") else long_form(name)
    return f"{short}  ({place})" if place else short


def travelled(done: Fetch | Push) -> str:
    parts = [text.plural(done.versions, "version"), text.plural(done.objects, "object")]
    return f"{', '.join(parts)}, {text.size(done.bytes)}"


def fetched(done: Fetch) -> Iterator[str]:
    if not done.moved:
        yield f"Nothing new at {text.safe(done.remote or done.url)}"
        return
    yield f"Fetched {travelled(done)} from {text.safe(done.remote or done.url)}"
    yield from moved((m for m in done.moved if not _echo(m, done)), "")


def _echo(ref: MovedRef, done: Fetch) -> bool:
    """A tag that came here need not be shown again as the remote's."""
    return ref.name.startswith(f"remotes/{done.remote}/tags/")


def receipt(done: Push) -> Iterator[str]:
    where = text.safe(done.remote or done.url)
    if not done.moved:
        yield f"Everything is up to date at {where}"
    elif done.dry_run:
        yield f"Would push to {where}:"
    else:
        yield f"Pushed {travelled(done)} to {where}"
    yield from moved(done.moved, "")
    if done.moved and not done.dry_run:
        yield (
            f"  verified there: {text.plural(done.verified_objects, 'object')}, "
            f"{text.size(done.verified_bytes)} unpacked; what these refs point to is there whole"
        )
    if done.made:
        yield f"  the repository is new there: {text.safe(done.url)}"
    if done.healed:
        yield f"  healed {text.plural(done.healed, 'damaged object')} at {where}"
    if done.damaged:
        are = "object is" if done.damaged == 1 else "objects are"
        yield (
            f"  {done.damaged:,} {are} damaged at {where}, and could not be healed from here; "
            "mvc verify --remote  tells more"
        )


def _refs(refs: Iterable[MovedRef]) -> list[dict[str, Any]]:
    return [{"name": r.name, "old": r.old, "new": r.new} for r in refs]


def fetch_document(done: Fetch) -> dict[str, Any]:
    return {
        "remote": done.remote or None,
        "url": done.url,
        "refs": _refs(done.moved),
        "versions": done.versions,
        "objects": done.objects,
        "bytes": done.bytes,
    }


def pull_document(done: Pull) -> dict[str, Any]:
    return {
        **fetch_document(done.fetched),
        "branch": done.branch,
        "old": done.old,
        "new": done.new,
        "checkout": None if done.checkout is None else documents.checkout(done.checkout),
        "merge": None if done.merged is None else merge_document(done.merged),
    }


def clone_document(done: Clone) -> dict[str, Any]:
    return {
        **fetch_document(done.fetched),
        "root": done.root,
        "branch": done.branch,
        "checkout": None if done.checkout is None else documents.checkout(done.checkout),
    }


def push_document(done: Push) -> dict[str, Any]:
    return {
        "remote": done.remote or None,
        "url": done.url,
        "dry_run": done.dry_run,
        "refs": _refs(done.moved),
        "versions": done.versions,
        "objects": done.objects,
        "bytes": done.bytes,
        "verified_objects": done.verified_objects,
        "verified_bytes": done.verified_bytes,
        "healed": done.healed,
        "damaged": done.damaged,
        "made": done.made,
    }


def clashes(found: Sequence[Clash]) -> list[str]:
    """What both sides changed, and how."""
    lines = text.table(
        (
            click.style("  conflict", fg="red"),
            text.safe(c.path),
            c.component.value,
            f"{c.ours} here, {c.theirs} there",
        )
        for c in found[:_SHOWN_LINES]
    )
    if len(found) > _SHOWN_LINES:
        lines.append(f"  ... and {len(found) - _SHOWN_LINES:,} more conflicts (--json lists all)")
    return lines


def clash_document(clash: Clash) -> dict[str, str]:
    """`ours` and `theirs` are "added", "changed" or "deleted"."""
    return {
        "path": clash.path,
        "component": clash.component.value,
        "ours": clash.ours,
        "theirs": clash.theirs,
    }


def resolved(found: Iterable[tuple[Clash, str]]) -> list[str]:
    return text.table((f"  {side}", text.safe(c.path), c.component.value) for c, side in found)


def picked_document(done: Picked) -> dict[str, Any]:
    return {
        "commit": documents.commit(done.commit),
        "resolved": [{**clash_document(clash), "side": side} for clash, side in done.resolved],
    }


def merge_document(done: Merge) -> dict[str, Any]:
    return {
        "head": documents.head(done.head),
        "base": done.base,
        "commit": None if done.commit is None else documents.commit(done.commit),
        "checkout": None if done.checkout is None else documents.checkout(done.checkout),
        "resolved": [{**clash_document(clash), "side": side} for clash, side in done.resolved],
    }
