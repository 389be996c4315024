Read = tuple[bytes, int, int, int, int, int]
"""Content; size, mtime_ns, ctime_ns, inode; 1 if the owner may execute it."""

def read_files(paths: list[bytes], limit: int, /) -> list[Read | int]:
    """Reads regular files of at most `limit` bytes, without following a last symbolic link.

    An int instead: -1 if the file changed while it was read, is none, or is larger; else the errno. `paths`
    must not be changed during the call, which releases the GIL.
    """
