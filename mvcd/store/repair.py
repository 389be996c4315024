"""Repair of a store that does not open: first a look that changes nothing, then what can be made anew.

    format        made again, with the id that it still tells, or that the caller knows, or a new one
    index         rebuilt from the packs; refs, operations and audit rows from whichever knows more, the journal
                  or the old index as far as it can still be read
    journal       written again from the index
    pack headers  written again: they say nothing that the file's name does not
    directories   made

What is replaced stays under another name (aside.py). Each step leaves a store that can be repaired, and what is
done is not done twice, so a repair that was killed anywhere is repeated as it stands.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from mvcd.disk.aside import keep_aside
from mvcd.disk.directories import make_directories
from mvcd.disk.locks import lock_directory, try_lock, unlock
from mvcd.disk.sync import sync_file
from mvcd.errors import Busy, IntegrityError
from mvcd.store.harvest import Harvest, harvest, probe
from mvcd.store.index import Index
from mvcd.store.journal import JOURNAL, Journal, JournalState
from mvcd.store.lmdb_store import lock_format, read_format, replace_format_file
from mvcd.store.pack import pack_name, pack_numbers
from mvcd.store.rebuild import RebuildReport, rebuild
from mvcd.store.record import PACK_HEADER, BadRecord, check_pack_header, pack_header
from mvcd.store.refs import full_changes

_ID = re.compile(rb"\b[0-9a-f]{32}\b")
_DIRECTORIES = ("packs", "leases")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, and what a repair does about it."""

    part: str  # "format", "index", "packs", "journal", "leases", ...
    problem: str
    remedy: str


@dataclass(slots=True)
class Survey:
    """What a look at a store found. `findings` is empty when it can be opened as it is."""

    path: str
    findings: list[Finding] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)  # directories
    headers: list[int] = field(default_factory=list)
    format: bool = False
    index: bool = False
    journal: bool = False


@dataclass(slots=True)
class Repaired:
    """What was done; `lost` says what could not be brought back, `kept` where the old files are."""

    done: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    rebuilt: RebuildReport | None = None


def is_store(path: str) -> bool:
    """Whether a directory holds a store, whole or not."""
    names = ("packs", "data.mdb", "format", JOURNAL)
    return sum(os.path.exists(os.path.join(path, name)) for name in names) > 1


def find_store(path: str) -> str | None:
    """The store at or above `path`, whole or not."""
    current = os.path.realpath(path)
    while not is_store(current):
        if os.path.dirname(current) == current:
            return None
        current = os.path.dirname(current)
    return current


def survey(path: str | os.PathLike[str]) -> Survey:
    """Looks at the store in `path`, which others may have open. Raises Failure when its format is newer than
    ours, and what has other reasons than damage (no permission, no memory)."""
    found = Survey(os.path.abspath(path))
    for name in _DIRECTORIES:
        if not os.path.isdir(os.path.join(found.path, name)):
            found.absent.append(name)
            found.findings.append(Finding(name, "the directory is missing", "make it"))
    _look_at_format(found)
    _look_at_headers(found)
    for part, problem in probe(found.path):
        if part == "journal":
            found.journal = True
            found.findings.append(Finding(part, problem, "write it again from the index"))
        else:
            _must_rebuild(found, part, problem)
    return found


def _must_rebuild(found: Survey, part: str, problem: str) -> None:
    found.findings.append(Finding(part, problem, "rebuild the index from packs and journal"))
    found.index = True


def _look_at_format(found: Survey) -> None:
    try:
        read_format(found.path)
    except FileNotFoundError:
        found.format = True
        found.findings.append(Finding("format", "the file is missing", "write it again"))
    except IntegrityError:
        found.format = True
        found.findings.append(Finding("format", "the file is damaged", "write it again"))


def _look_at_headers(found: Survey) -> None:
    if "packs" in found.absent:
        return
    for number in pack_numbers(os.path.join(found.path, "packs")):
        with open(os.path.join(found.path, "packs", pack_name(number)), "rb") as file:
            head = file.read(PACK_HEADER.size)
        try:
            check_pack_header(head, number)
        except BadRecord as bad:
            if len(head) == PACK_HEADER.size and "names pack" not in str(bad):
                found.headers.append(number)
                problem = f"pack {number:08x}: {bad}"
                found.findings.append(Finding("pack header", problem, "write it again"))


# ---------------------------------------------------------------------- doing it


def repair_store(found: Survey, *, id: str | None = None) -> Repaired:
    """Does what the survey found to be needed. `id` is the store's, where the caller knows it.

    Raises Busy when others use the store and it cannot be done beside them, Failure when the disk is full.
    """
    report = Repaired()
    with _alone(found):
        for name in found.absent:
            make_directories(os.path.join(found.path, name))
            report.done.append(f"made {name}/")
        for number in found.headers:
            _write_header(found.path, number)
            report.done.append(f"wrote the header of pack {number:08x}")
        if found.index:
            _rebuild(found, report)
        elif found.journal:
            _write_journal(found.path, report)
        if found.format:
            _write_format(found.path, id, report)
    return report


