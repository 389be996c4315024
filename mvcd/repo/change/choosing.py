"""Which files of a version `restore` is about: paths and components that a person names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from mvcd.ids import VersionId
from mvcd.objects.version import Component
from mvcd.repo.contents.files import Placed, VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.versions.lastwith import no_such_path


def chooser(
    paths: Sequence[str], components: Collection[Component] | None
) -> Callable[[str, Placed | None], bool]:
    def chosen(path: str, placed: Placed | None) -> bool:
        if components is not None and (placed is None or placed.component not in components):
            return False
        return not paths or any(p in (".", path) or path.startswith(p + "/") for p in paths)

    return chosen


def refuse_unknown(core: Core, id: VersionId, paths: Sequence[str], rev: str) -> None:
    """Raises Failure(kind="no-such-path") for a path of which the version has nothing."""
    files = VersionFiles(core.version(id), core.fetch)
    for path in paths:
        if path != "." and next(iter(files.all(prefix=path)), None) is None:
            raise no_such_path(core, id, rev, path)
