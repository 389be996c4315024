"""The order in which large files are read: F32 masters after all others.

What is read before them may be their BF16 copies, which they can be stored as differences to, and not the other
way round (bases/casts.py). By sizes alone a master in shards would come before its copy in one file. So the
headers of large files are looked at, 0.1 ms each where there is one, of which most runs have few.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, TypeVar

from mvcd.errors import MvcError
from mvcd.inspect.spans import Layout
from mvcd.repo.bases.casts import WIDE
from mvcd.repo.contents.drafts import shape_of
from mvcd.repo.intake.ingest import SMALL_FILE_BYTES
from mvcd.repo.intake.loading import open_regular
from mvcd.repo.ondisk.statcache import FileStat

MOST_FILES: Final = 256
"""Large files up to which headers are read; of more, sizes decide alone."""


class Readable(Protocol):
    """A file that is to be read."""

    @property
    def path(self) -> str:
        """The path relative to the root."""

    @property
    def stat(self) -> FileStat:
        """What the scan saw of it."""


F = TypeVar("F", bound=Readable)


def copies_first(
    candidates: Iterable[F], place: Callable[[str], str | bytes]
) -> Iterator[tuple[int, F]]:
    """Candidates with their numbers: in order, but large files after the others by size, masters last.

    `place` says where a file lies, or gives its bytes.
    """
    large: list[tuple[int, F]] = []
    for number, candidate in enumerate(candidates):
        if candidate.stat.size > SMALL_FILE_BYTES:
            large.append((number, candidate))
        else:
            yield number, candidate
    looked = len(large) <= MOST_FILES
    yield from sorted(
        large,
        key=lambda one: (looked and _is_master(place(one[1].path)), one[1].stat.size),
    )


def _is_master(place: str | bytes) -> bool:
    """Whether most bytes of a file's tensors are F32. Of what cannot be read the reader says so, not this."""
    if isinstance(place, bytes):
        return False
    try:
        fd = open_regular(place, place)
    except MvcError:
        return False
    try:
        return _mostly_wide(
            shape_of(lambda offset, size: os.pread(fd, size, offset), os.fstat(fd).st_size)
        )
    except OSError:
        return False
    finally:
        os.close(fd)


def _mostly_wide(shape: Layout) -> bool:
    wide = others = 0
    for span in shape.spans:
        if span.tensor is not None and span.tensor.dtype == WIDE:
            wide += span.size
        elif span.tensor is not None:
            others += span.size
    return wide > others
