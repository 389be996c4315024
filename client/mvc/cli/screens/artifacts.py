"""What `mvc oci` tells: what went or came, by which digest, and how much of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.integrations.oci import PulledArtifact, PushedArtifact


def pushed(done: PushedArtifact) -> Iterator[str]:
    yield f"Pushed v{done.number} {text.short(done.version)} to {text.safe(done.address)}"
    yield f"  {done.digest}"
    sent = f"{text.size(done.bytes_sent)} of {text.size(done.bytes_total)} sent"
    yield f"  {text.plural(done.files, 'file')}, {sent}"


def pulled(done: PulledArtifact) -> Iterator[str]:
    at = f"v{done.number} {text.short(done.version)}"
    address, branch = text.safe(done.address), text.safe(done.branch)
    if done.new:
        yield f"Pulled {address} into {branch}: {at}"
    else:
        yield f"{branch} has {address} already: {at}"
    yield f"  {done.digest}"
    came = f"{text.size(done.bytes_received)} of {text.size(done.bytes_total)} received"
    yield f"  {text.plural(done.files, 'file')}, {came}"


def pushed_document(done: PushedArtifact) -> dict[str, Any]:
    return asdict(done)


def pulled_document(done: PulledArtifact) -> dict[str, Any]:
    return asdict(done)
