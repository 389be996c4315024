"""One way to replace a file: whoever reads it finds the old bytes or the new ones, never a part.

The new bytes are written to a temporary file beside it, are made durable, take the file's name by a rename, and
the directory is made durable: after "All File Systems Are Not Created Equal" (Pillai et al., OSDI 2014),
section 4. The temporary's name ends with `.tmp`, which a workspace leaves out, and is removed when anything
fails; a process that is killed leaves it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from mvcd.disk.group import share
from mvcd.disk.sync import sync_directory, sync_file

_SECRET_MODE = 0o600
_NAME_BYTES = 200  # of the file's own name in the temporary's: a file name has at most 255 bytes


def replace_file(path: str, content: bytes, *, durable: bool = True, secret: bool = False) -> None:
    """Gives the file at `path` this content, whether there is one or not.

    It is durable when this returns, unless not `durable`: for what is only a cache, or is written again with
    the next change. A `secret` may be read by its owner only; any other file gets its mode by the umask, and
    belongs to the group where its directory does (group.py). Raises OSError; the old file is there then, unless
    it was only the directory that could not be synced.
    """
    with replacing(path, durable=durable, secret=secret) as file:
        file.write(content)


@contextmanager
def replacing(path: str, *, durable: bool = True, secret: bool = False) -> Iterator[BinaryIO]:
    """Does the same with what is written to the file that it yields; an exception leaves the old content."""
    temporary = _temporary(path)
    try:
        with _create(temporary, secret=secret) as file:
            yield file
            file.flush()
            if durable:
                sync_file(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename == temporary:
            error.filename = path  # whoever reads this knows no other name
        raise
    if durable:
        sync_directory(os.path.dirname(path) or ".")


def place_file(path: str, content: bytes) -> bool:
    """Gives a new file this content, durably; answers False and changes nothing where there is one already.

    The directory is made durable twice, before and after the name appears: who finds the file after a power cut
    finds every name that was made in its directory before, though POSIX promises no order. Raises OSError.
    """
    directory = os.path.dirname(path) or "."
    temporary = _temporary(path)
    try:
        with _create(temporary, secret=False) as file:
            file.write(content)
            file.flush()
            sync_file(file.fileno())
        sync_directory(directory)
        try:
            os.link(temporary, path)
            placed = True
        except FileExistsError:
            placed = False
    finally:
        with suppress(OSError):
            os.unlink(temporary)
    sync_directory(directory)
    return placed


def _temporary(path: str) -> str:
    """A name that no other process or thread uses."""
    directory, name = os.path.split(path)
    begin = os.fsdecode(os.fsencode(name)[:_NAME_BYTES])
    return os.path.join(directory, f"{begin}.{os.urandom(6).hex()}.tmp")


def _create(temporary: str, *, secret: bool) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    file = os.fdopen(os.open(temporary, flags, _SECRET_MODE if secret else 0o666), "wb")
    if not secret:
        share(temporary, file.fileno())
    return file
