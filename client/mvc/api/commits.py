"""The result of a commit."""

from __future__ import annotations

from collections.abc import Mapping

from mvcd.lateclasses import dataclass
from mvcd.objects.version import Component
from mvcd.repo.records.committed import ComponentCommit

WITHOUT_CONTENT = frozenset({"a fifo", "a socket", "a device", "metadata of another repository"})
"""Reasons for which something is skipped that no version could hold anyway."""


@dataclass(frozen=True, slots=True)
class CommitResult:
    """Result of a commit. `started_branch`: HEAD was on an old version, so `branch` was made for it."""

    version: str
    number: int
    branch: str
    started_branch: bool
    files: int
    bytes_total: int
    bytes_changed: int  # raw bytes of new or changed files
    bytes_new: int  # raw bytes of chunks the store did not have
    bytes_stored: int  # bytes added to the store
    components: Mapping[Component, ComponentCommit]
    skipped: tuple[tuple[str, str], ...] = ()  # (path, why it is not in the version)
    leading_out: tuple[
        tuple[str, str], ...
    ] = ()  # (path, target) of new links out of the workspace
    signer: str | None = None  # fingerprint of the key that signed the version
    unparsed: tuple[tuple[str, str], ...] = ()  # (path, why its settings or metrics are not known)
    unfound_bases: tuple[
        tuple[str, str], ...
    ] = ()  # (line of [bases] in mvc.toml, why it was of no use and what helps)
    dubious: tuple[tuple[str, str], ...] = ()  # new (path, what it seems to be), seldom meant

    @property
    def unsaved(self) -> tuple[tuple[str, str], ...]:
        """The part of `skipped` that has content, which the version now lacks: no fifo, socket or device."""
        return tuple((path, why) for path, why in self.skipped if why not in WITHOUT_CONTENT)
