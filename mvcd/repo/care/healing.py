"""Healing of damaged content by who holds the good bytes: the workspace's own files, and remotes.

What is known to be damaged counts as absent (mvcd/store/FORMAT.md, section Known damage), so putting it once
more stores it anew, in the transaction of a commit like anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mvcd.errors import Failure, IntegrityError
from mvcd.ids import ID_TYPES, Digest, Kind
from mvcd.monitor import Monitor
from mvcd.repo.care.verify import verify_apart
from mvcd.repo.change.anew import stored_anew
from mvcd.repo.core import remotes
from mvcd.repo.core.core import Core
from mvcd.repo.core.wanted import is_partial
from mvcd.repo.records.results import VerifyReport
from mvcd.store.api import Store
from mvcd.store.peer import Peer
from mvcd.sync.pull import heal

_ROUNDS = 64
"""A node that comes anew may name others that are missing: levels of a tree, as deep as any is."""


@dataclass(slots=True)
class Healed:
    """What came anew, and what is still damaged or missing, named like "chunk 1f2e..."."""

    objects: int = 0
    left: list[str] = field(default_factory=list)


def heal_from_files(core: Core) -> int:
    """Stores anew what is damaged and whose good bytes are in the workspace; how many objects that was. Reads
    every tracked file."""
    from mvcd.repo.change.commit import take  # late: start-up
    from mvcd.repo.workspace.workspace import ScannedWorkspace

    with core.lock.hold():
        damaged = core.store.damaged()
        if not damaged:
            return 0
        with core.store.session() as session:
            try:
                parent = core.version(core.head().version)
                take(ScannedWorkspace(core, fresh=True), session, parent)
            except (IntegrityError, Failure):
                pass  # what tells which files there are is damaged: a remote may help, files cannot
            stored_anew(core, session, damaged)
        return len(set(damaged) - set(core.store.damaged()))


def heal_from_remote(core: Core, name: str | None = None) -> Healed:
    """Heals like `heal_store`, from a remote by its name or address. Raises errors of the way there."""
    from mvcd.repo.share.fetching import connected  # late: start-up

    with connected(core, [remotes.remote(core.config, name)]) as peers:
        partial = is_partial(core.config)
        return heal_store(core.store, core.store_path, peers, core.monitor, partial=partial)


def heal_store(
    store: Store, path: str, peers: Sequence[Peer], monitor: Monitor, *, partial: bool = False
) -> Healed:
    """Verifies the store in `path` and fetches all that is damaged or missing, until nothing is or nothing more
    comes. `partial`: content may be absent by choice."""

    def verified(*, read_data: bool) -> VerifyReport:
        return verify_apart(path, read_data=read_data, monitor=monitor, partial=partial)

    healed = Healed()
    report = verified(read_data=True)
    for _ in range(_ROUNDS):
        wanted = _broken(report)
        came = _bring(store, peers, wanted, monitor) if wanted else 0
        healed.objects += came
        if not came:
            break
        report = verified(read_data=False)
    healed.left = [error.object for error in report.errors if error.object is not None]
    return healed


def _broken(report: VerifyReport) -> list[Digest]:
    found: dict[Digest, None] = {}
    for error in report.errors:
        if error.object is not None:
            kind, _, digest = error.object.partition(" ")
            found[ID_TYPES[Kind[kind.upper()]](bytes.fromhex(digest))] = None
    return list(found)


def _bring(store: Store, peers: Sequence[Peer], wanted: list[Digest], monitor: Monitor) -> int:
    with store.session() as session:
        received = heal(session, store, peers, wanted, monitor)
        session.flush()
    return received.objects
