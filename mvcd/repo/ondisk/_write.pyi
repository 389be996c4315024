def write_files(files: list[tuple[bytes, int, bytes]], /) -> list[tuple[int, int, int, int, bool]]:
    """Makes a file of each (path, permission bits before the umask, content). Returns the first fields of each
    one's `FileStat`. Raises OSError at the first that cannot be made, or is there; those before it are made."""
