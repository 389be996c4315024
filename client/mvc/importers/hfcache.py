"""One model or data set in the cache of the Hugging Face Hub, as its directory lays it out.

    refs/NAME                a branch, a tag, or a pull request (refs/pr/1): the commit that it was at
    snapshots/COMMIT/PATH    a link to ../../blobs/DIGEST
    blobs/DIGEST             content; the name is its SHA-256, or the id that git has for it
    blobs/DIGEST.incomplete  a download that did not end

A snapshot has only the files that someone asked for. Where links cannot be made, it has the files themselves,
and nothing says their digests. The blob that a link names counts, not the way to it: a cache may have moved.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from mvc.api.errors import Failure
from mvc.api.import_verbs import unfit_path
from mvc.importers.pointers import GIT_ID, CachedFile, Lacking

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TO_BLOB = re.compile(r"(?:.*/)?blobs/([^/]+)", re.DOTALL)
_REPOSITORY = re.compile(r"(model|dataset|space)s--(.+)")


@dataclass(slots=True)
class HfSnapshot:
    """A commit's files that are here (a path where nothing says the digest), the time at which the last came,
    those whose content is not here, and why others are in no version."""

    commit: str
    time: datetime
    files: dict[str, CachedFile | str] = field(default_factory=dict)
    lacking: list[Lacking] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class HfCache:
    """All that a cache has of one model or data set: snapshots as they came, refs with their commits, and
    downloads that did not end. `id` is its name on the Hub, `type` "model", "dataset" or "space"."""

    id: str
    type: str
    snapshots: list[HfSnapshot] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name without the owner's."""
        return self.id.rpartition("/")[2]


def read_cache(source: str) -> HfCache:
    """Reads which snapshots and refs there are; no content. Raises Failure: kind "no-hf"."""
    top = os.path.abspath(source)
    if not os.path.isdir(os.path.join(top, "snapshots")):
        raise _no_cache(source)
    found = _REPOSITORY.fullmatch(os.path.basename(top))
    type, name = found.groups() if found else ("model", os.path.basename(top))
    cache = HfCache(name.replace("--", "/"), type)
    for commit in sorted(os.listdir(os.path.join(top, "snapshots"))):
        if not _COMMIT.fullmatch(commit):
            cache.notes.append(f"snapshots/{_shown(commit)} is left out: its name is no commit")
        elif (snapshot := _snapshot(top, commit)) is None:
            cache.notes.append(f"snapshot {commit[:12]} has no files")
        else:
            cache.snapshots.append(snapshot)
    cache.snapshots.sort(key=lambda s: (s.time, s.commit))
    cache.refs.update(_refs(top, cache.notes))
    cache.unfinished += _unfinished(os.path.join(top, "blobs"))
    return cache


def _no_cache(source: str) -> Failure:
    inside = sorted(os.listdir(source)) if os.path.isdir(source) else []
    one = next((name for name in inside if _REPOSITORY.fullmatch(name)), None)
    place = "~/.cache/huggingface/hub/models--ORG--NAME"
    if one is not None:
        place = os.path.join(source, one)
    return Failure(
        f"{source} is no model or data set in the cache of the Hugging Face Hub", kind="no-hf",
        cause="it has no directory snapshots" if os.path.isdir(source) else "it is no directory",
        help=f"mvc import hf {place}",
    )  # fmt: skip


# -------------------------------------------------------------------- snapshots


def _snapshot(top: str, commit: str) -> HfSnapshot | None:
    place = os.path.join(top, "snapshots", commit)
    paths = list(_paths(place))
    if not paths:
        return None
    newest = max(os.lstat(os.path.join(place, path)).st_mtime_ns for path in paths)
    time = datetime.fromtimestamp(newest // 1000 / 1_000_000).astimezone()
    snapshot = HfSnapshot(commit, time)
    for path in paths:
        if (why := unfit_path(path)) is not None:
            snapshot.left_out[_shown(path)] = why
        else:
            _put(snapshot, path, top)
    return snapshot


def _paths(place: str) -> Iterator[str]:
    """Paths of what is in a snapshot, but for directories; links are not followed."""
    for directory, below, names in os.walk(place):
        linked = [name for name in below if os.path.islink(os.path.join(directory, name))]
        for name in sorted([*names, *linked]):
            yield os.path.relpath(os.path.join(directory, name), place)


def _put(snapshot: HfSnapshot, path: str, top: str) -> None:
    """Puts where a path belongs: to the files, what is lacking, or what is left out."""
    place = os.path.join(top, "snapshots", snapshot.commit, path)
    if not os.path.islink(place):
        if os.path.isfile(place):
            snapshot.files[path] = place
        else:
            snapshot.left_out[path] = "it is no regular file"
        return
    target = os.readlink(place)
    to_blob = _TO_BLOB.fullmatch(target)
    if to_blob is None or to_blob[1] in {".", ".."}:
        snapshot.left_out[path] = f"it links to {_shown(target)}, which is no blob"
        return
    name = to_blob[1]
    blob = os.path.realpath(os.path.join(top, "blobs", name))
    if not os.path.isfile(blob):
        snapshot.lacking.append(Lacking(path, _shown(name)))
    elif _SHA256.fullmatch(name):
        snapshot.files[path] = CachedFile("sha256", name, blob)
    elif _COMMIT.fullmatch(name):
        snapshot.files[path] = CachedFile(GIT_ID, name, blob)
    else:
        snapshot.files[path] = blob


# -------------------------------------------------------------------- names, and what did not end


def _refs(top: str, notes: list[str]) -> Iterator[tuple[str, str]]:
    """(name, commit). Names on the Hub that begin with `refs/`, as pull requests have, go without it."""
    place = os.path.join(top, "refs")
    for path in _paths(place):
        with open(os.path.join(place, path), encoding="utf-8", errors="replace") as file:
            commit = file.read(100).strip()
        if _COMMIT.fullmatch(commit):
            yield _shown(path).removeprefix("refs/"), commit
        else:
            notes.append(f"refs/{_shown(path)} is left out: it names no commit")


def _unfinished(blobs: str) -> Iterator[str]:
    """Names of downloads that did not end, but for those whose content came in another one."""
    for name in sorted(os.listdir(blobs)) if os.path.isdir(blobs) else []:
        whole = os.path.join(blobs, name.partition(".")[0])
        if name.endswith(".incomplete") and not os.path.isfile(whole):
            yield _shown(name)


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
