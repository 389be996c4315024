"""Verification of a whole repository: every stored byte, every link, the chains of stages, and whom
damage hurts.

The store re-hashes its objects and names what is broken; here the links are walked from every version of
the refs and the operation log, so that a missing object is found too, and each damaged object is traced up
to the versions and files that can no longer be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from mvcd.errors import IntegrityError, with_cause
from mvcd.ids import Digest, VersionId
from mvcd.monitor import Monitor
from mvcd.repo.core.core import Core
from mvcd.repo.core.wanted import is_partial
from mvcd.repo.records import stages
from mvcd.repo.records.operations import decode, versions_named
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import REMOTES, SAVED, SHARED, STASH, versions_of_refs
from mvcd.repo.records.results import VerifyError, VerifyReport
from mvcd.repo.trust.harms import LinkWalker
from mvcd.store.apart import apart
from mvcd.store.api import Store
from mvcd.store.repair import survey
from mvcd.store.reports import Damage
from mvcd.store.stores import open_store

SPACES = (*SHARED, SAVED, STASH, REMOTES, "workspaces/")


def verify(core: Core, *, read_data: bool = True, sample: float = 1.0) -> VerifyReport:
    """Re-hashes every stored object, if `read_data`, or a share of them chosen anew each time, then walks every
    link from refs and the operation log."""
    partial = is_partial(core.config)
    return verify_store(
        core.store, read_data=read_data, sample=sample, monitor=core.monitor, partial=partial
    )


def verify_store(
    store: Store,
    *,
    read_data: bool,
    monitor: Monitor,
    partial: bool = False,
    sample: float = 1.0,
) -> VerifyReport:
    """The same of a store without a workspace, as servers have them. `partial`: content may be absent by
    choice."""
    damage = list(store.check(read_data=read_data, sample=sample, monitor=monitor))
    walker = LinkWalker(store, damage)
    apart_from: list[VerifyError] = []  # parts that cannot be read at all
    roots: set[VersionId] = set()
    pruned: set[VersionId] = set()
    for name, value in _good_refs(store).items():
        with _told(apart_from, f"ref {name}"):
            roots.update(versions_of_refs({name: value}))
            pruned.update(marked_by({name: value}))
    with _told(apart_from, "operations"):
        for number, data in store.operations():
            roots |= versions_named(decode(number, data))
    with _told(apart_from, "links"):
        walker.walk(roots, pruned)
    objects = size = 0
    with _told(apart_from, "objects"):
        for _, info in store.ids():
            objects += 1
            size += info.raw_size
    absent = len(walker.let_go) + (walker.leave_out_content() if partial else 0)
    found = [*errors(damage, walker), *apart_from]
    with _told(found, "stages"):
        found += _broken_histories(store)
    return VerifyReport(objects, size, len(walker.versions), tuple(found), absent)


def _good_refs(store: Store) -> dict[str, bytes]:
    """All refs; where one is damaged, which the store has told, those of each namespace that can be read."""
    try:
        return store.refs()
    except IntegrityError:
        refs: dict[str, bytes] = {}
        for space in SPACES:
            with suppress(IntegrityError):
                refs |= store.refs(space)
        return refs


@contextmanager
def _told(found: list[VerifyError], where: str) -> Iterator[None]:
    """What cannot be read is one finding; the other parts are looked at all the same."""
    try:
        yield
    except IntegrityError as error:
        found.append(VerifyError(with_cause(error), where, None))


def verify_apart(
    path: str, *, read_data: bool, monitor: Monitor, partial: bool, sample: float = 1.0
) -> VerifyReport:
    """The same of the store in a directory, by a child process: a damaged page of the index ends who reads it,
    and is one finding more.

    Raises Failure, what opening a store raises for other reasons than damage (no permission, no memory).
    """
    problem: VerifyError
    try:
        report: VerifyReport = apart(
            __name__, "verify_at", path, read_data, partial, sample, monitor=monitor
        )
        return report
    except IntegrityError as error:
        problem = VerifyError(with_cause(error), "index", None)
    found = [
        VerifyError(f"{finding.part}: {finding.problem}", "store", None)
        for finding in survey(path).findings
        if finding.part != "index"
    ]
    return VerifyReport(0, 0, 0, (problem, *found))


def verify_at(
    monitor: Monitor, path: str, read_data: bool, partial: bool, sample: float
) -> VerifyReport:
    """In the child."""
    with open_store(path, as_it_is=True) as store:
        return verify_store(
            store, read_data=read_data, sample=sample, monitor=monitor, partial=partial
        )


def _broken_histories(store: Store) -> Iterator[VerifyError]:
    """Stages whose chain of records does not hold."""
    for stage in stages.names(store):
        for problem in stages.check(store, stage).problems:
            yield VerifyError(f"broken history: {problem}", f"stage {stage}", None)


def errors(damage: Iterable[Damage], walker: LinkWalker) -> list[VerifyError]:
    """One line per broken thing, with whom it hurts."""
    found = [
        VerifyError(
            d.problem, d.where, None if d.id is None else _name(d.id),
            () if d.id is None else walker.harms(d.id),
        )
        for d in damage
    ]  # fmt: skip
    found.extend(
        VerifyError(
            "missing object" if why == "missing" else f"damaged object: {why}",
            "index",
            _name(id),
            walker.harms(id),
        )
        for id, why in walker.broken()
    )
    return found


def _name(id: Digest) -> str:
    return f"{id.kind.name.lower()} {id.hex()}"
