def write_files(files: list[tuple[bytes, int, bytes]], /) -> None:
    """Makes a file of each (path, permission bits before the umask, content). Raises OSError at the first that
    cannot be made, or is there; those before it are made."""
