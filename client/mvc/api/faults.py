"""Last words of a command that a fault of machine code ends."""

from __future__ import annotations

from mvcd.store import _faults


def last_words(text: str, code: int) -> None:
    """Makes SIGABRT, SIGSEGV and SIGBUS write `text` (at most 4 KiB) to stderr and exit with `code`."""
    _faults.last_words(text.encode(), code)
