"""Where DVC keeps content, as its settings say: `.dvc/config`, and `.dvc/config.local` in a checkout."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator

from mvc.importers.gitsource import GitSource


def caches_of(source: GitSource) -> Iterator[str]:
    """Lists the directories that may hold content: the cache, then remotes that are directories.

    Paths in the settings are relative to the directory that these lie in.
    """
    top = source.work_tree or source.path
    settings = os.path.join(top, ".dvc")
    config = configparser.ConfigParser(interpolation=None, strict=False)
    for text in _texts(source, settings):
        try:
            config.read_string(text)
        except configparser.Error:
            continue  # DVC itself would refuse it; the caches can be named by hand
    yield os.path.normpath(os.path.join(settings, config.get("cache", "dir", fallback="cache")))
    for section in config.sections():
        if section.strip("'").startswith("remote "):
            url = config.get(section, "url", fallback="").removeprefix("file://")
            if url and "://" not in url:
                yield os.path.normpath(os.path.join(settings, os.path.expanduser(url)))


def _texts(source: GitSource, settings: str) -> Iterator[str]:
    if source.work_tree is None:
        yield source.file_at("HEAD", ".dvc/config").decode("utf-8", "replace")
        return
    for name in ("config", "config.local"):
        try:
            with open(os.path.join(settings, name), encoding="utf-8", errors="replace") as file:
                yield file.read()
        except OSError:
            continue
