"""Stored files read whole: small ones together, with two questions to the store for all of them; a large one in
tasks, which several threads decode.

What is read fits the list of files to the byte, or CorruptObject says which file does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mvcd.errors import CorruptObject
from mvcd.ids import Digest
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import Part, only_parts, parts
from mvcd.repo.contents.files import Contents, checked_recipe

TASK_BYTES = 4 << 20
"""Raw bytes that are decoded at once: 16 pieces of a tensor, some thousand small files."""
_TASK_PARTS = 4096
"""Chunks at most of one task, for lists whose chunks are a byte each."""


def read_together(entries: Sequence[Entry], contents: Contents) -> list[bytes]:
    """The bytes of files that are small, in their order. Raises MissingObject, CorruptObject."""
    held = dict(contents.fetch_many(list(dict.fromkeys(entry.recipe for entry in entries))))
    recipes = [held[entry.recipe] for entry in entries]
    files = [
        (only,)
        if only is not None and only.size == entry.size
        else tuple(parts(checked_recipe(entry, recipe), contents.fetch))
        for entry, recipe, only in zip(entries, recipes, only_parts(recipes), strict=True)
    ]
    chunks = _chunks((part for found in files for part in found), contents)
    return [_joined(entry, found, chunks) for entry, found in zip(entries, files, strict=True)]


def tasks(content: Iterable[Part]) -> Iterator[list[Part]]:
    """Parts that are decoded together, in order."""
    task: list[Part] = []
    size = 0
    for part in content:
        task.append(part)
        size += part.size
        if size >= TASK_BYTES or len(task) >= _TASK_PARTS:
            yield task
            task, size = [], 0
    if task:
        yield task


def decoded(entry: Entry, task: Sequence[Part], contents: Contents) -> list[bytes]:
    """The bytes of each part of a file's task. Raises MissingObject, CorruptObject."""
    chunks = _chunks(task, contents)
    return [_checked(entry, part, chunks) for part in task]


def check_size(entry: Entry, size: int) -> None:
    """Raises CorruptObject unless a file has as many bytes as its list says."""
    if size != entry.size:
        raise CorruptObject(
            f"{entry.path} has {size} bytes, its manifest says {entry.size}", help="mvc verify"
        )


def _joined(entry: Entry, found: Sequence[Part], chunks: Mapping[Digest, bytes]) -> bytes:
    if len(found) == 1:  # whose size is the file's
        return _checked(entry, found[0], chunks)
    data = b"".join([_checked(entry, part, chunks) for part in found])
    check_size(entry, len(data))
    return data


def _chunks(found: Iterable[Part], contents: Contents) -> Mapping[Digest, bytes]:
    wanted = dict.fromkeys(part.chunk for part in found if part.chunk is not None)
    return dict(contents.fetch_many(list(wanted)))


def _checked(entry: Entry, part: Part, chunks: Mapping[Digest, bytes]) -> bytes:
    data = part.literal if part.chunk is None else chunks[part.chunk]
    assert data is not None
    if len(data) != part.size:
        raise CorruptObject(
            f"a chunk of {entry.path} has {len(data)} bytes, its recipe says {part.size}",
            help="mvc verify",
        )
    return data
