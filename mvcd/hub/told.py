"""Moments and messages as the Hub tells them."""

from __future__ import annotations

from datetime import UTC, datetime

from mvcd.objects.version import Version


def iso(time_us: int) -> str:
    """A moment as the Hub writes it: UTC, milliseconds."""
    moment = datetime.fromtimestamp(time_us / 1e6, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def title_of(version: Version) -> str:
    """The first line of a version's message."""
    return version.message.partition("\n")[0]
