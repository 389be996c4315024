"""Links to directories that a workspace wants followed: `[links] follow = ["data"]` in `mvc.toml`.

A training set often lies on another disk, and in the workspace a link to it. As a rule a link is saved as a
link. What is behind one of these is saved as if it lay in the workspace: for the scan the link is a directory,
in the listing of the directory that holds it. Elsewhere a checkout makes a real directory of it; here, where
the link is, nothing is ever written through it, and a verb that would have to is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from mvcd.errors import Failure
from mvcd.repo.ondisk.statcache import Listing, join_listing

Follow = Callable[[str], bool]
"""Whether a link at a path of the workspace is to be followed."""


def rule(globs: Sequence[str]) -> Follow | None:
    """`*` and `?` match any characters, `/` too, and `[...]` a set. None: no link is followed."""
    if not globs:
        return None
    return lambda path: any(fnmatchcase(path, glob) for glob in globs)


class Links:
    """The links of one workspace that are followed. `root` ends with a slash."""

    def __init__(self, root: str, follow: Follow) -> None:
        self._root = root
        self._follow = follow
        self.followed: set[str] = set()

    def as_directories(self, directory: str, listing: bytes) -> bytes:
        """The listing of a directory, with the links in it that are followed among its directories.

        Raises Failure for one that leads nowhere, or to what holds it: its files would count as deleted, or
        there would be no end of them.
        """
        parsed = Listing(listing)
        found = [
            index
            for index, raw in enumerate(parsed.names)
            if parsed.kind(index) == b"l" and self._is_followed(directory, raw)
        ]
        return join_listing(parsed, found) if found else listing

    def _is_followed(self, directory: str, raw: bytes) -> bool:
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            return False
        path = f"{directory}/{name}" if directory else name
        if not self._follow(path):
            return False
        target = os.path.realpath(self._root + path)
        here = os.path.realpath(self._root + directory)
        if not os.path.exists(target):
            raise Failure(
                f"{path} leads nowhere",
                kind="lost-link",
                cause=f"[links] in mvc.toml has it followed, and {target} is not there",
                help="mount what it leads to, or take it out of [links]",
            )
        if f"{here}/".startswith(f"{target}/") or f"{target}/".startswith(
            os.path.realpath(self._root) + "/"
        ):
            raise Failure(
                f"{path} cannot be followed",
                kind="looping-link",
                cause=f"it leads to {target}, inside the workspace or above the link",
                help="take it out of [links] in mvc.toml",
            )
        if not os.path.isdir(target):
            return False
        self.followed.add(path)
        return True
