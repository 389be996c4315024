"""One file on its way into objects: what is read of it, who proposes bases for it, and what comes back."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol

from mvcd.ids import ChunkId, Digest, RecipeId
from mvcd.inspect.kinds import UNKNOWN, ContentKind, kind_of
from mvcd.inspect.spans import Layout, ReadAt
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.objects.entry import Mode
from mvcd.repo.contents.digests import DigestAlgorithm, FileDigests, digests_of
from mvcd.repo.contents.drafts import Done, Draft, cut_in_memory, digested, plain, shape_of
from mvcd.repo.ondisk.reading import unread
from mvcd.repo.ondisk.statcache import FileStat

if TYPE_CHECKING:
    from mvcd.repo.bases.chains import Base, TensorPiece

Reader = Callable[[BinaryIO, int], object]
"""Reads a file of so many bytes from its start. It runs between the two looks at the file's stats, so it has
seen what is stored, if it is."""


class BaseFinder(Protocol):
    """Proposes base chunks for the pieces of one file's tensors, for delta encoding."""

    def begin(self, place: str, shape: Layout) -> bool:
        """The file, which lies at `place`, is read from now on. Returns whether all that was read before must
        have been put first."""

    def bases(self, pieces: Sequence[TensorPiece]) -> Sequence[Base | None]:
        """For each of some pieces of the file's tensors. From any thread."""

    def edited(self, chunks: Sequence[tuple[ChunkId, int]], start: int) -> Iterator[Base | None]:
        """For consecutive chunks (id, size in bytes) of a file without tensors, from offset `start` on."""

    def taken(self, base: Base, *, paid: bool) -> None:
        """Hears whether the difference to a base was worth it."""

    def put(self, id: ChunkId, base: ChunkId | None, offset: int, size: int) -> None:
        """Hears that a tensor's chunk was put, the `size` bytes at `offset` of the file."""


Bases = Callable[[str], BaseFinder | None]
"""The finder for a path, if that file has a predecessor with tensors."""


def no_bases(_path: str) -> None:
    """For those who store nothing, or nothing as a difference."""


class Source(NamedTuple):
    """A file to read: path relative to the root, and its stat as the scan saw it."""

    path: str
    stat: FileStat
    reader: Reader | None = None  # what it makes of the content comes back with the result
    wants_kind: bool = False  # what its content says of the part it is comes back too
    at: str = ""  # where its bytes lie, relative to the root, if not at its path
    data: bytes | None = None  # its bytes, where they lie in no file


class Ingested(NamedTuple):
    """What came of a file. A tuple like `Source`: one of each is made for every file, in half the time."""

    path: str
    recipe: RecipeId
    size: int
    mode: Mode
    stat: FileStat  # as it was read: differs from the scan's if the file changed in between
    told: object = None  # by the source's reader
    kind: ContentKind = UNKNOWN
    digests: FileDigests = ()  # of the bytes that the recipe was made of


@dataclass(slots=True)
class LoadedFile:
    """A small file as its worker leaves it: pieces to put, then nodes and the recipe."""

    result: Ingested
    layout: Layout
    done: list[Done]
    objects: list[tuple[Digest, bytes]]


def digest_file(
    source: Source, now: FileStat, data: bytes, algorithms: Collection[DigestAlgorithm] = ()
) -> LoadedFile:
    shape = plain(len(data)) if now.is_symlink else shape_of(_reader(data), len(data))
    done = [digested(p, shape) for p in cut_in_memory(memoryview(data), shape)]
    draft = Draft(shape)
    draft.accept(done)
    recipe = draft.finish()
    told = None
    if source.reader is not None and not now.is_symlink:
        told = source.reader(io.BytesIO(data), len(data))
    looked = source.wants_kind and not now.is_symlink
    kind = kind_of(_reader(data), len(data), shape) if looked else UNKNOWN
    found = digests_of(data, algorithms)
    result = Ingested(source.path, recipe, len(data), now.mode, now, told, kind, found)
    return LoadedFile(result, shape, done, draft.take_objects())


def read_by(source: Source, fd: int, size: int) -> object:
    if source.reader is None:
        return None
    with os.fdopen(os.dup(fd), "rb") as file:
        file.seek(0)
        return source.reader(file, size)


def open_regular(path: str, name: str) -> int:
    """Does not wait for the other end should the file be a pipe by now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unread(name, error.errno or 0) from error
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise unread(name, errno.EISDIR)


def _reader(data: bytes) -> ReadAt:
    return lambda offset, length: data[offset : offset + length]
