"""The repository that is imported into: made or found again, and at last given names, HEAD and files."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mvc.api.durable import make_directories
from mvc.api.errors import Conflict, Failure, NoRepository
from mvc.api.import_verbs import may_name
from mvc.api.repo import Repo
from mvc.api.results import CheckoutResult, Monitor
from mvc.api.version_paths import long_form
from mvc.importers.lines import PREFIX, ImportLines

Value = TypeVar("Value")
_UNFIT = re.compile(r"[^A-Za-z0-9._/+-]+|\.\.+")


@dataclass(slots=True)
class Names:
    """What an import has to name: versions by branch, (version, message) by tag, and where HEAD belongs:
    on `head`, or at the version `detached`."""

    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, tuple[str, str]] = field(default_factory=dict)
    head: str | None = None
    detached: str | None = None


@dataclass(slots=True)
class Named:
    """What became of the names."""

    branches: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    checkout: CheckoutResult | None = None


class ImportTarget:
    """A repository that is imported into, and below which names."""

    def __init__(self, repo: Repo, prefix: str = "") -> None:
        self.repo, self.prefix = repo, prefix

    @property
    def lines(self) -> ImportLines:
        """The lines of this import."""
        return ImportLines(self.repo, self.prefix)

    def known(self) -> dict[str, str]:
        """Versions that were imported before, by their id at the source."""
        prefixes = {self.prefix, PREFIX + self.prefix}
        return self.repo.imported(prefixes)

    def known_messages(self) -> dict[str, str]:
        """Versions that were imported before, by their message."""
        prefixes = (self.prefix, PREFIX + self.prefix)
        tips = [b.version for b in self.repo.branches() if b.name.startswith(prefixes)]
        found = (v for tip in dict.fromkeys(tips) for v in self.repo.log(tip))
        return {v.message: v.id for v in found if v.trigger == "import"}

    def newest(self, versions: Iterable[str]) -> str | None:
        """The one of some versions on a line that comes last; None if there is none."""
        numbers = [(self.repo.show(id).number, id) for id in versions]
        return max(numbers)[1] if numbers else None

    def require_same(self, kind: str, paths: Sequence[str]) -> None:
        """Notes what is imported here; raises Failure: kind "another-import" where that was something else."""
        key = "import." + re.sub(r"[^A-Za-z0-9_-]", "_", self.prefix or "all")
        now = " ".join([kind, *sorted(paths)])
        before = self.repo.config.get(f"{key}.what")
        if before is None:
            self.repo.config.set(f"{key}.what", now)
        elif before != now:
            raise Failure(
                f"{self.repo.root} is an import of another kind: {before}",
                kind="another-import",
                cause=f"with {now} the same commits would be other versions",
                help="name a new directory for it",
            )

    # ---------------------------------------------------------------- at the end

    def name(self, names: Names, lines: Iterable[str], detail: str) -> Named:
        """Gives versions their names, and brings HEAD and the files where the source has them.

        HEAD moves in a repository that is new; later its branch goes on, with the files, if it can.
        """
        done, repo = Named(), self.repo
        branches = self._fitting(names.branches, "branch", done)
        tags = self._fitting(names.tags, "tag", done)
        if not self.prefix and not _is_bare(repo):
            head = dict(zip(names.branches, branches, strict=True)).get(names.head or "")
            self._move(branches, head, names, detail, done)
        brought = repo.bring_names(branches, tags, tuple(lines), detail=detail)
        done.branches += brought.branches
        done.tags += brought.tags
        done.left |= {k: v for k, v in brought.left.items() if k not in done.left}
        done.kept += brought.kept
        return done

    def _fitting(self, found: Mapping[str, Value], what: str, done: Named) -> dict[str, Value]:
        fit: dict[str, Value] = {}
        for name, value in found.items():
            wanted = self.prefix + name
            here = _fitting_name(
                wanted, what, lambda other: other in fit or other.removeprefix(self.prefix) in found
            )
            if here != wanted:
                done.renamed.append((f"{what} {name}", here))
            fit[here] = value
        return fit

    def _move(
        self, branches: Mapping[str, str], head: str | None, names: Names, detail: str, done: Named
    ) -> None:
        repo, now = self.repo, self.repo.head
        if now.number == 0 and now.branch is not None:
            first = head or (None if names.detached else next(iter(sorted(branches)), None))
            if first is None and names.detached is not None:
                done.checkout = repo.checkout(names.detached)
            elif first == now.branch:
                done.checkout = repo.forward(branches[first], detail=detail)
                done.branches.append(first)
            elif first is not None:
                repo.bring_names({first: branches[first]}, {}, detail=detail)
                done.branches.append(first)
                done.checkout = repo.switch(long_form(f"heads/{first}"))
            return
        new = branches.get(now.branch or "")
        if now.branch is None or new is None or repo.descends(now.version, new):
            return
        if not repo.descends(new, now.version):
            done.left[now.branch] = "it has versions that the source has not"
            return
        try:
            done.checkout = repo.forward(new, detail=detail)
            done.branches.append(now.branch)
        except Conflict as conflict:
            done.left[now.branch] = f"{conflict}"


def _is_bare(repo: Repo) -> bool:
    return repo.root == repo.store_path


def _fitting_name(name: str, what: str, taken: Callable[[str], bool]) -> str:
    """A name that this one can have here: itself, if it can."""
    if may_name(name, what):
        return name
    fit = "/".join(part.strip(".-") or "_" for part in _UNFIT.sub("-", name).strip("/").split("/"))
    fit = fit.removesuffix(".lock")[:150]
    candidates = (fit, f"imported-{fit}", *(f"imported-{fit}-{n}" for n in range(2, 1000)))
    return next(one for one in candidates if may_name(one, what) and not taken(one))


@contextmanager
def target_at(directory: str, into: str | None, *, bare: bool = False) -> Iterator[ImportTarget]:
    """Opens what is imported into, and holds its lock: the repository around the current directory if `into`
    says below which names, else one at `directory`, which may be made.

    Raises Failure as `open_target`, Busy while another import holds it. What it made goes again where the
    import fails before the first version.
    """
    existed = os.path.isdir(directory)
    own = into is None and not (existed and os.listdir(directory))
    if into is None:
        target = ImportTarget(open_target(directory, bare=bare))
    else:
        here = Repo.open()
        root, author = here.root, here.author
        here.close()
        target = ImportTarget(Repo.open(root, author=author), into.strip("/") + "/")
    empty = False
    try:
        with target.repo:
            try:
                yield target
            except BaseException:
                empty = own and not target.repo.branches()
                raise
    finally:
        target.repo.close()
        if empty:
            _remove(directory, below=existed)


def _remove(directory: str, *, below: bool) -> None:
    """Removes a repository that an import made and no version came to; only what is `below` if so."""
    with os.scandir(directory) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
    if not below:
        os.rmdir(directory)


class Progress:
    """Tells a monitor how far an import is."""

    def __init__(self, monitor: Monitor | None, versions: int) -> None:
        self._monitor = monitor
        if monitor is not None:
            monitor.begin("import", total_items=versions)

    def advance(self, bytes_done: int, versions: int = 1) -> None:
        """Hears of what is done; bytes may come before the version that they are in."""
        if self._monitor is not None:
            self._monitor.advance(bytes_done=bytes_done, items_done=versions)

    def finish(self) -> None:
        """Ends the display."""
        if self._monitor is not None:
            self._monitor.finish()


def store_bytes(repo: Repo) -> int:
    """Bytes that a repository's store takes."""
    stats = repo.stats()
    return stats.pack_bytes + stats.index_bytes


