"""What a command says when a fault of the machine code below it ends it."""

from __future__ import annotations

from mvcd.store import _faults


def last_words(text: str, code: int) -> None:
    """From now on SIGABRT, SIGSEGV and SIGBUS write `text` (at most 4 KiB) to stderr and exit with `code`."""
    _faults.last_words(text.encode(), code)