@contextmanager
def _alone(found: Survey) -> Iterator[None]:
    """One repair at a time, and with the store for itself if index or format are replaced."""
    with ExitStack() as locks:
        directory = lock_directory(found.path)
        if directory is None:
            raise Busy("another repair is running", help="run the command again later")
        locks.callback(os.close, directory)
        if found.index or found.format:
            if os.path.exists(os.path.join(found.path, "format")):
                locks.callback(os.close, _exclusively(found.path))
            _require_no_writer(found)
        yield


def _exclusively(path: str) -> int:
    try:
        return lock_format(path, shared=False)
    except Busy:
        raise Busy(
            "the store is in use",
            cause="it can only be rebuilt while no other program has it open",
            help="mvcd stop  (and end other commands that use it), then mvc repair",
        ) from None


def _require_no_writer(found: Survey) -> None:
    """A pack that is locked has a writer, which opened the store before its format file was lost."""
    if "packs" in found.absent:
        return
    directory = os.path.join(found.path, "packs")
    for number in pack_numbers(directory):
        file = try_lock(os.path.join(directory, pack_name(number)))
        if file is None:
            raise Busy(
                "the store is in use", cause=f"somebody writes to pack {number:08x}",
                help="end that program, then mvc repair",
            )  # fmt: skip
        unlock(file)  # no new writer can come: the store does not open


def _rebuild(found: Survey, report: Repaired) -> None:
    journal = Journal(os.path.join(found.path, JOURNAL))
    history = recall(journal.read(), harvest(found.path))
    rebuilt = report.rebuilt = rebuild(found.path, history)
    if rebuilt.kept is not None:
        report.kept.append(rebuilt.kept)
    report.done.append(
        f"rebuilt the index: {rebuilt.objects:,} objects in {rebuilt.packs} packs, {rebuilt.refs} refs, "
        f"{rebuilt.operations} operations"
    )
    if rebuilt.damaged:
        report.lost.append(f"{rebuilt.damaged} stretches of packs hold no valid object")
    if rebuilt.operations_lost:
        report.lost.append(f"{rebuilt.operations_lost} operations before a gap cannot be undone")
    if not rebuilt.refs:
        report.lost.append("neither the journal nor the old index tells any ref")
    _write_journal(found.path, report)


def recall(journal: JournalState, old: Harvest) -> JournalState:
    """The newest history that can be told. A table of the old index counts for whole where it was read to its
    end and is as new as the journal; else what it tells fills the gaps of the journal."""
    history = JournalState(max(journal.changes, old.changes or 0))
    newer = old.changes is not None and old.changes >= journal.changes
    damaged = bool(journal.damaged_lines or journal.holes or journal.torn or not journal.changes)
    history.refs = dict(journal.refs)
    if newer and "refs" in old.whole:
        history.refs = dict(old.refs)
    elif newer:
        history.refs |= old.refs
    elif damaged:
        history.refs = old.refs | journal.refs
    history.operations = old.operations | journal.operations
    history.audit = old.audit | journal.audit
    history.bad_lines, history.holes = journal.bad_lines, journal.holes
    return history


def _write_journal(path: str, report: Repaired) -> None:
    name = os.path.join(path, JOURNAL)
    journal = Journal(name)
    index = Index.acquire(path)
    try:
        changes = full_changes(index)
        with suppress(OSError):  # unreadable as a file: then there is nothing to keep
            if os.path.exists(name) and journal.read().damaged_lines:
                kept = keep_aside(name)
                report.kept += [kept] if kept else []
        journal.rewrite(changes)
    finally:
        index.release()
    report.done.append("wrote the journal again")


def _write_header(path: str, number: int) -> None:
    file = try_lock(os.path.join(path, "packs", pack_name(number)))
    if file is None:
        raise Busy("a pack is in use", help="run the command again later")
    try:
        os.pwrite(file, pack_header(number), 0)
        sync_file(file)
    finally:
        unlock(file)


def _write_format(path: str, id: str | None, report: Repaired) -> None:
    """The last step: from here on the store opens."""
    name = os.path.join(path, "format")
    text = b""
    with suppress(FileNotFoundError), open(name, "rb") as file:
        text = file.read(4096)
    told = _ID.search(text)
    if told is not None:
        id = told.group().decode()
    kept = keep_aside(name)
    if kept is not None:
        report.kept.append(kept)
    replace_format_file(path, id or secrets.token_hex(16))
    report.done.append("wrote format again")
    if id is None:
        report.lost.append("the store's id is lost: it has a new one")
