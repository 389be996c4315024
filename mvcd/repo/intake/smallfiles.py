"""Small files without tensors, many in one call: ids, recipes and kinds without an object for each piece.

Most files of a data set are of this sort, and for each the general path (`loading.digest_file`) makes a layout,
a piece, a draft, a segment and a recipe: 50 us of Python, where the digests take 1.4 us in C. What is stored is
the same, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from mvcd.codec.alone import AloneEncoder
from mvcd.ids import ChunkId, RecipeId
from mvcd.inspect.beginnings import may_hold_tensors
from mvcd.inspect.kinds import UNKNOWN, kind_of, may_tell
from mvcd.inspect.layout import ReadAt
from mvcd.lateclasses import NamedTuple
from mvcd.objects import _small
from mvcd.objects.entry import Mode
from mvcd.repo.contents.drafts import shape_of
from mvcd.repo.intake.loading import Ingested, LoadedFile, Source
from mvcd.repo.intake.targets import Ready, Target
from mvcd.repo.ondisk.reading import Unread
from mvcd.repo.ondisk.statcache import FileStat

EDITED_BYTES = 8 << 10
"""Bytes of new pieces from which it is asked what a file without tensors was before. Smaller files are taken
here: they are one chunk at most."""

FEW_FILES = 32
FEW_BYTES = 256 << 10
"""Files of a group, and their bytes together, below which a worker is not worth its start."""

_chunk_id = partial(bytes.__new__, ChunkId)
_recipe_id = partial(bytes.__new__, RecipeId)
_ingested: Callable[[tuple[object, ...]], Ingested] = partial(tuple.__new__, Ingested)


class SmallFile(NamedTuple):
    """A file with its bytes, and its chunk's id unless the recipe holds them."""

    result: Ingested
    chunk: ChunkId | None
    data: bytes
    recipe: tuple[RecipeId, bytes]


_small_file: Callable[[tuple[object, ...]], SmallFile] = partial(tuple.__new__, SmallFile)


ReadFile = LoadedFile | SmallFile | Ingested | Unread
"""What comes of reading and digesting a file: an Ingested once all that it has is ready to be put."""


def is_small(source: Source, now: FileStat, data: bytes) -> bool:
    """Whether nothing but ids and a kind is to be found out of a file, which has no tensors."""
    return (
        len(data) < EDITED_BYTES
        and source.reader is None
        and not now.is_symlink
        and (not may_hold_tensors(data) or not shape_of(_reader(data), len(data)).format)
    )


def are_few(group: Sequence[Source]) -> bool:
    """Whether a group is read by the thread that has it."""
    return len(group) < FEW_FILES and sum([source.stat.size for source in group]) < FEW_BYTES


def small_files(files: Sequence[tuple[Source, FileStat, bytes]]) -> list[SmallFile]:
    """Digests files that are small (`is_small`)."""
    contents = [data for _, _, data in files]
    chunks, recipes, names = _small.recipes(contents, ChunkId.context(), RecipeId.context())
    found = []
    modes = (Mode.FILE, Mode.EXECUTABLE)
    for (source, now, data), chunk, recipe, name in zip(files, chunks, recipes, names, strict=True):
        told = source.wants_kind and may_tell(data)
        kind = kind_of(_reader(data), len(data)) if told else UNKNOWN
        id = _recipe_id(name)
        mode = modes[now.executable]
        result = _ingested((source.path, id, len(data), mode, now, None, kind, ()))
        held = None if chunk is None else _chunk_id(chunk)
        found.append(_small_file((result, held, data, (id, recipe))))
    return found


def make_ready(results: list[ReadFile], target: Target, encoder: AloneEncoder) -> Ready:
    """The recipes of the small ones among files that were read, and their chunks that the target does not know.
    Such a file gives way to its result; one with a known chunk stays, for that may go meanwhile."""
    small = [(at, f) for at, f in enumerate(results) if isinstance(f, SmallFile)]
    there = iter(target.known([file.chunk for _, file in small if file.chunk is not None]))
    new: dict[ChunkId, bytes] = {}
    for at, file in small:
        if file.chunk is None:
            results[at] = file.result
        elif not next(there):
            new[file.chunk] = file.data
            results[at] = file.result
    chunks = dict(zip(new, encoder.encode_each([*new.values()]), strict=True))
    return target.ready(chunks, dict([file.recipe for _, file in small]))


def _reader(data: bytes) -> ReadAt:
    return lambda offset, length: data[offset : offset + length]
