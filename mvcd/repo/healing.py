"""Healing of damaged content by who holds the good bytes: the workspace's own files, and remotes.

What is known to be damaged counts as absent (mvcd/store/FORMAT.md, section Known damage), so putting it once
more stores it anew, in the transaction of a commit like anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mvcd.errors import Failure, IntegrityError
from mvcd.ids import ID_TYPES, Digest, Kind
from mvcd.repo import remotes
from mvcd.repo.anew import stored_anew
from mvcd.repo.core import Core
from mvcd.repo.partial import is_partial
from mvcd.repo.results import VerifyReport
from mvcd.repo.verify import verify_apart
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
    from mvcd.repo.commit import take
    from mvcd.repo.workspace import Workspace

    with core.lock.hold():
        damaged = core.store.damaged()
        if not damaged:
            return 0
        with core.store.session() as session:
            try:
                parent = core.version(core.head().version)
                take(Workspace(core, fresh=True), session, parent)
            except (IntegrityError, Failure):
                pass  # what tells which files there are is damaged: a remote may help, files cannot
            stored_anew(core, session, damaged)
        return len(set(damaged) - set(core.store.damaged()))


def heal_from_remote(core: Core, name: str | None, path: str) -> Healed:
    """Verifies the store in `path` and fetches all that is damaged or missing from a remote, until nothing is
    or nothing more comes.

    Raises what the way to the remote raises.
    """
    from mvcd.repo.fetching import connected

    healed = Healed()
    report = _verified(core, path, read_data=True)
    if not _broken(report):
        return healed
    with connected(core, [remotes.remote(core.config, name)]) as peers:
        for _ in range(_ROUNDS):
            came = _bring(core, peers, _broken(report))
            healed.objects += came
            if not came:
                break
            report = _verified(core, path, read_data=False)
    healed.left = [error.object for error in report.errors if error.object is not None]
    return healed


def _verified(core: Core, path: str, *, read_data: bool) -> VerifyReport:
    return verify_apart(
        path, read_data=read_data, monitor=core.monitor, partial=is_partial(core.config)
    )


def _broken(report: VerifyReport) -> list[Digest]:
    found: dict[Digest, None] = {}
    for error in report.errors:
        if error.object is not None:
            kind, _, digest = error.object.partition(" ")
            found[ID_TYPES[Kind[kind.upper()]](bytes.fromhex(digest))] = None
    return list(found)


def _bring(core: Core, peers: Sequence[Peer], wanted: list[Digest]) -> int:
    with core.store.session() as session:
        received = heal(session, core.store, peers, wanted, core.monitor)
        session.flush()
    return received.objects
