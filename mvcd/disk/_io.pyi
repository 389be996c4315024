def read_stretches(stretches: list[tuple[int, int, int]], flags: int, least: int, /) -> bytes:
    """The bytes of each (descriptor, offset, size), one after another; ends where a file ends before its
    stretch does. What lies side by side comes in one call, with `flags` (preadv2(2)) if it is `least` bytes
    or more and the file system knows them. Raises OSError."""

def start_write_back(file: int, offset: int, size: int, /) -> None:
    """Has the kernel begin to write these bytes to disk (sync_file_range(2)); nothing where it cannot. Waits
    only while the disk takes no more. Raises OSError."""
