"""Names that no version may hold: `.mvc`, `.git`, and what some file system takes for one of them.

A directory of that name makes those below it a repository, whose settings run commands: `watch.hook` of ours,
`core.fsmonitor` or a filter of git's. So a version that brought one would run a stranger's program with the
next verb. git refuses `.git` alike (CVE-2014-9390, CVE-2019-1352, CVE-2019-1353; `verify_path`
in its read-cache.c).

What is taken for one of them: other case; code points that HFS+ and case-folding ext4 leave out of names
(Unicode's Default_Ignorable_Code_Point); compatibility forms, which ZFS may fold; dots and spaces at the end
and what follows a colon, which NTFS drops; its short names (`MVC~1`). Backslashes part names there too. All
of it is refused everywhere, for a version goes from machine to machine.
"""

from __future__ import annotations

import re
import unicodedata

RESERVED = (".mvc", ".git")

_IGNORED = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""DerivedCoreProperties.txt of Unicode 15.0."""
_PARTS = r"[/\\]"
_SHORT = r"(mvc|git)~[1-9]"


def is_doubtful(path: str) -> bool:
    """Whether `reserved` must look: one path in a hundred. 0.15 us."""
    return "/." in path or path[:1] == "." or "~" in path or "\\" in path or not path.isascii()


def reserved(path: str) -> str | None:
    """The name of RESERVED that some part of `path` is, or is taken for; None if there is none."""
    if not is_doubtful(path):
        return None
    return next((name for part in re.split(_PARTS, path) if (name := _taken_for(part))), None)


def _taken_for(part: str) -> str | None:
    if not part.isascii():
        part = unicodedata.normalize("NFKC", re.sub(_IGNORED, "", part))
    name = part.partition(":")[0].rstrip(" .").casefold()
    if name in RESERVED:
        return name
    short = re.fullmatch(_SHORT, name)
    return f".{short[1]}" if short else None
