"""Components that a workspace leaves out: HEAD's version has their files, the directory has not.

So it is after a clone that brought only some content. Absence says nothing of what is left out: a file that
does not lie here is as HEAD has it, for status, commit and the daemon alike, and a move of HEAD does not write
it. A file that does lie here counts as ever, and moves along. A checkout brings everything and ends it;
restoring a whole component ends it for that one.

Besides components, training state can be left out, the sub-part of weights that the paths of its files tell.

`mvc.toml` and `.mvcignore` come along wherever anything does, for they rule what is here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from mvcd.ids import NodeId
from mvcd.inspect.trainingstate import is_state_file
from mvcd.objects.tree import Fetch
from mvcd.objects.version import EMPTY, Component, SubPart, Version
from mvcd.repo.contents.files import Change, Placed, VersionFiles, changes
from mvcd.repo.ondisk.ground import Ground
from mvcd.repo.workspace.ignore import IGNORE_FILE, NEVER
from mvcd.repo.workspace.settings import FILE as SETTINGS

Components = frozenset[Component | SubPart]
ALL: Components = frozenset(Component)
NONE: Components = frozenset()


def is_out(placed: Placed, components: Collection[Component | SubPart]) -> bool:
    """Whether a file is of these components, or of a sub-part of them that is told by its path."""
    if placed.component in components:
        return True
    state = placed.component is Component.WEIGHTS and SubPart.STATE in components
    return state and is_state_file(placed.entry.path)


def kept(files: VersionFiles, components: Collection[Component | SubPart]) -> Iterator[Placed]:
    """All files but those of these components."""
    found = files.all([c for c in Component if c not in components])
    return (placed for placed in found if not is_out(placed, components))


def lists(components: Collection[Component | SubPart]) -> list[Component]:
    """The components in whose lists their files are."""
    weights = SubPart.STATE in components
    return [c for c in Component if c in components or (weights and c is Component.WEIGHTS)]


def part(version: Version, components: Collection[Component | SubPart]) -> Version:
    """The files and values of some components of a version, as if it had no others."""
    roots = {c: (version if c in components else EMPTY).components[c] for c in Component}
    settings = version.hyperparameters if Component.HYPERPARAMETERS in components else {}
    metrics = version.metrics if Component.RESULTS in components else {}
    return replace(EMPTY, components=roots, hyperparameters=settings, metrics=metrics)


def untouched(root: str, components: Components) -> bool:
    """Whether everything is left out and nothing lies here: then no list of files is needed to know what a
    move of HEAD writes."""
    return components == ALL and NEVER.issuperset(os.listdir(root))


def named(
    version: Version, components: Collection[Component | SubPart]
) -> tuple[Component | SubPart, ...]:
    """Returns the components that have files, in order, and at the end training state, if it may have some."""
    here = [c for c in Component if version.components[c].root is not None]
    state = [SubPart.STATE] if SubPart.STATE in components and Component.WEIGHTS in here else []
    return *(c for c in here if c in components), *state


def roots(version: Version, components: Collection[Component | SubPart]) -> list[NodeId]:
    """What names the lists of their files."""
    found = (version.components[c].root for c in lists(components))
    return [root for root in found if root is not None]


def changes_here(
    root: str, old: Version, new: Version, components: Components, fetch: Fetch
) -> dict[str, Change]:
    """What becomes of the files in `root` when `new` takes the place of `old`, with `components` left out."""
    if not components:
        return changes(old, new, fetch)
    if untouched(root, components):
        return {}
    ground = Ground(root)

    def out(placed: Placed | None) -> bool:
        return placed is not None and is_out(placed, components)

    found: dict[str, Change] = {}
    for path, (was, now) in changes(old, new, fetch).items():
        if not (out(was) or out(now)) or ground.stat(path) is not None:
            found[path] = was, now
            continue
        had = None if out(was) else was
        gets = None if had is None and out(now) and not _comes_along(path, components) else now
        if had is not None or gets is not None:
            found[path] = had, gets
    return found


def _comes_along(path: str, components: Components) -> bool:
    rules = path == SETTINGS or path.rpartition("/")[2] == IGNORE_FILE
    return rules and components != ALL


def not_here(
    root: str,
    version: Version,
    components: Collection[Component | SubPart],
    fetch: Fetch,
    chosen: Callable[[str, Placed], bool] = lambda path, placed: True,  # noqa: ARG005
) -> Iterator[Placed]:
    """The files of these components that do not lie in `root`."""
    if components:
        ground = Ground(root)
        for placed in VersionFiles(version, fetch).all(lists(components)):
            if not is_out(placed, components):
                continue
            if chosen(placed.entry.path, placed) and ground.stat(placed.entry.path) is None:
                yield placed
