"""`mvc watch --status`: per workspace, what was saved, what waits for what, and what was missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from mvc.cli import text

_SHOWN_LINES = 10


def lines(workspaces: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not workspaces:
        yield "No workspace is under care: mvc watch DIR"
    for workspace in workspaces:
        yield from _workspace(workspace)


def _workspace(found: Mapping[str, Any]) -> Iterator[str]:
    yield click.style(text.safe(found["root"]), bold=True)
    why = f" ({text.safe(found['why'])})" if found["why"] else ""
    yield f"  {found['state']}{why}{_looks(found)}"
    yield f"  {_counts(found)}"
    last = found["last_save"]
    if last is not None:
        said = text.safe(last["message"].splitlines()[0])
        yield f"  saved v{last['number']} {_ago(last['time_us'])}: {said}"
    if found.get("push") is not None:
        yield f"  {_push(found['push'])}"
    yield from _care(found.get("care", {}))
    for captured in found["captured"][:_SHOWN_LINES]:
        names = text.safe(", ".join(captured["sets"])) or "what was removed"
        size, age = text.size(captured["bytes"]), captured["age"]
        yield f"  captured {age:.0f} s ago, to be saved: {names}  {size}"
    yield from _more(found["captured_count"] - _SHOWN_LINES, "captured")
    for waiting in found["waiting"][:_SHOWN_LINES]:
        stuck = ", stuck" if waiting["stuck"] else ""
        name, reason = text.safe(waiting["set"]), text.safe(waiting["reason"])
        yield f"  waiting {waiting['age']:.0f} s{stuck}: {name}: {reason}"
    yield from _more(found["waiting_count"] - _SHOWN_LINES, "waiting")
    for name in found["leaving"][:_SHOWN_LINES]:
        yield f"  removed, goes with the next version: {text.safe(name)}"
    yield from _more(found["leaving_count"] - _SHOWN_LINES, "removed")
    for miss in found["ledger"]["misses"][: -_SHOWN_LINES - 1 : -1]:
        yield f"  missed {_ago(miss['time_us'])}: {text.safe(miss['path'])}: {text.safe(miss['reason'])}"
    yield from _more(found["ledger"]["missed"] - _SHOWN_LINES, "missed")
    for skipped in found["skipped"][:_SHOWN_LINES]:
        yield f"  not saved by itself: {text.safe(skipped['path'])}: {text.safe(skipped['reason'])}"
    yield from _more(found["skipped_count"] - _SHOWN_LINES, "not saved by itself")


def _care(care: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What mvcd did to the repository by itself."""
    for did, last in care.items():
        ago = _ago(last["time_us"])
        match did:
            case "pruned":
                versions = text.plural(last["versions"], "version")
                yield f"  pruned {versions} {ago}: {text.safe(last['rules'])}"
            case "collected":
                yield f"  freed {text.size(last['bytes'])} {ago}: {text.safe(last['why'])}"
            case "optimized":
                left = f", {last['left']:,} are left" if last["left"] else ""
                packs = text.plural(last["packs"], "pack")
                yield f"  optimized {packs} {ago}: {text.size(last['bytes'])} less{left}"


def _looks(found: Mapping[str, Any]) -> str:
    """When it looked, and when and why it looks next without being told."""
    if found["looked_ago"] is None:
        return ""
    looked = f", looked {found['looked_ago']:.0f} s ago"
    if found["looks_in"] is None or not found["looks_for"]:
        return looked
    return f"{looked}, again in {found['looks_in']:.0f} s for {text.safe(found['looks_for'])}"


def _counts(found: Mapping[str, Any]) -> str:
    waiting = found["captured_count"] + found["waiting_count"]
    ledger = found["ledger"]
    return f"{ledger['saved']} saved, {waiting} waiting, {ledger['missed']} missed"


def _ago(time_us: int) -> str:
    now = datetime.now(UTC).astimezone()
    return text.when(datetime.fromtimestamp(time_us / 1e6, UTC).astimezone(), now)


def _push(push: Mapping[str, Any]) -> str:
    remote, why = text.safe(push["remote"]), text.safe(push["why"])
    what = f"v{push['number']} " if push["number"] else ""
    match push["state"]:
        case "pushed":
            return f"pushed {what}to {remote} {_ago(push['time_us'])}"
        case "waiting":
            return f"waiting for {remote}: {why}; next try in {push['next_seconds']:.0f} s"
        case "refused":
            return f"not pushed to {remote}: {why}"
        case _:
            return f"pushing {what}to {remote}"


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"  and {count} more {what}"
