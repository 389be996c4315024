from collections.abc import Iterable

MOST_BYTES: int
"""Bytes of the longest message."""

def digests(
    messages: Iterable[bytes], context: str | None, kernel: str | None = None, /
) -> list[bytes]:
    """The BLAKE3 of each, 32 bytes, plain or with a context as key. Releases the GIL.

    Raises ValueError for a message of more than 8 KiB and for a context of more than 64 bytes.
    """

def points(keys: Iterable[bytes], kernel: str | None = None, /) -> list[int]:
    """The first 8 bytes of the plain BLAKE3 of each as a number, little-endian. Raises ValueError like
    `digests`. Releases the GIL."""

def recipes(
    contents: Iterable[bytes], chunk_context: str, recipe_context: str, kernel: str | None = None, /
) -> tuple[list[bytes | None], list[bytes], list[bytes]]:
    """The chunk's id of each file (None: it lies in its recipe), its recipe, and the recipe's id.

    The files have no tensors and at most 8 KiB, else ValueError. Releases the GIL.
    """

def files(recipes: Iterable[bytes], /) -> list[tuple[int, bytes | None, bytes | None] | None]:
    """Bytes of each recipe's file, and its one chunk's id, or else the bytes themselves: `recipes` the other
    way round. None for what it does not write: files of more than one piece, with tensors, empty, and what
    is no recipe."""

def kernels() -> list[str]:
    """Names of the kernels that this machine can run, best first."""
