"""Whether a file still is what a recipe says that was cut along other lines.

Readers of tensors get better from release to release, so that a file may be cut otherwise today than when its
version was made. Its recipe differs then, though no byte does. Cut as it was before it tells which of the two
it is, by reading the file once and nothing that is stored.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from mvcd.ids import Digest, RecipeId
from mvcd.inspect.spans import Layout, Span, TensorInfo
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import Recipe
from mvcd.objects.tree import Fetch
from mvcd.repo.contents.drafts import recipe_along
from mvcd.repo.contents.files import ABSENT, recipe_of
from mvcd.repo.intake.loading import Ingested


def as_before(
    results: Iterable[Ingested],
    before: Callable[[str], Entry | None],
    fetch: Fetch,
    target: Recent,
    place: Callable[[str], str | bytes],
) -> Iterator[Ingested]:
    """The results, with the recipe of the entry before where the content is that entry's.

    `fetch` reads recipes of entries before, `target` has those of the results, `place` tells where a path's
    bytes lie, absolute, or the bytes.
    """
    for now in results:
        old = before(now.path)
        if old is None or old.recipe == now.recipe or old.size != now.size:
            yield now
            continue
        try:
            recipe = recipe_of(old, fetch)
        except ABSENT:
            yield now
            continue
        data = target.recent(now.recipe)
        alike = data is not None and is_cut_alike(recipe, Recipe.decode(data))
        same = not alike and has_content(place(now.path), recipe)
        # the file was read twice: the other digests are of the first time, this recipe of the second
        yield now._replace(recipe=old.recipe, digests=()) if same else now


class Recent(Protocol):
    """Where results have just gone; see `targets`."""

    def recent(self, id: Digest) -> bytes | None:
        """None for what has left it since."""


def is_cut_alike(one: Recipe, other: Recipe) -> bool:
    """Whether the same content would give both: if so, different recipes are different contents."""
    return _lines(one) == _lines(other)


def has_content(path: str | bytes, recipe: Recipe) -> bool:
    """Whether the file at `path` has the bytes that the recipe is of, or bytes themselves are these. A file
    that cannot be read has not."""
    if isinstance(path, bytes):
        return _is_of(recipe, io.BytesIO(path).readinto)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if os.fstat(fd).st_size != recipe.size:
            return False
        return _is_of(recipe, lambda view: os.readv(fd, [view]))
    except (OSError, EOFError):
        return False
    finally:
        os.close(fd)


def _is_of(recipe: Recipe, read_into: Callable[[memoryview], int]) -> bool:
    return recipe_along(read_into, _layout(recipe)) == RecipeId.of(recipe.encode())


def _lines(recipe: Recipe) -> tuple[object, ...]:
    return recipe.format, *((segment.size, segment.tensor) for segment in recipe.segments)


def _layout(recipe: Recipe) -> Layout:
    spans, offset = [], 0
    for segment in recipe.segments:
        tensor = segment.tensor
        info = None if tensor is None else TensorInfo(tensor.name, tensor.dtype, tensor.shape, 1)
        spans.append(Span(offset, segment.size, info))
        offset += segment.size
    return Layout(recipe.format, tuple(spans))
