"""Digests by which others name files: sha256 (Hugging Face, OCI, OMS), git's blob id, md5 (DVC).

They are no part of a version's identity: rows of the store's cache, bound to the recipe and the algorithm, that
may be lost and are computed anew then.

    digest/ALGORITHM/RECIPE        the digest's bytes; a row of another length counts as absent

A commit computes them while it reads files, where `mvc.toml` asks for it; else they are computed at first need,
from stored bytes whose own digests were checked.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol

from mvcd.errors import IntegrityError, UsageError
from mvcd.ids import Bytes, RecipeId
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import Part
from mvcd.repo.contents.files import Contents, content_parts
from mvcd.repo.contents.pipeline import Pipeline
from mvcd.repo.contents.wholefiles import TASK_BYTES, check_size, decoded, read_together, tasks

_GROUP_FILES = 256
"""Small files are read together: two questions to the store for each group, not for each file."""


class DigestAlgorithm(StrEnum):
    """A digest that others use. The value is its name everywhere: in calls, in `mvc.toml`, in the cache."""

    SHA256 = "sha256"
    GIT_SHA1 = "git-sha1"  # of "blob SIZE\\0" and the bytes
    MD5 = "md5"

    @property
    def size(self) -> int:
        """Bytes of a digest."""
        return {"sha256": 32, "git-sha1": 20, "md5": 16}[self.value]


FileDigests = tuple[tuple[DigestAlgorithm, bytes], ...]
"""The digests of one file, by each algorithm that was asked for."""


def algorithm_named(name: str) -> DigestAlgorithm:
    """Raises UsageError for one that is not known."""
    try:
        return DigestAlgorithm(name)
    except ValueError:
        known = ", ".join(DigestAlgorithm)
        raise UsageError(
            f"no digest is called {name!r}", cause=f"there are {known}", kind="unknown-digest"
        ) from None


class _Hash(Protocol):
    def update(self, data: Bytes, /) -> None: ...
    def digest(self) -> bytes: ...


def _begun(algorithm: DigestAlgorithm, size: int) -> _Hash:
    """`size`: bytes that will come. md5 and sha1 name things here, and protect nothing."""
    import hashlib  # late: start-up

    if algorithm is DigestAlgorithm.GIT_SHA1:
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    return hashlib.new(algorithm.value, usedforsecurity=False)


def digests_of(data: Bytes, algorithms: Iterable[DigestAlgorithm]) -> FileDigests:
    """Digests a file that is in memory."""
    found = []
    for algorithm in algorithms:
        state = _begun(algorithm, len(data))
        state.update(data)
        found.append((algorithm, state.digest()))
    return tuple(found)


class RunningDigests:
    """Computes the digests of one file of `size` bytes, whose buffers several workers bring in any order.

    Each worker that brings the buffer whose turn it is digests it, and all that follow and have been brought
    meanwhile; none waits for another. So a buffer is digested by the worker that brought it or one that brought
    an earlier buffer, and when the tasks up to a buffer's are done, it may be written over.
    """

    def __init__(self, algorithms: Collection[DigestAlgorithm], size: int) -> None:
        self._states = [(algorithm, _begun(algorithm, size)) for algorithm in algorithms]
        self._mutex = threading.Lock()
        self._waiting: dict[int, Bytes] = {}
        self._next = 0
        self._busy = False

    def bring(self, index: int, data: Bytes) -> None:
        """`index` counts the buffers of the file from 0."""
        with self._mutex:
            self._waiting[index] = data
            if self._busy:
                return
            self._busy = True
        while (turn := self._take()) is not None:
            for _, state in self._states:
                state.update(turn)

    def _take(self) -> Bytes | None:
        with self._mutex:
            data = self._waiting.pop(self._next, None)
            if data is None:
                self._busy = False
            else:
                self._next += 1
            return data

    def finish(self) -> FileDigests:
        """When all buffers were brought."""
        assert not self._waiting, "a buffer is missing"
        return tuple((algorithm, state.digest()) for algorithm, state in self._states)


# ---------------------------------------------------------------- the cache


def cache_key(recipe: RecipeId, algorithm: DigestAlgorithm) -> bytes:
    return b"digest/%s/%s" % (algorithm.value.encode(), bytes(recipe))


def rows(recipe: RecipeId, found: FileDigests) -> dict[bytes, bytes | None]:
    """Cache rows that remember the digests of a file with this recipe."""
    return {cache_key(recipe, algorithm): digest for algorithm, digest in found}


class CacheReader(Protocol):
    """The part of a store that looks rows up."""

    def cache_get(self, keys: Sequence[bytes]) -> list[bytes | None]: ...


def remembered(
    store: CacheReader, recipes: Sequence[RecipeId], algorithm: DigestAlgorithm
) -> dict[RecipeId, bytes]:
    """Looks up the digests that are known."""
    found = store.cache_get([cache_key(recipe, algorithm) for recipe in recipes])
    return {
        recipe: row
        for recipe, row in zip(recipes, found, strict=True)
        if row is not None and len(row) == algorithm.size
    }


# ---------------------------------------------------------------- from what is stored


def computed(
    entries: Iterable[Entry], contents: Contents, algorithm: DigestAlgorithm
) -> Iterator[tuple[Entry, bytes]]:
    """Reads the files and yields their digests, in order.

    Raises MissingObject, and CorruptObject where bytes are damaged or do not fit together: a digest is of the
    whole file, or there is none.
    """
    ready: list[tuple[Entry, bytes]] = []
    with Pipeline() as pipeline:
        for group in _groups(entries):
            if len(group) == 1 and group[0].size > TASK_BYTES:
                _read_one(group[0], contents, algorithm, pipeline, ready)
            else:
                pipeline.submit(lambda g=group: _read_group(g, contents, algorithm), ready.extend)  # type: ignore[misc]
            yield from ready
            ready.clear()
        pipeline.drain()
        yield from ready


def _groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    size = 0
    for entry in entries:
        if group and (size + entry.size > TASK_BYTES or len(group) >= _GROUP_FILES):
            yield group
            group, size = [], 0
        group.append(entry)
        size += entry.size
    if group:
        yield group


def _read_group(
    group: Sequence[Entry], contents: Contents, algorithm: DigestAlgorithm
) -> list[tuple[Entry, bytes]]:
    try:
        return _read_together(group, contents, algorithm)
    except IntegrityError:
        pass
    return [pair for entry in group for pair in _read_alone(entry, contents, algorithm)]


def _read_alone(
    entry: Entry, contents: Contents, algorithm: DigestAlgorithm
) -> list[tuple[Entry, bytes]]:
    """Tells which file of a group it is that is damaged."""
    with _naming(entry):
        return _read_together([entry], contents, algorithm)


def _read_together(
    group: Sequence[Entry], contents: Contents, algorithm: DigestAlgorithm
) -> list[tuple[Entry, bytes]]:
    result = []
    for entry, data in zip(group, read_together(group, contents), strict=True):
        ((_, digest),) = digests_of(data, [algorithm])
        result.append((entry, digest))
    return result


def _read_one(
    entry: Entry,
    contents: Contents,
    algorithm: DigestAlgorithm,
    pipeline: Pipeline,
    ready: list[tuple[Entry, bytes]],
) -> None:
    """Workers decode; this thread, which receives in order, digests."""
    state = _begun(algorithm, entry.size)
    size = 0

    def receive(pieces: Sequence[bytes]) -> None:
        nonlocal size
        for piece in pieces:
            size += len(piece)
            state.update(piece)

    def end(_: None) -> None:
        check_size(entry, size)
        ready.append((entry, state.digest()))

    for task in _tasks(entry, contents):
        pipeline.submit(lambda t=task: _decoded(entry, t, contents), receive)  # type: ignore[misc]
    pipeline.submit(lambda: None, end)


def _tasks(entry: Entry, contents: Contents) -> Iterator[list[Part]]:
    with _naming(entry):
        yield from tasks(content_parts(entry, contents.fetch))


def _decoded(entry: Entry, task: Sequence[Part], contents: Contents) -> list[bytes]:
    with _naming(entry):
        return decoded(entry, task, contents)


@contextmanager
def _naming(entry: Entry) -> Iterator[None]:
    """Lets what is raised of an object say which file it is part of."""
    try:
        yield
    except IntegrityError as error:
        error.cause = f"it is part of {entry.path}" + (f"; {error.cause}" if error.cause else "")
        raise