def open_target(directory: str, *, bare: bool) -> Repo:
    """Opens the repository that an import makes or goes on with at `directory`.

    Raises Failure: kind "not-empty" for a directory with something else in it, "not-an-import" for a
    repository whose versions do not come from an import.
    """
    if os.path.isdir(directory) and os.listdir(directory):
        try:
            repo = Repo.open(directory)
        except NoRepository:
            raise _not_empty(directory) from None
        if os.path.realpath(repo.root) != os.path.realpath(directory):
            repo.close()
            raise _not_empty(directory)
        if repo.branches() and repo.config.get("import.all.what") is None:
            repo.close()
            raise Failure(
                f"{directory} is a repository of its own", kind="not-an-import",
                cause="an import would mix its branches with those of the source",
                help=f"mvc -C {directory} import KIND SRC --into PREFIX  (its branches become PREFIX/NAME)",
            )  # fmt: skip
    else:
        make_directories(directory)
        if bare:
            Repo.init_bare(directory)
            repo = Repo.open(directory)
        else:
            repo = Repo.init(directory)
    author = repo.author
    repo.close()
    return Repo.open(directory, author=author)


def _not_empty(directory: str) -> Failure:
    return Failure(
        f"{directory} is not empty", kind="not-empty",
        cause="an import makes a repository in a directory of its own",
        help=f"mvc import KIND SRC {directory.rstrip('/')}-mvc",
    )  # fmt: skip
