"""Exports: a version as a clean directory with a manifest, there whole or not at all (EXPORT.md).

Everything is written into a directory beside the target, verified and made durable there; one rename makes it
the target, or exchanges it with an older export (mvcd/disk/wholes.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mvcd.disk.sync import sync_directories, sync_file
from mvcd.disk.wholes import settle, workplace
from mvcd.errors import CorruptObject, Failure
from mvcd.ids import VersionId
from mvcd.inspect.trainingstate import all_state, is_state_file
from mvcd.objects.promotion import Promotion
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.files import Placed, VersionFiles, recipe_of
from mvcd.repo.contents.pipeline import worker_count
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import require_here
from mvcd.repo.ondisk.below import paths_below
from mvcd.repo.ondisk.folding import FoldedNames, refuse_twins
from mvcd.repo.records.annotations import texts_of
from mvcd.repo.records.names import ref_meant
from mvcd.repo.records.refs import EMPTY_ID, STAGES
from mvcd.repo.release import export_manifest, gate
from mvcd.repo.release.export_manifest import ExportedFile, ExportManifest
from mvcd.repo.restore.checkout import Checkout

_STAGING = "staging"
"""Directories up to which each is fsynced; see checkout.py."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    manifest: ExportManifest
    directory: str
    bytes_total: int
    replaced: VersionId | None  # what was there before


def export(
    core: Core,
    rev: str,
    directory: str,
    *,
    only: Collection[Component] | None = None,
    replace: bool = False,
    state: bool | None = None,
) -> ExportResult:
    """Writes a version, or some of its components, into a new directory with a manifest (EXPORT.md); with
    `state`, of its weights only what is training state (True), or what is not (False).

    Raises Failure (kind "not-empty", "missing-content", "reserved-name", "unsafe-link"), Busy, Conflict.
    """
    id = core.resolve(rev)
    if id == EMPTY_ID:
        raise Failure(f"{rev} is the empty version v0", kind="no-versions", help="mvc log")
    require_here(core, id)
    target = os.path.abspath(directory)
    before = _judge(target, replace=replace)
    version = core.version(id)
    chosen = tuple(c for c in Component if only is None or c in only)
    listed = sorted(VersionFiles(version, core.fetch).all(chosen), key=lambda p: p.entry.path)
    files, others = _split(core, listed, state)
    if core.promised is not None:
        core.promised.bring_entries(p.entry for p in files)
    _require_exportable(core, id, version, files)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with workplace(target) as beside:
        place = os.path.join(beside, "content")
        os.mkdir(place)
        _write(core, files, place, os.path.join(beside, _STAGING))
        rows = _listed(place, files)
        rest = tuple(ExportedFile(p.component, p.entry, "") for p in others)
        promotion, texts = _promotion(core, rev, id), texts_of(core.store, id)
        made = ExportManifest(id, version, chosen, rows, promotion, rest, texts)
        _write_manifest(place, made.encode())
        settle(place, target, beside, replaces=before is not None)
    return ExportResult(made, target, sum(p.entry.size for p in files), before)


def _split(
    core: Core, files: Sequence[Placed], state: bool | None
) -> tuple[list[Placed], list[Placed]]:
    """What is exported, and the weights that are not."""
    if state is None:
        return list(files), []

    def goes(placed: Placed) -> bool:
        return placed.component is not Component.WEIGHTS or _is_state(core, placed) is state

    return [p for p in files if goes(p)], [p for p in files if not goes(p)]


def _is_state(core: Core, placed: Placed) -> bool:
    """By its name, or by the tensors that its recipe lists."""
    if is_state_file(placed.entry.path):
        return True
    names = recipe_of(placed.entry, core.fetch).tensors()
    return all_state(names)


def _judge(target: str, *, replace: bool) -> VersionId | None:
    """The version of the export that is to be replaced. Raises Failure unless the target may be taken."""
    if os.path.islink(target) or (os.path.exists(target) and not os.path.isdir(target)):
        raise Failure(f"{target} is not a directory", kind="not-a-directory")
    if not os.path.isdir(target) or not os.listdir(target):
        return None
    try:
        manifest = export_manifest.read(target)
    except (Failure, CorruptObject) as error:
        raise _not_empty(target, str(error), "export to an empty or new DIR") from error
    known = {f.entry.path for f in manifest.files} | {export_manifest.NAME}
    foreign = next((p for p in paths_below(target) if p not in known), None)
    if foreign is not None:
        raise _not_empty(target, f"{foreign} is not of the export that it was", "move it away")
    if not replace:
        raise _not_empty(
            target, f"it has v{manifest.record.generation}", "mvc export REV DIR --replace"
        )
    return manifest.version


def _not_empty(target: str, why: str, help: str) -> Failure:
    return Failure(f"{target} is not empty", kind="not-empty", cause=why, help=help)


def _require_exportable(
    core: Core, id: VersionId, version: Version, files: Sequence[Placed]
) -> None:
    wanted = {p.entry.path for p in files}
    if export_manifest.NAME in wanted:
        raise Failure(
            f"v{version.generation} has a file called {export_manifest.NAME}",
            kind="reserved-name",
            cause="the manifest of the export has that name",
        )
    absent = gate.incomplete(core, [p.entry for p in files])
    if absent:
        raise Failure(
            f"v{version.generation} {id.short(10)} is not whole here",
            kind="missing-content",
            cause="content is missing of " + ", ".join(absent),
            help="mvc verify",
        )


# -------------------------------------------------------------------- writing


def _write(core: Core, files: Sequence[Placed], place: str, staging: str) -> None:
    entries = [p.entry for p in files]
    refuse_twins((e.path for e in entries), FoldedNames(staging), place)
    checkout = Checkout(place, staging, core.contents, core.monitor, stands_alone=True)
    checkout.apply(entries, [], expect={})
    if checkout.skipped:
        path, why = checkout.skipped[0]
        raise Failure(f"{path} cannot be exported", kind="unsafe-link", cause=why,
            help="leave its component out: mvc export REV DIR --only COMPONENT,...",
        )  # fmt: skip


def _listed(place: str, files: Sequence[Placed]) -> tuple[ExportedFile, ...]:
    """With the SHA-256 of what lies on the disk now; hashing releases the GIL."""

    def row(placed: Placed) -> ExportedFile:
        digest = sha256_of(os.path.join(place, placed.entry.path))
        return ExportedFile(placed.component, placed.entry, digest)

    with ThreadPoolExecutor(worker_count()) as pool:
        return tuple(pool.map(row, files))


def sha256_of(path: str) -> str:
    """Hex; of a link's text if it is a link."""
    if os.path.islink(path):
        return hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_manifest(place: str, data: bytes) -> None:
    fd = os.open(
        os.path.join(place, export_manifest.NAME),
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
        0o666,
    )
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        sync_file(fd)
    finally:
        os.close(fd)
    sync_directories([directory for directory, _, _ in os.walk(place)])


# -------------------------------------------------------------------- what it was exported as


def _promotion(core: Core, rev: str, id: VersionId) -> Promotion | None:
    """The record by which the version holds the stage that it was asked for by."""
    from mvcd.repo.records import stages  # late: start-up

    name = rev.removeprefix("@")
    if (
        ref_meant(rev, core.revisions.has) is not None
        or not name
        or not core.store.refs(f"{STAGES}{name}/")
    ):
        return None
    newest = stages.records(core.store, name)[0].promotion
    return newest if newest.version == id else None
