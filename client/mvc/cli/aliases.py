"""Verbs of one's own: `alias.NAME` of the settings stands for a verb and its first words.

    mvc config set --user alias.lg "log --oneline --graph"

No alias hides a verb of mvc. One may begin with another one.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from mvc.api.errors import MvcError, UsageError
from mvc.api.settings import setting_at
from mvc.cli.verbs import SUMMARIES

PREFIX = "alias."


def expanded(name: str, directories: Sequence[str] = ()) -> list[str]:
    """The words that `name` stands for, itself if it is no alias. `directories` are those of -C.

    Settings of the repository come before one's own. Raises UsageError for an alias that has no words, that
    cannot be split into words, or that leads back to itself.
    """
    seen: list[str] = []
    words = [name]
    while words[0] not in SUMMARIES:
        first = words[0]
        if first in seen:
            raise _bad(first, f"it leads back to itself: {' -> '.join([*seen, first])}")
        seen.append(first)
        said = _said(first, directories)
        if said is None:
            break
        try:
            found = shlex.split(said)
        except ValueError as error:
            raise _bad(first, str(error).lower()) from None
        if not found:
            raise _bad(first, "it is empty")
        words = [*found, *words[1:]]
    return words


def _said(name: str, directories: Sequence[str]) -> str | None:
    try:
        return setting_at(os.path.join(os.getcwd(), *directories), PREFIX + name)
    except (MvcError, OSError):
        return None  # no settings that can be read: the verb is what is not known


def _bad(name: str, cause: str) -> UsageError:
    return UsageError(
        f"the alias {name} makes no sense",
        cause=cause,
        help=f"mvc config set --user {PREFIX}{name} 'VERB WORDS'",
    )
