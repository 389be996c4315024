"""Clones that hold every record but not all content: what they leave out, and who has it.

    partial.remote     the remote that promised the rest
    partial.only       components whose content comes with a fetch, joined by commas; none: "-"; "model" is
                       weights without training state
    partial.depth      content of that many newest versions comes with a fetch

What is left out comes when it is asked for (promised.py), and stays. So "absent" is no damage here, as long as
the remote has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from mvcd.errors import Failure
from mvcd.ids import Digest, VersionId
from mvcd.inspect.trainingstate import is_state_file
from mvcd.objects.entry import Entry
from mvcd.objects.tree import Node
from mvcd.objects.version import Component, Version
from mvcd.repo.core import remotes
from mvcd.repo.core.config import Config

_NOTHING = "-"
_MODEL = "model"


class Wanted(NamedTuple):
    """Which content a fetch brings. `only` None: of all components; empty: of none. `depth` None: of all
    versions."""

    only: frozenset[Component] | None = None
    depth: int | None = None
    state: bool = True
    """Where `only` has weights: also their training state, as the paths of its files tell."""

    @property
    def everything(self) -> bool:
        return self.only is None and self.depth is None

    def settings(self, remote: str) -> dict[str, str | None]:
        if self.everything:
            return {}
        only = None if self.only is None else ",".join(sorted(self._words())) or _NOTHING
        depth = None if self.depth is None else str(self.depth)
        return {"partial.remote": remote, "partial.only": only, "partial.depth": depth}

    def _words(self) -> Iterator[str]:
        for component in self.only or ():
            model = component is Component.WEIGHTS and not self.state
            yield _MODEL if model else component.value

    def passes_over(self, opened: object) -> frozenset[Digest]:
        """Recipes of training state that does not come, of an object that was opened."""
        if self.state or not isinstance(opened, Node):
            return frozenset()
        entries = (item for item in opened.items if isinstance(item, Entry))
        return frozenset(entry.recipe for entry in entries if is_state_file(entry.path))

    def left_out(
        self,
        new: Sequence[VersionId],
        heads: Collection[VersionId],
        read: Callable[[Digest], bytes],
        pruned: Collection[VersionId] = (),
    ) -> frozenset[Digest]:
        """Component roots of new versions (parents first) whose content does not come, that of the `pruned`
        ones with it."""
        leave: set[Digest] = set()
        keep: set[Digest] = set()
        deep = dict.fromkeys(heads, 1)
        for id in reversed(new):
            version = Version.decode(read(id))
            depth = deep.get(id, 1)
            for parent in version.parents:
                deep[parent] = min(deep.get(parent, depth + 1), depth + 1)
            wanted = id not in pruned and (self.depth is None or depth <= self.depth)
            for component, root in version.components.items():
                if root.root is not None:
                    here = wanted and (self.only is None or component in self.only)
                    (keep if here else leave).add(root.root)
        return frozenset(leave - keep)


def is_partial(config: Config) -> bool:
    return config.get("partial.remote") is not None


def wanted(config: Config) -> Wanted:
    """Raises Failure(kind="bad-config")."""
    only, depth = config.get("partial.only"), config.get("partial.depth")
    try:
        names = None if only is None else [n for n in only.split(",") if n != _NOTHING]
        state = names is None or _MODEL not in names
        names = names and [Component.WEIGHTS.value if n == _MODEL else n for n in names]
        return Wanted(
            None if names is None else frozenset(map(Component, names)),
            None if depth is None else int(depth),
            state,
        )
    except ValueError as error:
        raise Failure(
            "the [partial] settings are wrong", kind="bad-config", cause=str(error)
        ) from None


def asked(config: Config, *, pruned: bool) -> str | None:
    """The remote that is asked for content that is not here; None if none is. `pruned`: some was let go of."""
    name = config.get("partial.remote")
    return _default(config) if name is None and pruned else name


def _default(config: Config) -> str | None:
    names = remotes.remotes(config)
    return remotes.DEFAULT if remotes.DEFAULT in names else min(names, default=None)


def way_to_absent(config: Config, *, pruned: bool) -> str:
    """The exact command by which content that is not here comes, in the form of an error's `help`."""
    name = asked(config, pruned=pruned)
    if name is not None:
        return f"mvc verify --remote {name}  (tells why {name} did not give it)"
    name = _default(config)
    if name is not None:
        return f"mvc config set partial.remote {name}  (fetches it when it is asked for)"
    if pruned:
        return (
            "mvc remote add origin URL  (of a repository that has it: then it comes when asked for)"
        )
    return "mvc remote add origin URL && mvc config set partial.remote origin"
