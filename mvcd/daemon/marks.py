"""Judgements that the rules share: are all files whole, and is the file that is written last newer than they?

A *marker* is the file that a writer makes last (an index, `trainer_state.json`, `.metadata`). In a directory
that is overwritten in place yesterday's marker lies beside today's first files, so a marker vouches for what
is not newer than it. But a checkpoint that was copied, downloaded or unpacked comes in any order, its marker
is often the first to arrive, and nobody will write it again. The two look alike while files come in, and are
told apart by these signs:

    all of it is newer than the marker, and proven whole    a copy, or a writer between its last file and the
                                                            marker: SOON_SECONDS seconds of quiet tell
    part is older than the marker, all is proven whole,     the same
    unlike the last version, and came in one go
    part is older than the marker, or not proven            the same after LONG_SECONDS seconds of quiet
    part is newer by more than LONG_SECONDS than the marker         two saves, the second unfinished: held back
    the last version has this marker already, and part of   the same
    the files is as it was, or not proven

Proven is what its own format proves (formats.py), and a JSON document that ends; other formats have no end that
could be looked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from mvcd.daemon.folder import Folder
from mvcd.daemon.formats import check_file
from mvcd.daemon.verdict import COMPLETE, PROVEN, UNKNOWN, SaveState, Verdict, incomplete

SOON_SECONDS = 30.0
"""Seconds between the last of the files that a marker vouches for and the marker. Trainers write small files
between them (schedulers, random states: below a second) or wait for the other ranks' equal shares."""

LONG_SECONDS = 1800.0
"""Seconds for which no writer pauses within a save: the longest default timeout of torch.distributed (gloo's;
NCCL's is 600), after which a save whose ranks wait for one another has failed."""

_RATE_BYTES_PER_SECOND = 50e6
"""Bytes a second that a copy makes at least: half of what gigabit Ethernet carries."""

_MAX_DOCUMENT_BYTES = 8 << 20
"""Bytes of JSON that are read to see whether it ends: 50 ms."""

_UNFINISHED = "this save was not finished (if it was: mvc commit)"


NO_LENGTHS: Mapping[str, int] = MappingProxyType({})


def each_whole(
    folder: Folder, files: Iterable[str], lengths: Mapping[str, int] = NO_LENGTHS
) -> Verdict:
    """INCOMPLETE as soon as one file is, by its own format; PROVEN if all are proven, else UNKNOWN.

    `lengths` has the bytes that another file says that a file must have.
    """
    state = PROVEN
    for name in files:
        size = folder.files[name].st_size
        if name in lengths:
            if size < lengths[name]:
                return incomplete(f"{name}: {size} of {lengths[name]} bytes are there")
            continue
        try:
            verdict = check_file(os.path.join(folder.path, name), size)
        except OSError as error:
            return incomplete(f"{name}: {error.strerror}")
        if verdict.state is SaveState.INCOMPLETE:
            return incomplete(f"{name}: {verdict.reason}")
        if verdict.state is not SaveState.PROVEN and not _is_document(folder, name):
            state = UNKNOWN
    return state


def _is_document(folder: Folder, name: str) -> bool:
    """Whether a file is one JSON object or list from its first byte to its last: no part of one is."""
    if not name.endswith(".json") or folder.files[name].st_size > _MAX_DOCUMENT_BYTES:
        return False
    try:
        return isinstance(json.loads(folder.text(name)), (dict, list))
    except (ValueError, RecursionError, OSError):
        return False


def marked(
    folder: Folder,
    marker: str,
    others: Sequence[str],
    *,
    empty: bool = False,
    lengths: Mapping[str, int] = NO_LENGTHS,
    agrees: Callable[[], bool] = lambda: True,
) -> Verdict:
    """COMPLETE if the marker is there, vouches for the others, and these are whole.

    `empty`: it need have no content. `lengths` is each_whole's. `agrees` is asked of files that came after
    their marker: whether its content is about just these.
    """
    if marker not in folder.files:
        return incomplete(f"{marker} is not written yet")
    if folder.files[marker].st_size == 0 and not empty:
        return incomplete(f"{marker} is empty")
    whole = each_whole(folder, others, lengths)
    if whole.state is SaveState.INCOMPLETE:
        return whole
    if folder.newer(marker, others):
        return arrived(folder, marker, others, proven=whole.state is SaveState.PROVEN and agrees())
    return COMPLETE


def arrived(folder: Folder, marker: str, others: Sequence[str], *, proven: bool) -> Verdict:
    """COMPLETE if files of which some are newer than their marker were copied with it; see above."""
    newer = folder.newer(marker, others)
    first = folder.files[newer[0]]
    apart = first.st_mtime - folder.files[marker].st_mtime
    one_go = apart <= SOON_SECONDS + first.st_size / _RATE_BYTES_PER_SECOND
    alike = len(newer) == len(others) or (one_go and folder.is_new(marker, *others))
    sure = proven and alike  # of one save, or of one copy
    needed, said = (SOON_SECONDS, "30 s") if sure else (LONG_SECONDS, "30 min")
    again = f"{newer[0]} is newer than {marker}: it is being written again"
    if not sure and (apart > LONG_SECONDS or not folder.may_be_new(marker)):
        if folder.quiet() < LONG_SECONDS:
            return incomplete(again)
        return incomplete(
            f"{newer[0]} is newer than {marker}, which is of an earlier save: {_UNFINISHED}"
        )
    if folder.quiet() < needed:
        return incomplete(f"{again} (a copy is saved after {said} of quiet)")
    return COMPLETE


def first_incomplete(verdicts: Iterable[Verdict], otherwise: Verdict) -> Verdict:
    return next((v for v in verdicts if v.state is SaveState.INCOMPLETE), otherwise)
