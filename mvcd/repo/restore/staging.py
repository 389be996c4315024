"""Files written where nobody looks for them, from objects whose digests the store checked.

Several threads decode the chunks of large files, one writes: two that write the same file spend a fifth of
their time waiting for its inode. The disk begins to write meanwhile. Tiny files are decoded by one thread: two
that make many short calls hand the interpreter's lock to and fro at each and took twice as long. Another makes
the files, without that lock.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from mvcd.disk.writeback import SyncFailed, WriteBack
from mvcd.ids import ChunkId
from mvcd.monitor import Monitor
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Part
from mvcd.repo.contents.files import Contents, content_parts, recipe_of
from mvcd.repo.contents.pipeline import Pipeline
from mvcd.repo.contents.wholefiles import TASK_BYTES, check_size, decoded, read_together, tasks
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.writing import (
    GROUP_FILES,
    TINY_BYTES,
    create,
    end_file,
    make_files,
    write_pieces,
)


@dataclass(slots=True, eq=False)
class StagedFile:
    entry: Entry
    temporary: str
    written: Mapping[int, ChunkId] = field(default_factory=dict)
    """Chunks that are there already, by offset."""
    stat: FileStat | None = None
    """The stat of a file that was made: to look it up afterwards would take longer than to make it."""


def write_staged(items: Sequence[StagedFile], contents: Contents, monitor: Monitor) -> None:
    """Every entry as a file or link at its temporary place. Raises OSError, MissingObject, CorruptObject."""
    made = [item for item in items if item.stat is not None]
    monitor.advance(bytes_done=sum(item.entry.size for item in made), items_done=len(made))
    items = [item for item in items if item.stat is None]
    writing = _Writing(contents, monitor)
    with Pipeline(workers=1) as pipeline:
        for group in _groups(items):
            writing.tiny(group, pipeline)
        pipeline.drain()
    try:
        with writing, Pipeline() as pipeline:
            for item in items:
                if not _is_tiny(item.entry):
                    writing.large(item, pipeline)
            pipeline.drain()
    except SyncFailed as error:
        raise OSError(errno.EIO, str(error)) from error


def _is_tiny(entry: Entry) -> bool:
    return entry.size <= TINY_BYTES or entry.mode is Mode.SYMLINK


def _groups(staged: Sequence[StagedFile]) -> Iterator[list[StagedFile]]:
    tiny = [item for item in staged if _is_tiny(item.entry)]
    group: list[StagedFile] = []
    size = 0
    for item in tiny:
        group.append(item)
        size += item.entry.size
        if size >= TASK_BYTES or len(group) >= GROUP_FILES:
            yield group
            group, size = [], 0
    if group:
        yield group


class _Writing:
    def __init__(self, contents: Contents, monitor: Monitor) -> None:
        self._contents = contents
        self._monitor = monitor
        self._open: dict[StagedFile, int] = {}
        self._write_back = WriteBack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._write_back.close()
        for file in self._open.values():
            os.close(file)

    def tiny(self, group: Sequence[StagedFile], pipeline: Pipeline) -> None:
        """All of them are read at once, and their files made in one call."""
        found = read_together([item.entry for item in group], self._contents)
        made: list[StagedFile] = []
        regular: list[tuple[str, Mode, bytes]] = []
        for item, data in zip(group, found, strict=True):
            if item.entry.mode is Mode.SYMLINK:
                os.symlink(data, item.temporary)
            else:
                regular.append((item.temporary, item.entry.mode, data))
                made.append(item)

        def receive(stats: Sequence[FileStat]) -> None:
            for item, stat in zip(made, stats, strict=True):
                item.stat = stat
            size = sum(item.entry.size for item in group)
            self._monitor.advance(bytes_done=size, items_done=len(group))

        pipeline.submit(lambda: make_files(regular), receive)

    def large(self, item: StagedFile, pipeline: Pipeline) -> None:
        """Begins a file; what writes it comes through the pipeline in order."""
        recipe_of(
            item.entry, self._contents.fetch
        )  # is as large as it says, before a byte is written
        again = os.O_WRONLY | os.O_CLOEXEC
        self._open[item] = file = (
            os.open(item.temporary, again)
            if item.written
            else create(item.temporary, item.entry.mode)
        )
        for task in tasks(self._lacking(item)):
            pipeline.submit(
                lambda t=task: self._decoded(item, t),  # type: ignore[misc]
                lambda data: self._write(file, data),
            )
        pipeline.submit(lambda: None, lambda _: self._end(item))

    def _lacking(self, item: StagedFile) -> Iterator[Part]:
        """What is still to be written. Raises CorruptObject."""
        end = 0
        for part in content_parts(item.entry, self._contents.fetch):
            end += part.size
            if part.chunk is None or item.written.get(part.offset) != part.chunk:
                yield part
            else:
                self._monitor.advance(bytes_done=part.size)
        check_size(item.entry, end)

    def _decoded(self, item: StagedFile, task: Sequence[Part]) -> list[tuple[int, bytes]]:
        found = decoded(item.entry, task, self._contents)
        return [(part.offset, data) for part, data in zip(task, found, strict=True)]

    def _write(self, file: int, data: Sequence[tuple[int, bytes]]) -> None:
        write_pieces(file, data)
        size = sum(len(piece) for _, piece in data)
        self._write_back.wrote(file, size)
        self._monitor.advance(bytes_done=size)

    def _end(self, item: StagedFile) -> None:
        self._write_back.finish()
        file = self._open.pop(item)
        try:
            end_file(file, item.entry.size)
        finally:
            os.close(file)
        self._monitor.advance(items_done=1)
