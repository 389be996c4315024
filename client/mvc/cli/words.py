"""Words of a command line that may name versions or paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mvc.api.errors import Failure
from mvc.cli.options import after_dashes

if TYPE_CHECKING:
    from mvc.api.repo import Repo


def is_path(repo: Repo, word: str) -> bool:
    """Whether a word is no version, and there is such a file: here, or in HEAD."""
    if not os.path.lexists(word) and (":" in word or ".." in word):
        return False
    return not is_version(repo, word) and (os.path.lexists(word) or is_saved(repo, word))


def is_version(repo: Repo, word: str) -> bool:
    """Whether a word names a version."""
    try:
        repo.resolve(word)
    except Failure:
        return False
    return True


def is_remote_branch(repo: Repo, word: str) -> bool:
    """Whether a remote had a branch of this name when it was last heard of: a checkout makes it here."""
    return any(name.partition("/")[2] == word for name in repo.fetched_branches())


def is_saved(repo: Repo, word: str) -> bool:
    """Whether HEAD has a file of this path, or files below it."""
    try:
        return any(True for _ in repo.ls("HEAD", os.path.abspath(word)))
    except Failure:
        return False


def first_path(repo: Repo, words: Sequence[str], most: int) -> int:
    """Where among the words paths begin, of which at most `most` versions stand in front."""
    places = enumerate(words[: most + 1])
    return next((at for at, word in places if is_path(repo, word)), len(words))


def version_and_paths(repo: Repo, words: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """The version that the first word names, None if it is a path, and the paths. What stands behind `--` is
    always a path."""
    dashed = after_dashes(click.get_current_context())
    at = min(first_path(repo, words, 1), 1)
    return (words[0] if at else None), (*words[at:], *dashed)
