"""Who commits and what became of it, apart from `results` for the sake of `commit`: it loads no other class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from mvcd.ids import VersionId
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.objects.version import Component


@dataclass(frozen=True, slots=True)
class ComponentCommit:
    """What a commit made of one component; `size` is bytes of all its files."""

    changed: bool
    files: int
    size: int


class CommitResult(NamedTuple):
    version: VersionId
    number: int
    branch: str
    started_branch: bool  # the branch was made for this version, since HEAD was on an old one
    files: int
    bytes_total: int
    bytes_changed: int  # raw bytes of new or changed files
    bytes_new: int  # raw bytes of chunks the store did not have
    bytes_stored: int  # bytes added to the store
    components: Mapping[Component, ComponentCommit]
    skipped: tuple[tuple[str, str], ...] = ()  # (path, reason)
    leading_out: tuple[
        tuple[str, str], ...
    ] = ()  # (path, target) of new links out of the workspace
    signer: str | None = None  # fingerprint of the key that signed the version
    unparsed: tuple[
        tuple[str, str], ...
    ] = ()  # new files with settings or metrics not understood, why
    unfound_bases: tuple[
        tuple[str, str], ...
    ] = ()  # lines of [bases] in mvc.toml that were of no use, and why
    dubious: tuple[tuple[str, str], ...] = ()  # new (path, what it seems to be), seldom meant


@dataclass(frozen=True, slots=True)
class Context:
    """Who acts and when, told by the face: the engine reads no clock and no environment."""

    author: str
    time_us: int
    utc_offset_minutes: int = 0
    command: tuple[str, ...] = field(default=())
    host: str = ""
    python: str = ""
    packages_digest: str = ""
    git_commit: str = ""
    git_dirty: bool = False
