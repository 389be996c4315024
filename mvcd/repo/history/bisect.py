"""Finding the version where something went wrong, by halving what lies between a good and a bad one.

The state rests in `.mvc/bisect.json`, so it survives processes; ids in it are hex. Versions are tried where
they tell most: the one whose good or bad answer leaves fewest candidates. Each is brought into the workspace by
`checkout`, which refuses to overwrite unsaved work; then the state stays as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mvcd.disk.replace import replace_file
from mvcd.errors import Conflict, Failure
from mvcd.ids import VersionId
from mvcd.objects.glance import MISSING, Glance
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import not_to_be_had
from mvcd.repo.history.history import names_by_version
from mvcd.repo.history.walk import ancestors
from mvcd.repo.records.annotations import texts_of
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.records.versionentry import HistoryEntry

FILE = "bisect.json"
MAX_FILE_BYTES = 8 << 20
WORDS = ("good", "bad", "skip")


@dataclass(frozen=True, slots=True)
class BisectState:
    """What is known so far. `start` is the branch or id that `reset` goes back to."""

    start: str
    bad: str | None = None
    good: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    log: tuple[str, ...] = ()  # "good 1f2e...", in the order they were said


@dataclass(frozen=True, slots=True)
class Bisection:
    """Where a search stands. With `first_bad` it is over; `testing` is what the workspace holds else.

    `suspects` are the versions one of which is the first bad one, when only skipped ones are left.
    """

    state: BisectState
    remaining: int  # candidates, the bad one included
    testing: HistoryEntry | None = None
    first_bad: HistoryEntry | None = None
    suspects: tuple[HistoryEntry, ...] = ()


def start(
    core: Core, bad: str | None = None, good: Sequence[str] = (), *, context: Context
) -> Bisection:
    """Begins a search; goes on to the first midpoint when a bad and a good version are named."""
    with core.lock.hold():
        core.require_workspace()
        if os.path.exists(_path(core)):
            raise Failure(
                "a bisection is under way", kind="bisecting",
                help="mvc bisect status, or: mvc bisect reset  (ends it)",
            )  # fmt: skip
        head = core.head()
        if head.version == EMPTY_ID:
            raise Failure("there is no version yet", kind="no-versions", help="mvc commit -m '...'")
        state = BisectState(head.branch or head.version.hex())
        if bad is not None:
            state = _said(state, "bad", core.resolve(bad))
        for rev in good:
            state = _said(state, "good", core.resolve(rev))
        if bad is not None and state.bad is None:
            raise _contradiction(f"{bad} is named as bad and as good")
        return _go_on(core, state, context)


def mark(core: Core, word: str, revs: Sequence[str] = (), *, context: Context) -> Bisection:
    """Says that versions (by default the one in the workspace) are "good", "bad", or to "skip"."""
    assert word in WORDS
    with core.lock.hold():
        state = load(core)
        for rev in revs or ("HEAD",):
            state = _said(state, word, core.resolve(rev))
        return _go_on(core, state, context)


def status(core: Core) -> Bisection:
    state = load(core)
    return _stand(core, state)


def reset(core: Core, rev: str | None = None, *, context: Context) -> BisectState:
    """Ends the search and brings back what was checked out when it began, or `rev`."""
    from mvcd.repo.change import moves  # late: start-up

    with core.lock.hold():
        state = load(core)
        with _unsaved_work_explained():
            moves.checkout(core, rev or state.start, context=context)
        os.unlink(_path(core))
        return state


def load(core: Core) -> BisectState:
    """Raises Failure when no search is under way or its file is damaged."""
    try:
        with open(_path(core), encoding="utf-8") as file:
            found = json.loads(file.read(MAX_FILE_BYTES))
        lists = {name: tuple(map(str, found[name])) for name in ("good", "skipped", "log")}
        bad = None if found["bad"] is None else str(found["bad"])
        for id in (*lists["good"], *lists["skipped"], *([] if bad is None else [bad])):
            VersionId.parse(id)
        return BisectState(str(found["start"]), bad, **lists)
    except FileNotFoundError:
        raise Failure(
            "no bisection is under way", kind="not-bisecting", help="mvc bisect start BAD GOOD"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(
            f"{_path(core)} is damaged", kind="bad-bisect-file", cause=str(error),
            help=f"rm {_path(core)}  (ends the bisection)",
        ) from None  # fmt: skip


# -------------------------------------------------------------------- steps


def _said(state: BisectState, word: str, id: VersionId) -> BisectState:
    text = id.hex()
    state = replace(
        state,
        bad=None if state.bad == text else state.bad,
        good=tuple(i for i in state.good if i != text),
        skipped=tuple(i for i in state.skipped if i != text),
        log=(*state.log, f"{word} {text}"),
    )
    if word == "bad":
        return replace(state, bad=text)
    if word == "good":
        return replace(state, good=(*state.good, text))
    return replace(state, skipped=(*state.skipped, text))


def _go_on(core: Core, state: BisectState, context: Context) -> Bisection:
    """Works out where the search stands and checks the next midpoint out; then the state is written."""
    from mvcd.repo.change import moves  # late: start-up

    stand = _stand(core, state)
    if stand.testing is not None:
        detail = f"bisect v{stand.testing.version.generation}"
        with _unsaved_work_explained():
            moves.go_to(core, stand.testing.id, context, detail)
    _store(core, state)
    return stand


@contextmanager
def _unsaved_work_explained() -> Iterator[None]:
    """Help that fits: --force is no option of these verbs."""
    try:
        yield
    except Conflict as error:
        raise Conflict(
            str(error), kind=error.kind, cause=error.cause,
            help="mvc restore HEAD .  (drops it; mvc undo brings it back), or: mvc commit -m '...'",
        ) from error  # fmt: skip


def _stand(core: Core, state: BisectState) -> Bisection:
    if state.bad is None or not state.good:
        return Bisection(state, 0)
    candidates = _candidates(core, state)
    bad = VersionId.parse(state.bad)
    skipped = set(map(VersionId.parse, state.skipped))
    skipped |= not_to_be_had(core, [version.id for version in candidates]).keys()
    if len(candidates) == 1:
        return Bisection(state, 1, first_bad=_entry(core, bad))
    midpoint = _midpoint(candidates, bad, skipped)
    if midpoint is None:
        suspects = tuple(_entry(core, v.id) for v in candidates)
        return Bisection(state, len(candidates), suspects=suspects)
    return Bisection(state, len(candidates), testing=_entry(core, midpoint))


def _candidates(core: Core, state: BisectState) -> list[Glance]:
    """What the bad version reaches and no good one does, newest first."""
    assert state.bad is not None
    bad = VersionId.parse(state.bad)
    good = list(map(VersionId.parse, state.good))
    history = list(ancestors(core, [bad]))
    reached = {version.id for version in history}
    strays = [id for id in good if id not in reached and id != EMPTY_ID]
    if strays:
        number = core.version(strays[0]).generation
        raise Failure(
            f"good v{number} {strays[0].short()} is not before bad {bad.short()}",
            kind="not-an-ancestor",
            cause="what went wrong must lie on the way from a good version to the bad one",
            help="mvc log --oneline --all",
        )
    fine = {version.id for version in ancestors(core, good)}
    if bad in fine:
        raise _contradiction(f"bad {bad.short()} is before a good version")
    return [version for version in history if version.id not in fine]


def _contradiction(what: str) -> Failure:
    return Failure(
        what, kind="bisect-contradiction", cause="a version cannot be both",
        help="mvc log --oneline --all",
    )  # fmt: skip


def _midpoint(
    candidates: Sequence[Glance], bad: VersionId, skipped: set[VersionId]
) -> VersionId | None:
    """The candidate whose ancestors are nearest to half of all; near ones where that is skipped."""
    counts = dict(_counts(candidates))
    total = len(candidates)
    ranked = [
        (-min(counts[v.id], total - counts[v.id]), -v.generation, v.id)
        for v in candidates
        if v.id != bad and v.id not in skipped
    ]
    return min(ranked)[2] if ranked else None


def _counts(candidates: Sequence[Glance]) -> Iterator[tuple[VersionId, int]]:
    """Candidates that each one reaches, itself included: sums on a line, sets of bits where lines meet."""
    here = {version.id for version in candidates}
    parents = {v.id: [p for p in v.parents if p in here] for v in candidates}
    oldest_first = list(reversed(candidates))
    if all(len(found) <= 1 for found in parents.values()):
        sums: dict[VersionId, int] = {}
        for version in oldest_first:
            sums[version.id] = 1 + sum(sums[p] for p in parents[version.id])
        yield from sums.items()
        return
    bits: dict[VersionId, int] = {}
    for index, version in enumerate(oldest_first):
        reached = 1 << index
        for parent in parents[version.id]:
            reached |= bits[parent]
        bits[version.id] = reached
        yield version.id, reached.bit_count()


def _entry(core: Core, id: VersionId) -> HistoryEntry:
    names, texts = names_by_version(core), texts_of(core.store, id)
    return HistoryEntry(id, core.version(id), tuple(names.get(id, ())), annotations=texts)


def _path(core: Core) -> str:
    return os.path.join(core.place.directory, FILE)


def _store(core: Core, state: BisectState) -> None:
    found = {
        "start": state.start, "bad": state.bad, "good": state.good,
        "skipped": state.skipped, "log": state.log,
    }  # fmt: skip
    replace_file(_path(core), json.dumps(found).encode())


# -------------------------------------------------------------------- without a command


@dataclass(frozen=True, slots=True)
class Turning:
    """Where a condition became true. `before` is the last version before that could be asked.

    `unknown` versions between them lack what the condition asks for; `later` counts how often it became untrue
    again.
    """

    first: HistoryEntry | None
    before: HistoryEntry | None
    unknown: int
    later: int
    asked: int


def turning(core: Core, where: str, *, good: str | None = None, bad: str = "HEAD") -> Turning:
    """Finds where a condition became true on the way from `good` (else the first version) to `bad`.

    Goes along first parents, reads records and moves nothing.
    """
    answers = _answers(core, where)
    line = list(ancestors(core, [core.resolve(bad)], first_parent=True))
    if good is not None:
        start_id = core.resolve(good)
        places = [index for index, version in enumerate(line) if version.id == start_id]
        if not places:
            raise Failure(
                f"{good} is not on the line of first parents to {bad}", kind="not-an-ancestor",
                help=f"mvc log --first-parent --oneline {bad}",
            )  # fmt: skip
        line = line[: places[0] + 1]
    first: Glance | None = None
    before: Glance | None = None
    unknown = later = asked = 0
    was_true = False
    for version in reversed(line):
        answer = answers(version)
        if answer is None:
            unknown += first is None and before is not None
            continue
        asked += 1
        if first is None and answer:
            first = version
        elif first is None:
            before, unknown = version, 0
        elif was_true and not answer:
            later += 1
        was_true = answer
    if not asked:
        from mvcd.repo.history.search import Filter  # late: start-up

        Filter(core, where).require_known_keys()
    return Turning(
        None if first is None else _entry(core, first.id),
        None if before is None else _entry(core, before.id),
        unknown if first is not None else 0, later, asked,
    )  # fmt: skip


def _answers(core: Core, where: str) -> Callable[[Glance], bool | None]:
    """None where a version lacks a key that the condition compares."""
    from mvcd.repo.history.query.evaluate import FIELDS, value_finder  # late: start-up
    from mvcd.repo.history.query.parse import parse
    from mvcd.repo.history.query.tree import Has, leaves
    from mvcd.repo.history.search import Filter

    wanted = [
        value_finder(leaf.key.name)
        for leaf in leaves(parse(where))
        if not isinstance(leaf, Has) and leaf.key.name not in FIELDS
    ]
    matches = Filter(core, where).matches

    def answer(version: Glance) -> bool | None:
        if any(find(version) is MISSING for find in wanted):
            return None
        return matches(version)

    return answer
