from collections.abc import Iterable

def list_directory(path: bytes, names: bytes | None = None, follow: bool = False, /) -> bytes:
    """All entries of one directory with their stat, as one packed listing (layout: `scan.h`).

    `names` (each with a NUL behind it) restricts the listing to these; `follow` allows the directory to
    be reached through a symbolic link. The GIL is released. Raises OSError; a listing is never partial.
    """

def list_directories(paths: Iterable[bytes], /) -> list[bytes | int]:
    """The whole listing of each directory, or the errno that was met there; no link is followed to one.

    The GIL is released once, for all of them. Raises OverflowError for one with more than 4 GiB of names.
    """
