"""Which version last changed a path, a tensor, a hyperparameter or a metric."""

from __future__ import annotations

from dataclasses import dataclass

from mvcd.errors import Failure
from mvcd.objects.version import Value
from mvcd.repo.core.core import Core
from mvcd.repo.history.history import names_by_version
from mvcd.repo.history.subject import SubjectKind, Untold, subject_of
from mvcd.repo.records.annotations import texts_of
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.records.versionentry import HistoryEntry


@dataclass(frozen=True, slots=True)
class Blame:
    """`entry` made `subject` what it is where it was asked; `old` is None if it was not there before.

    `certain` is false where an earlier version may have: what its parents have is not here, pruned or never
    fetched.
    """

    subject: str
    kind: SubjectKind
    entry: HistoryEntry
    old: Value
    new: Value
    unchanged: int  # versions since that left it as it is
    certain: bool = True


def blame(core: Core, name: str, rev: str = "HEAD") -> Blame:
    """Finds the version that last changed a path, tensor, hyperparameter or metric.

    Merges are followed to the parent that has the same state. Raises Failure for an unknown name.
    """
    subject = subject_of(core, name, rev)
    version = core.glance(core.resolve(rev))
    if version.id == EMPTY_ID:
        raise Failure("there is no version yet", kind="no-versions", help="mvc commit -m '...'")
    state, unchanged = subject.state(version), 0
    while True:
        parents = [core.glance(id) for id in version.parents or (EMPTY_ID,)]
        before = [(subject.state(parent), parent) for parent in parents]
        same = next((p for s, p in before if s == state and p.id != EMPTY_ID), None)
        if same is None:
            break
        version, unchanged = same, unchanged + 1
    names, texts = names_by_version(core), texts_of(core.store, version.id)
    entry = HistoryEntry(
        version.id, core.version(version.id), tuple(names.get(version.id, ())), annotations=texts
    )
    return Blame(
        subject.name,
        subject.kind,
        entry,
        subject.shown(before[0][0]),
        subject.shown(state),
        unchanged,
        certain=not any(isinstance(found, Untold) for found in (state, *(s for s, _ in before))),
    )
