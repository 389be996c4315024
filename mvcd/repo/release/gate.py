"""The gate before a stage: what `mvc.toml` and the person who promotes demand of a version.

[stages.production]
require = ["val_acc>=0.93"]     # each in the words of requirement.py
signed = true                   # at least one good signature (SIGNING.md)

The rules are those of the workspace's `mvc.toml` at that moment. Whoever may edit it may also lower them, so
each record of promotion keeps the expressions that were checked, and says which of them were rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from mvcd.errors import Failure, MissingObject, UsageError
from mvcd.ids import ChunkId, Digest, VersionId
from mvcd.objects.closure import children
from mvcd.objects.entry import Entry
from mvcd.objects.version import Version
from mvcd.repo.contents.files import VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.history.walk import RefNames
from mvcd.repo.release.requirement import CheckedRequirement, RequiredExpression
from mvcd.repo.trust.judging import Trust, signature_status
from mvcd.repo.trust.signatures import blobs, of_version
from mvcd.repo.workspace import settings

_BATCH_CHUNKS = 8192
"""Chunks asked for at once."""
_NAMED_FILES = 5
"""Missing files named in a refusal."""


@dataclass(frozen=True, slots=True)
class PromotionRules:
    """The table `[stages.NAME]` of `mvc.toml`."""

    require: tuple[str, ...] = ()
    signed: bool = False


class GateFailed(Failure):
    """What stood in the way: every requirement as it was checked, met or not, and other reasons in words."""

    default_kind = "gate-failed"

    def __init__(
        self, message: str, checked: Sequence[CheckedRequirement], *, cause: str, help: str
    ) -> None:
        super().__init__(message, cause=cause, help=help)
        self.checked = tuple(checked)


def rules(core: Core, stage: str) -> PromotionRules:
    """Reads the table of the workspace's `mvc.toml`, or of HEAD's version where there is no workspace. Raises
    Failure when it cannot be understood: no rule is silently left out."""
    tables = settings.current(core).get("stages", {})
    table = tables.get(stage, {}) if isinstance(tables, dict) else None
    if not isinstance(table, dict):
        raise _bad_rules(stage, "it is not a table")
    require, signed = table.get("require", []), table.get("signed", False)
    if isinstance(require, str):
        require = [require]
    if not isinstance(require, list) or not all(isinstance(r, str) for r in require):
        raise _bad_rules(stage, "require is a list of texts")
    if not isinstance(signed, bool):
        raise _bad_rules(stage, "signed is true or false")
    if unknown := table.keys() - {"require", "signed"}:
        raise _bad_rules(stage, f"there is no rule called {min(unknown)!r}")
    return PromotionRules(tuple(require), signed)


def _bad_rules(stage: str, why: str) -> Failure:
    return Failure(
        f"the [stages.{stage}] table of {settings.FILE} is wrong",
        kind="bad-config",
        cause=why,
        help='write it like: require = ["val_acc>=0.93"]',
    )


def requirements(
    core: Core,
    stage: str,
    id: VersionId,
    current: VersionId | None,
    demanded: Sequence[str],
    ruled: Sequence[str],
) -> list[CheckedRequirement]:
    """Rules first; what is demanded twice is checked once. Raises ExpressionError, Failure for a wrong rule."""
    names, now_us = RefNames(core), core.clock() // 1000
    rest = (e for e in dict.fromkeys(demanded) if e not in ruled)
    asked = []
    for expression in dict.fromkeys(ruled):
        try:
            asked.append(RequiredExpression(expression, names, now_us=now_us, rule=True))
        except UsageError as error:
            raise _bad_rules(stage, f"{expression!r}: {error}") from error
    asked += [RequiredExpression(e, names, now_us=now_us, rule=False) for e in rest]
    version = core.glance(id)
    holder = None if current is None else core.glance(current)
    return [requirement.check(version, holder) for requirement in asked]


def signers(core: Core, id: VersionId, trust: Callable[[], Trust]) -> tuple[list[str], list[str]]:
    """Fingerprints of the keys whose signature of the version is good, ascending; why others are not.

    `trust` is asked only if there is a signature. Raises Failure(kind="no-ssh-keygen"), and what it raises.
    """
    if not blobs(core.store, of_version(id)):
        return [], []
    statuses = signature_status(core.store, id, trust())
    good = sorted({s.fingerprint for s in statuses if s.good})
    return good, [f"{s.state.value}: {s.reason}" for s in statuses if not s.good]


def missing(core: Core, version: Version, limit: int = _NAMED_FILES) -> list[str]:
    """Files of a version whose content is not all in the store, at most `limit`; reads no chunk."""
    found: list[str] = []
    for component, root in version.components.items():
        if root.root is None:
            continue
        try:
            entries = VersionFiles(version, core.fetch).all([component])
            found += incomplete(core, [placed.entry for placed in entries], limit - len(found))
        except MissingObject:
            found.append(f"the list of {component.value} files")
        if len(found) >= limit:
            break
    return found


def incomplete(core: Core, entries: Sequence[Entry], limit: int = _NAMED_FILES) -> list[str]:
    """Paths of those whose content is not all in the store, at most `limit`; reads no chunk."""
    return list(islice(_incomplete(core, entries), limit))


def _chunks(core: Core, entry: Entry) -> Iterator[ChunkId]:
    """Those of a file, from each of its lists once: some name the same ten thousand times."""
    left: list[Digest] = [entry.recipe]
    seen = set(left)
    while left:
        id = left.pop()
        for child in children(id.kind, core.fetch(id)):
            if isinstance(child, ChunkId):
                yield child
            elif child not in seen:
                seen.add(child)
                left.append(child)


def _incomplete(core: Core, entries: Sequence[Entry]) -> Iterator[str]:
    batch = dict[ChunkId, str]()
    for entry in entries:
        try:
            for chunk in _chunks(core, entry):
                batch.setdefault(chunk, entry.path)
        except MissingObject:
            yield entry.path
        if len(batch) >= _BATCH_CHUNKS or entry is entries[-1]:
            have = core.store.has(list(batch))
            absent = (p for p, h in zip(batch.values(), have, strict=True) if not h)
            yield from dict.fromkeys(absent)
            batch.clear()
