"""Pointers of Git LFS (its docs/spec.md), and the objects beside git's that they stand for.

An object of digest aabbcc… lies at `lfs/objects/aa/bb/aabbcc…` below git's directory, or below `lfs.storage`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from mvc.importers.gitrecords import EXECUTABLE, LINK, Blob, Change
from mvc.importers.gitsource import GitSource
from mvc.importers.pointers import CachedFile, Lacking, PointerOverlay

MAX_POINTER_BYTES = 1024
_POINTER = re.compile(
    rb"version https?://[\w.-]+/spec/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n(?:.*\n)*"
)


def pointer_digest(data: bytes) -> str | None:
    """The digest that a pointer names, in hex; None of what is no pointer."""
    found = _POINTER.fullmatch(data)
    return None if found is None else found[1].decode()


class LfsPointers:
    """Pointers of Git LFS in one repository."""

    place = "Git LFS"
    way = "git lfs fetch --all"

    def __init__(self, source: GitSource, caches: Sequence[str]) -> None:
        """`caches` are further directories of objects."""
        storage = os.path.expanduser(source.setting("lfs.storage") or "lfs")
        own = os.path.join(source.common_directory, storage, "objects")
        self._source, self._caches = source, [own, *caches]
        self._digests: dict[str, str | None] = {}  # by blob

    def searched(self) -> Sequence[str]:
        """Lists the directories of objects."""
        return self._caches

    def overlay(
        self,
        tree: Mapping[str, Blob],
        changed: Collection[Change] | None,
        before: PointerOverlay | None,
    ) -> PointerOverlay:
        """Looks into the blobs that are small enough to be pointers, and changed."""
        items = {} if before is None else dict(before.items)
        lacking = {} if before is None else {lack.path: lack for lack in before.lacking}
        for path, blob in tree.items() if changed is None else changed:
            items.pop(path, None)
            lacking.pop(path, None)
            digest = self.digest(blob)
            if blob is None or digest is None:
                continue
            place = self._place(digest)
            if place is None:
                lacking[path] = Lacking(path, digest)
            else:
                items[path] = CachedFile("sha256", digest, place, blob.mode == EXECUTABLE)
        return PointerOverlay(items, lacking=tuple(lacking.values()))

    def digest(self, blob: Blob | None) -> str | None:
        """The digest that a blob points to, if it is a pointer."""
        if blob is None or blob.mode == LINK:
            return None
        if blob.id not in self._digests:
            small = self._source.object_bytes(blob.id) <= MAX_POINTER_BYTES
            self._digests[blob.id] = pointer_digest(self._source.read(blob.id)) if small else None
        return self._digests[blob.id]

    def _place(self, digest: str) -> str | None:
        return next(filter(os.path.isfile, self._places(digest)), None)

    def _places(self, digest: str) -> Iterator[str]:
        for cache in self._caches:
            yield os.path.join(cache, digest[:2], digest[2:4], digest)
