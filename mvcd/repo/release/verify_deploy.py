"""Whether a deployment copy is what its manifest says: every file read, nothing but the directory needed.

The manifest has proved itself by now (export_manifest.py): its entries add up to the version's id. What
is left is that each file is its entry: size, mode, SHA-256, and the recipe, which is cut from the bytes anew. A
file may have been cut by an mvc that did not know its format yet, as plain bytes; so that is tried too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from mvcd.errors import Failure
from mvcd.ids import RecipeId, VersionId
from mvcd.monitor import Monitor, Silent
from mvcd.objects.entry import Mode
from mvcd.objects.version import Component
from mvcd.repo.contents.drafts import plain, recipe_along
from mvcd.repo.contents.pipeline import worker_count
from mvcd.repo.intake.ingest import Ingest
from mvcd.repo.intake.loading import Source
from mvcd.repo.intake.targets import DryTarget
from mvcd.repo.ondisk.below import paths_below
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.unreadable import Unreadable, reason
from mvcd.repo.release import export_manifest
from mvcd.repo.release.export import sha256_of
from mvcd.repo.release.export_manifest import ExportedFile, ExportManifest


@dataclass(frozen=True, slots=True)
class DeployProblem:
    """`problem`: "differs", "mode", "missing" or "unreadable"; without a component, "extra" for what the
    version does not have, "unreadable" for a directory that may hold such, or "record" for a record of
    promotion that the stage's history does not have."""

    problem: str
    path: str
    component: Component | None


@dataclass(frozen=True, slots=True)
class DeployReport:
    """`expected` is the version that was asked for, if any; `ok`: this it is, whole and unchanged."""

    directory: str
    manifest: ExportManifest
    problems: tuple[DeployProblem, ...]
    bytes_read: int
    expected: VersionId | None = None

    @property
    def same_version(self) -> bool:
        return self.expected in (None, self.manifest.version)

    @property
    def ok(self) -> bool:
        return self.same_version and not self.problems


def verify_deploy(
    directory: str, *, expected: VersionId | None = None, monitor: Monitor | None = None
) -> DeployReport:
    """Raises Failure(kind="no-manifest", and what reading files may raise), CorruptObject for a manifest that
    contradicts itself.
    """
    if not os.path.isdir(directory):
        raise Failure(f"{directory} is not a directory", kind="no-directory")
    manifest = export_manifest.read(directory)
    listed = {f.entry.path: f for f in manifest.files}
    there, closed = _look(directory)
    problems = [DeployProblem("extra", p, None) for p in there.keys() - listed.keys()]
    problems += [DeployProblem("unreadable", p, None) for p in closed.reasons if p not in listed]
    problems += [
        DeployProblem("unreadable" if closed.above(p) else "missing", p, listed[p].component)
        for p in listed.keys() - there.keys()
    ]
    alike: dict[str, FileStat] = {}
    for path in sorted(listed.keys() & there.keys()):
        problem = _at_a_glance(os.path.join(directory, path), listed[path], there[path])
        if problem is not None:
            problems.append(DeployProblem(problem, path, listed[path].component))
        if problem != "differs":
            alike[path] = there[path]
    unread: dict[str, str] = {}
    different = _different(directory, alike, listed, monitor or Silent(), unread)
    problems += [DeployProblem("differs", p, listed[p].component) for p in different]
    problems += [DeployProblem("unreadable", p, listed[p].component) for p in unread]
    problems.sort(key=lambda p: (p.component is None, p.path, p.problem))
    size = sum(s.size for s in alike.values())
    return DeployReport(directory, manifest, tuple(problems), size, expected)


def _look(directory: str) -> tuple[dict[str, FileStat], Unreadable]:
    """What is there besides the manifest, and where nobody can look."""
    there: dict[str, FileStat] = {}
    closed: dict[str, str] = {}

    def refused(inside: str, error: OSError) -> None:
        if not inside or not isinstance(error, PermissionError):
            raise error
        closed[inside] = reason(error.errno or 0)

    for path in paths_below(directory, refused):
        try:
            there[path] = FileStat.of(os.lstat(os.path.join(directory, path)))
        except PermissionError as error:  # its directory can be listed and not be searched
            closed[path] = reason(error.errno or 0)
    there.pop(export_manifest.NAME)
    return there, Unreadable(closed)


def with_foreign_record(report: DeployReport) -> DeployReport:
    """The same, where the manifest's record of promotion turned out to be nobody's."""
    problem = DeployProblem("record", export_manifest.NAME, None)
    return replace(report, problems=(*report.problems, problem))


def _at_a_glance(path: str, file: ExportedFile, now: FileStat) -> str | None:
    entry = file.entry
    if not (now.is_symlink or os.path.isfile(path)):
        return "differs"  # a device, a pipe
    mode = now.mode
    if (mode is Mode.SYMLINK) != (entry.mode is Mode.SYMLINK) or now.size != entry.size:
        return "differs"
    return None if mode is entry.mode else "mode"


def _different(
    directory: str,
    found: Mapping[str, FileStat],
    listed: Mapping[str, ExportedFile],
    monitor: Monitor,
    unread: dict[str, str],
) -> Iterator[str]:
    """Those of the files whose bytes are not what the manifest says. Reads them twice, once from the cache.
    `unread` takes those that cannot be read."""
    sources = [Source(path, stat) for path, stat in found.items()]
    monitor.begin("verify", total_bytes=sum(s.stat.size for s in sources), total_items=len(sources))
    try:
        with (
            ThreadPoolExecutor(worker_count()) as pool,
            Ingest(directory, DryTarget(), monitor=monitor, unread=unread) as ingest,
        ):
            for read in ingest.run(sources):
                file, path = listed[read.path], os.path.join(directory, read.path)
                digest = pool.submit(sha256_of, path)
                same = read.recipe == file.entry.recipe or (
                    read.mode is not Mode.SYMLINK and _plain_recipe(path) == file.entry.recipe
                )
                if not same or digest.result() != file.sha256:
                    yield read.path
    finally:
        monitor.finish()


def _plain_recipe(path: str) -> RecipeId:
    """The recipe of a file cut as plain bytes, whatever format it has."""
    with open(path, "rb", buffering=0) as file:
        return recipe_along(file.readinto, plain(os.fstat(file.fileno()).st_size))
