"""Marks of pruned versions (PRUNED.md): refs that say whose content is not kept, since when, by which rules."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from blake3 import blake3

from mvcd.errors import CorruptObject
from mvcd.ids import VersionId
from mvcd.lateclasses import NamedTuple
from mvcd.repo.records.refs import PRUNED

FORMAT = 1
MAX_VALUE_BYTES = 60_000
MAX_RULE_CHARACTERS = 200
MERGED_REFS = 8
"""So many marks that nobody can undo become one."""

_NAME_BYTES = 16
_VERSION_BYTES = 67
"""Bytes of a version in a value: 64 digits, two quotes and a comma."""
_GROUP_BYTES = 4 * MAX_RULE_CHARACTERS + 120


class Pruning(NamedTuple):
    """Why and when content was let go of. It is kept until `until_us` nevertheless. Microseconds since 1970."""

    time_us: int
    until_us: int
    rule: str


Marked = Mapping[VersionId, Pruning]


def encode(marked: Marked) -> Iterator[bytes]:
    """Values of marks that say this together; none for nothing."""
    groups: dict[Pruning, list[VersionId]] = {}
    for id, pruning in marked.items():
        groups.setdefault(pruning, []).append(id)
    batch: list[tuple[Pruning, list[VersionId]]] = []
    size = _GROUP_BYTES
    for pruning in sorted(groups, key=_order):
        ids = sorted(groups[pruning])
        while ids:
            room = (MAX_VALUE_BYTES - size - _GROUP_BYTES) // _VERSION_BYTES
            if room < 1:
                yield _value(batch)
                batch, size = [], _GROUP_BYTES
                continue
            batch.append((pruning, ids[:room]))
            size += _GROUP_BYTES + _VERSION_BYTES * len(ids[:room])
            ids = ids[room:]
    if batch:
        yield _value(batch)


def _order(pruning: Pruning) -> tuple[int, int, str]:
    return pruning.time_us, pruning.until_us, pruning.rule


def _value(groups: Iterable[tuple[Pruning, list[VersionId]]]) -> bytes:
    document = {
        "format": FORMAT,
        "groups": [
            {
                "rule": pruning.rule,
                "time_us": pruning.time_us,
                "until_us": pruning.until_us,
                "versions": [id.hex() for id in ids],
            }
            for pruning, ids in groups
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(value: bytes) -> dict[VersionId, Pruning]:
    """Raises CorruptObject unless the value is one that PRUNED.md allows."""
    try:
        groups = [_group(group) for group in _groups(value)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptObject("a mark of pruned versions is damaged", cause=str(error)) from error
    order = [_order(pruning) for pruning, _ in groups]
    if not groups or order != sorted(set(order)) or _value(groups) != value:
        raise CorruptObject("a mark of pruned versions is damaged", cause="it is not written so")
    return _merged((id, pruning) for pruning, ids in groups for id in ids)


def _groups(value: bytes) -> list[Any]:
    if len(value) > MAX_VALUE_BYTES:
        raise ValueError(f"it has {len(value)} bytes")
    document = json.loads(value)
    if set(document) != {"format", "groups"} or document["format"] != FORMAT:
        raise ValueError("its format is not known")
    return list(document["groups"])


def _group(group: Any) -> tuple[Pruning, list[VersionId]]:
    time_us, until_us, rule = group["time_us"], group["until_us"], group["rule"]
    if type(time_us) is not int or type(until_us) is not int or not time_us <= until_us < 1 << 63:
        raise ValueError("its times are wrong")
    if not isinstance(rule, str) or len(rule) > MAX_RULE_CHARACTERS or not rule.isprintable():
        raise ValueError("its rule is no text")
    ids = [VersionId.parse(text) for text in group["versions"]]
    if not ids or sorted(set(ids)) != ids:
        raise ValueError("its versions are not in ascending order")
    return Pruning(time_us, until_us, rule), ids


def name_of(value: bytes) -> str:
    """The ref of a mark with this value."""
    return PRUNED + blake3(value).hexdigest(_NAME_BYTES)


def marked_by(refs: Mapping[str, bytes]) -> dict[VersionId, Pruning]:
    """What all marks among these refs say. Raises CorruptObject."""
    marks = (value for name, value in refs.items() if name.startswith(PRUNED))
    return _merged((id, pruning) for value in marks for id, pruning in decode(value).items())


def _merged(pairs: Iterable[tuple[VersionId, Pruning]]) -> dict[VersionId, Pruning]:
    """Of several, the oldest tells."""
    found: dict[VersionId, Pruning] = {}
    for id, pruning in pairs:
        known = found.get(id)
        if known is None or pruning.time_us < known.time_us:
            found[id] = pruning
    return found


def let_go(
    refs: Mapping[str, bytes], now_us: int, forgotten_us: int, needed: Collection[VersionId]
) -> frozenset[VersionId]:
    """Versions whose content these refs keep no longer: the time of grace is over, or their operation is older
    than `forgotten_us`, and they are none of the `needed`."""
    return frozenset(
        id
        for id, pruning in marked_by(refs).items()
        if (pruning.until_us <= now_us or pruning.time_us < forgotten_us) and id not in needed
    )


def shortened(rule: str) -> str:
    """A rule as it may stand in a mark."""
    text = "".join(c if c.isprintable() else " " for c in rule)
    return text if len(text) <= MAX_RULE_CHARACTERS else text[: MAX_RULE_CHARACTERS - 1] + "…"


def settled(refs: Mapping[str, bytes], now_us: int) -> dict[str, Marked]:
    """Marks that nobody can undo any more, by name, the smallest first: as many as one mark holds; none
    if that are too few."""
    old = {}
    for name, value in sorted(refs.items(), key=lambda pair: (len(pair[1]), pair[0])):
        if name.startswith(PRUNED):
            marked = decode(value)
            if all(pruning.until_us <= now_us for pruning in marked.values()):
                old[name] = marked
    taken: dict[str, Marked] = {}
    size = _GROUP_BYTES
    for name, marked in old.items():
        size += len(marked) * _VERSION_BYTES + len(set(marked.values())) * _GROUP_BYTES
        if size > MAX_VALUE_BYTES:
            break
        taken[name] = marked
    return taken if len(taken) >= MERGED_REFS else {}


def only(marked: Marked, ids: Collection[VersionId]) -> dict[VersionId, Pruning]:
    """What is said of these versions."""
    return {id: pruning for id, pruning in marked.items() if id in ids}
