def read_stretches(stretches: list[tuple[int, int, int]], flags: int, /) -> bytes:
    """The bytes of each (descriptor, offset, size), one after another; ends where a file ends before its
    stretch does. `flags` as of preadv2(2), left out where the file system does not know them. Raises
    OSError."""

def start_write_back(file: int, offset: int, size: int, /) -> None:
    """Has the kernel begin to write these bytes to disk (sync_file_range(2)); nothing where it cannot. Waits
    only while the disk takes no more. Raises OSError."""
