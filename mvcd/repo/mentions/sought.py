"""What is looked for in history, and whether a text has it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mvcd.errors import UsageError

_ID = re.compile(r"[0-9a-f]{4,64}")
_NUMBER = re.compile(r"v(\d{1,18})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Sought:
    """Words that a text has to have all of, in any letter case; or a content, by its SHA-256 in hex.

    With `size`, in bytes, digests of files of that size are computed where they are not remembered yet.
    """

    words: tuple[str, ...] = ()
    sha256: str | None = None
    size: int | None = None

    @classmethod
    def of(cls, text: str) -> Sought:
        """Reads what was typed. 64 hex digits are also a SHA-256. Raises UsageError for what is too long."""
        if len(text) > MAX_CHARACTERS:
            raise UsageError(f"more than {MAX_CHARACTERS:,} characters are looked for")
        words = tuple(text.lower().split())
        return cls(words, words[0] if len(words) == 1 and _SHA256.fullmatch(words[0]) else None)

    @classmethod
    def content(cls, size: int, sha256: str | None) -> Sought:
        """Files of this size and digest; without digest, all of this size. Raises UsageError."""
        if sha256 is not None and not _SHA256.fullmatch(sha256):
            raise UsageError(f"{sha256[:80]!r} is no SHA-256 in hex", kind="bad-digest")
        return cls((), sha256, size)

    @property
    def nothing(self) -> bool:
        return not self.words and self.size is None

    def in_text(self, text: str) -> bool:
        low = text.lower()
        return bool(self.words) and all(word in low for word in self.words)

    def in_bytes(self, data: bytes) -> bool:
        """Whether texts in `data` may have the words; ASCII letters in any case."""
        low = data.lower()
        return bool(self.words) and all(word.encode() in low for word in self.words)

    def names(self, id: str, number: int) -> bool:
        """Whether it is a version's number or the beginning of its id."""
        if len(self.words) != 1:
            return False
        (word,) = self.words
        numbered = _NUMBER.fullmatch(word)
        return bool(_ID.fullmatch(word) and id.startswith(word)) or bool(
            numbered and int(numbered[1]) == number
        )
