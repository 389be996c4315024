"""A version as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime

from mvc.api.public import made_from
from mvc.api.shown import Grid, Shown, first_line, html_table, labels
from mvcd.lateclasses import dataclass
from mvcd.objects.version import Component, Provenance, Value


@made_from(digest="root")
@dataclass(frozen=True, slots=True)
class ComponentRoot:
    """One component of a version. Equal `digest`, equal content; None when it has no files."""

    digest: str | None
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """A version whose content is not kept here, since `time`, by the rules `rule`. `here`: it still is, and
    stays until `until`. `remotes` are known to have it."""

    time: datetime
    until: datetime
    rule: str
    here: bool
    remotes: tuple[str, ...]


@made_from("version", number="version.generation")
@dataclass(frozen=True, slots=True, repr=False)
class Version(Shown):
    """An immutable point of history. `number` is its generation: `v12` is 12 steps from the empty version."""

    id: str
    number: int
    parents: tuple[str, ...]
    time: datetime
    author: str
    message: str
    trigger: str  # "manual", "auto", "import", "rollback" or "merge"
    hyperparameters: Mapping[str, Value]
    metrics: Mapping[str, Value]
    components: Mapping[Component, ComponentRoot]
    provenance: Provenance
    tracked: tuple[str, ...]
    refs: tuple[str, ...] = ()  # "HEAD -> main", "main", "tag: v1.0", ...
    pruned: Pruned | None = None  # its content is not kept here
    annotations: Mapping[str, str] = field(
        default_factory=dict
    )  # text under keys, written beside it
    numbered: bool = (
        True  # whether vN names it here; what a merge brought in has its own line's number
    )

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(c.size for c in self.components.values())

    @property
    def files(self) -> int:
        """Number of files."""
        return sum(c.files for c in self.components.values())

    def _brief(self) -> str:
        more = [f"+{len(self.refs) - 2}"] if len(self.refs) > 2 else []
        names = f" ({', '.join([*self.refs[:2], *more])})" if self.refs else ""
        return f"v{self.number} {self.id[:10]}{names} {first_line(self.message)!r}"

    def _grid(self) -> Grid:
        return versions_grid(f"v{self.number} {self.id[:10]}", [self])

    def _repr_html_(self) -> str:
        """Shows the version in a notebook, a line for each thing that it records."""
        grid = self._grid()
        title = f"{grid.title} {first_line(self.message)}"
        rows = [*zip(grid.columns, grid.rows[0], strict=True), ("names", ", ".join(self.refs))]
        return html_table(Grid(title, ("", "value"), rows))


_VERSION_COLUMNS = ("number", "version", "time", "author", "message", "trigger", "files", "size")


def versions_grid(title: str, versions: Sequence[Version]) -> Grid:
    """A row for each version: what it is, then its settings and metrics, None where it has none of the name."""
    keys = [
        (kind, key)
        for version in versions
        for kind, values in _recorded(version).items()
        for key in values
    ]
    named = labels(sorted(set(keys)), _VERSION_COLUMNS)
    rows = []
    for version in versions:
        values = _recorded(version)
        about = (
            version.number, version.id, version.time, version.author, version.message,
            version.trigger, version.files, version.size,
        )  # fmt: skip
        rows.append((*about, *(values[kind].get(key) for kind, key in named)))
    return Grid(title, (*_VERSION_COLUMNS, *named.values()), rows)


def _recorded(version: Version) -> Mapping[str, Mapping[str, Value]]:
    return {"hyperparameter": version.hyperparameters, "metric": version.metrics}
