def keep(kept_bytes: int, heaps: int, /) -> None:
    """Tells glibc to keep so many freed bytes at the end of each heap, and blocks of up to so many in heaps,
    of which there are at most `heaps` (0: as many as there may be now). Elsewhere it does nothing."""

def trim() -> None:
    """Gives free blocks back to the kernel, where this is glibc. Releases the GIL."""
