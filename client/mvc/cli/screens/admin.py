"""Accounts and audit logs on a screen and as JSON."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.audit import AuditEntry
    from mvc.api.backup import StoreBackup
    from mvc.api.team import (
        Account,
        AccountGrant,
        AccountToken,
        HostedRepository,
        RefRule,
        StorageQuota,
    )


def document(value: Any) -> dict[str, Any]:
    """Any of the values above: its fields, times as ISO 8601."""
    return {name: _plain(found) for name, found in dataclasses.asdict(value).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _now() -> datetime:
    return datetime.now().astimezone()


def user(one: Account) -> tuple[str, ...]:
    kind = "service" if one.service else "user"
    return (
        _name(one.name),
        kind,
        text.when(one.created, _now()),
        text.safe(", ".join(one.certificates)),
    )


def token(one: AccountToken) -> tuple[str, ...]:
    now = _now()
    state = one.state
    if state == "good":
        state = "never expires" if one.expires is None else f"until {one.expires:%Y-%m-%d}"
    else:
        state = click.style(state, fg="red")
    used = "unused" if one.last_used is None else f"used {text.when(one.last_used, now)}"
    cut = [f"{s.role} in {s.repos}" + _refs(s.refs) for s in one.scopes or ()]
    scopes = ", ".join(cut) if one.scopes is not None else "all"
    return (
        click.style(one.id, fg="yellow"),
        _name(one.user),
        state,
        used,
        scopes,
        text.safe(one.note),
    )


def grant(one: AccountGrant) -> tuple[str, ...]:
    return _name(one.user), one.role, one.repos, one.refs


def rule(one: RefRule) -> tuple[str, ...]:
    words = [
        "no deletion" if one.no_delete else "",
        "only forward" if one.fast_forward else "",
        "" if one.allow is None else f"only by {', '.join(one.allow)}",
        "" if one.signers is None else f"signed by {text.plural(_keys(one.signers), 'key')}",
    ]
    return click.style(one.refs, bold=True), one.repos, ", ".join(filter(None, words)) or "nothing"


def repository(one: HostedRepository) -> tuple[str, ...]:
    return _name(one.name), text.short(one.id), text.when(one.created, _now())


def quota(one: StorageQuota) -> tuple[str, ...]:
    return one.repos, one.user or "everybody", text.size(one.limit)


def store(one: StoreBackup) -> tuple[str, ...]:
    return (
        _name(one.path),
        text.plural(one.refs, "ref"),
        text.plural(one.objects, "object"),
        text.size(one.bytes),
        f"audit {one.audit_rows} {text.short(one.audit)}" if one.audit_rows else "",
    )


def entry(one: AuditEntry) -> tuple[str, ...]:
    return (
        click.style(str(one.number), fg="yellow"),
        text.when(one.time, _now()),
        text.safe(one.who),
        text.safe(one.action),
        text.safe(_told(one.detail)),
    )


def _told(detail: dict[str, Any]) -> str:
    """Moves of refs as `heads/main 0a1b2c3d4e..5f6a7b8c9d`, other things as name=value."""
    if isinstance(moves := detail.get("refs"), list):
        return ", ".join(_move(*move) for move in moves)
    rule = detail.get("rule")
    found = rule if isinstance(rule, dict) else detail
    shown = {
        key.removesuffix("_us"): _said(key, value)
        for key, value in sorted(found.items())
        if value not in (None, "", False) and key != "signers"
    }
    return "  ".join(f"{key}={value}" for key, value in shown.items())


def _move(name: str, old: str | None, new: str | None) -> str:
    return f"{name} {text.short(old or '-')}..{text.short(new or '-')}"


def _said(key: str, value: Any) -> str:
    if key.endswith("_us"):
        return f"{datetime.fromtimestamp(value / 1e6).astimezone():%Y-%m-%d}"
    if key == "limit":
        return text.size(value).replace(" ", "")
    if key == "scopes":
        return ",".join(f"{s['role']}:{s['repos']}:{s['refs']}" for s in value)
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(name: str) -> str:
    return click.style(text.safe(name), fg="magenta")


def _refs(refs: str) -> str:
    return "" if refs == "**" else f" ({refs})"


def _keys(signers: str) -> int:
    lines = (line.strip() for line in signers.splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))
