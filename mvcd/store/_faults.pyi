def last_words(text: bytes, code: int, /) -> None:
    """Has SIGABRT, SIGSEGV, SIGBUS, SIGFPE and SIGILL write `text` (at most 4 KiB) to stderr and end the
    process with exit code `code`, from now on. Raises OSError, ValueError."""
