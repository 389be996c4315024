"""A peer: the other side of a transfer, as eight calls (proto/README.md). `wire.client` carries them over
gRPC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mvcd.errors import MissingObject
from mvcd.ids import Bytes, Digest, VersionId
from mvcd.store.api import RefUpdate
from mvcd.store.frames import RecordFrame


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Limits of one call to a peer; more is asked in several."""

    has_ids: int = 16 << 10
    get_ids: int = 4 << 10
    log_versions: int = 16 << 10
    ref_updates: int = 4 << 10


@dataclass(frozen=True, slots=True)
class Hello:
    """Answer of a peer to Hello: what it says of itself."""

    repo_id: str
    complete: bool  # False: content may be absent by choice
    server: str = ""
    principal: str = ""
    role: str = ""
    damaged: int = 0  # objects known to be damaged there, which count as absent
    features: frozenset[str] = frozenset()
    limits: CallLimits = CallLimits()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Receipt of an update: what the peer holds, verified and durable."""

    changes: int
    objects: int  # of this session
    verified_bytes: int  # raw bytes of them, each decoded and re-hashed there


@dataclass(frozen=True, slots=True)
class RefsChanged:
    """One event of `watch`: values by name, None for a deleted ref. `fresh`: these are all there are."""

    changes: int
    fresh: bool
    refs: dict[str, bytes | None]


class Peer(Protocol):
    """Calls may come from several threads at once; each is idempotent and retried by whoever carries it.

    Raises RemoteUnreachable, AuthError, and what the store at the other end would raise.
    """

    @property
    def url(self) -> str: ...

    def hello(self) -> Hello:
        """What it says of itself now."""

    def create(self) -> None:
        """Has the repository made there, empty, if it is absent: before the first push of it. Raises
        NoRepository where it is absent still, AuthError where the caller may not."""

    def told(self) -> Hello:
        """What it said of itself when it was first asked; seldom waits."""

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        """The shared refs under a prefix, ordered by name."""

    def log(self, heads: Sequence[VersionId], haves: Sequence[VersionId]) -> Iterator[VersionId]:
        """Versions reachable from `heads` and not from `haves`, a child before its parents."""

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        """What this peer object put counts, before refs were updated too."""

    def records(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        """Frames of their records. Raises MissingObject after the frames of what is there."""

    def arranged(self, ids: Sequence[Digest]) -> list[Digest]:
        """The same objects in the order in which it gives all of them with the least work. Asks nothing over a
        network."""

    def below(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        """The same, and some of the nodes and recipes that they reach, each after one that names it: what would
        be asked for next, one round trip a level. Who calls checks that it is that."""

    @property
    def frames(self) -> int:
        """The peer's latest limit on concurrent puts; 0 means none."""

    def put(self, frame: Bytes) -> None:
        """Stores the records of one frame, each verified there."""

    def update_refs(
        self, updates: Sequence[RefUpdate], *, force: frozenset[str], author: str, detail: str
    ) -> Receipt:
        """All or none. `force`: names whose move may lose versions. Raises Conflict."""

    def watch(self, prefix: str = "", since: int = 0, repo_id: str = "") -> Iterator[RefsChanged]:
        """Changes of refs as they happen; first the whole list, or what changed after `since` in the repository
        of that id."""

    def close(self) -> None: ...


WORKSPACES = "workspaces/"
NAMES = "names"
"""The feature of a peer that takes all names of branches and tags (mvcd/repo/records/names.py), not only those
of letters, digits and . _ / + -."""
PRUNES = "pruned"
"""The feature of a peer that knows of versions without content (mvcd/repo/records/PRUNED.md)."""
STANDS = "stands"
"""The feature of a peer that tells where its workspace stands, by its refs below WORKSPACES."""
SEALED = "sealed"
"""The feature of a bucket whose objects are encrypted (mvcd/store/bucket/SEALED.md)."""
TAKES_NOTES = "notes"
"""The feature of a peer that takes annotations (mvcd/repo/records/ANNOTATIONS.md)."""

HEALING = "mvc verify --remote --read-data  (in a clone that has it; mvc push then sends it anew)"
"""The way to content that a remote has lost."""


def listed(name: str, prefix: str) -> bool:
    """Whether a ref that may be seen is among those asked for: where a workspace stands is told to who asks for
    workspaces, and is none of a repository's refs to anybody else."""
    return not name.startswith(WORKSPACES) or prefix.startswith(WORKSPACES)


def changed_refs(old: dict[str, bytes], new: dict[str, bytes]) -> dict[str, bytes | None]:
    """Values that differ, None for names that are gone."""
    changed: dict[str, bytes | None] = {n: v for n, v in new.items() if old.get(n) != v}
    changed.update({n: None for n in old if n not in new})
    return changed


def require_all(asked: Iterable[Digest], found: Iterable[Digest]) -> None:
    """Raises MissingObject that names the first of those not found."""
    gone = list(dict.fromkeys(asked).keys() - set(found))
    if gone:
        kinds = gone[0].kind.name.lower()
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise MissingObject(
            f"the other side does not have {kinds} {gone[0].short()}{more}",
            cause="its content is damaged there, or absent by choice",
            help=HEALING,
        )
