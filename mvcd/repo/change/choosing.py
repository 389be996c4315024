"""Which files of a version `restore` is about: paths and components that a person names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from mvcd.errors import Failure
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.files import Placed, VersionFiles
from mvcd.repo.core.core import Core


def chooser(
    paths: Sequence[str], components: Collection[Component] | None
) -> Callable[[str, Placed | None], bool]:
    def chosen(path: str, placed: Placed | None) -> bool:
        if components is not None and (placed is None or placed.component not in components):
            return False
        return not paths or any(p in (".", path) or path.startswith(p + "/") for p in paths)

    return chosen


def refuse_unknown(core: Core, version: Version, paths: Sequence[str], rev: str) -> None:
    files = VersionFiles(version, core.fetch)
    for path in paths:
        if path != "." and next(iter(files.all(prefix=path)), None) is None:
            raise Failure(f"{rev} has no {path}", kind="no-such-path", help=f"mvc ls {rev}")
