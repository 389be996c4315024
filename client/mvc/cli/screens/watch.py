"""`mvc watch --status`: per workspace, what was saved last and what is waiting for what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from mvc.cli import text

_SHOWN = 10


def lines(workspaces: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not workspaces:
        yield "No workspace is under care: mvc watch DIR"
    for workspace in workspaces:
        yield from _workspace(workspace)


def _workspace(found: Mapping[str, Any]) -> Iterator[str]:
    yield click.style(text.safe(found["root"]), bold=True)
    why = f" ({text.safe(found['why'])})" if found["why"] else ""
    yield f"  {found['state']}{why}"
    last = found["last_save"]
    if last is not None:
        saved = datetime.fromtimestamp(last["time_us"] / 1e6, UTC).astimezone()
        when = text.when(saved, datetime.now(UTC).astimezone())
        yield f"  saved v{last['number']} {when}: {text.safe(last['message'].splitlines()[0])}"
    if found.get("push") is not None:
        yield f"  {_push(found['push'])}"
    for waiting in found["waiting"][:_SHOWN]:
        stuck = ", stuck" if waiting["stuck"] else ""
        name, reason = text.safe(waiting["set"]), text.safe(waiting["reason"])
        yield f"  waiting {waiting['age']:.0f} s{stuck}: {name}: {reason}"
    yield from _more(found["waiting_count"] - _SHOWN, "waiting")
    for skipped in found["skipped"][:_SHOWN]:
        yield f"  not saved by itself: {text.safe(skipped['path'])}: {text.safe(skipped['reason'])}"
    yield from _more(found["skipped_count"] - _SHOWN, "not saved by itself")


def _push(push: Mapping[str, Any]) -> str:
    remote, why = text.safe(push["remote"]), text.safe(push["why"])
    what = f"v{push['number']} " if push["number"] else ""
    match push["state"]:
        case "pushed":
            at = datetime.fromtimestamp(push["time_us"] / 1e6, UTC).astimezone()
            return f"pushed {what}to {remote} {text.when(at, datetime.now(UTC).astimezone())}"
        case "waiting":
            return f"waiting for {remote}: {why}; next try in {push['next_seconds']:.0f} s"
        case "refused":
            return f"not pushed to {remote}: {why}"
        case _:
            return f"pushing {what}to {remote}"


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"  and {count} more {what}"
