"""The tensors of one side of a comparison, from the recipes of its weight files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from mvcd.objects.entry import Entry, Mode
from mvcd.objects.version import Component, Version
from mvcd.repo.files import VersionFiles, recipe_of
from mvcd.repo.pieces import Content, Piece


@dataclass(frozen=True, slots=True)
class Row:
    """A tensor in a file. `key` is its content's identity, None where only walking its `pieces` can tell."""

    path: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int  # bytes
    key: tuple[str, bytes] | None
    pieces: Callable[[], Iterator[Piece]]


class Side:
    """A version's weights, or the workspace's: what they are called and how their bytes are reached."""

    def __init__(self, version: Version, content: Content) -> None:
        self._version = version
        self.content = content

    def rows(self) -> Iterator[Row]:
        files = VersionFiles(self._version, self.content.fetch)
        for placed in files.all([Component.WEIGHTS]):
            if placed.entry.mode is not Mode.SYMLINK:
                yield from self._recipe_rows(placed.entry)

    def _recipe_rows(self, entry: Entry) -> Iterator[Row]:
        offset = 0
        for segment in recipe_of(entry, self.content.fetch).segments:
            tensor = segment.tensor
            if tensor is not None:
                pieces = partial(self.content.segment, entry.path, segment, offset)
                yield Row(entry.path, tensor.name, tensor.dtype, tensor.shape, segment.size,
                          segment.content_key, pieces)  # fmt: skip
            offset += segment.size
