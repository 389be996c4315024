"""Names that a file system takes for one: `README` and `readme` on most Macs, two spellings of é on many disks.

Two versions may differ in the spelling of a name alone. On such a file system the file of the one lies where
that of the other is to be: it has to be renamed, and never written and then removed. And a version may have
both names, from a machine that tells them apart: it cannot be checked out here, and both are named.

Only the file system knows what it folds, by tables of its own and of its year. `key` is coarser than any of
them, so that equal keys only ask the question; the answer is tried out with two names (`one_file`).
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from mvcd.errors import Conflict, Failure
from mvcd.repo.ondisk.paths import directories_above
from mvcd.repo.ondisk.writing import unwritten

Respelling = tuple[str, str]
"""Two spellings, as it lies there and as it shall be, of a file or directory whose own directory is spelled
right."""

_CASE = ("Case", "cASE")
_FORM = ("\u00e9", "e\u0301")


def one_file(directory: str, a: str, b: str) -> bool:
    """Whether two names are one file where `directory` lies: tried out there. Raises OSError."""
    import shutil  # late: start-up
    import tempfile

    os.makedirs(directory, exist_ok=True)
    place = tempfile.mkdtemp(prefix="names-", dir=directory)
    try:
        with open(os.path.join(place, a), "xb"):
            return os.path.lexists(os.path.join(place, b))
    finally:
        shutil.rmtree(place, ignore_errors=True)


class FoldedNames:
    """What counts as one name on a file system. Asks it at the first question, and remembers."""

    def __init__(self, directory: str) -> None:
        """`directory` is on that file system, ours to write in, and made where it is missing."""
        self._directory = directory

    @cached_property
    def _case(self) -> bool:
        return self._one(*_CASE)

    @cached_property
    def folds(self) -> bool:
        """Raises Failure when that directory cannot be written."""
        return self._case or self._one(*_FORM)

    def key(self, path: str) -> str:
        """Equal for all paths that may be one here; the path itself where nothing is folded."""
        if not self.folds or (path.isascii() and path.islower()):
            return path
        return _coarse(path) if self._case else unicodedata.normalize("NFD", path)

    def are_one(self, a: str, b: str) -> bool:
        """Whether two names, or two paths name by name, are one to the file system."""
        return a == b or (
            self.key(a) == self.key(b)
            and all(
                x == y or self._one(x, y) for x, y in zip(a.split("/"), b.split("/"), strict=True)
            )
        )

    def sorted(self, paths: Iterable[str]) -> dict[str, list[str]]:
        """By key, for `any_is`."""
        found: dict[str, list[str]] = {}
        for path in paths:
            found.setdefault(self.key(path), []).append(path)
        return found

    def any_is(self, path: str, others: Mapping[str, Sequence[str]]) -> bool:
        """Whether one of these paths is one with `path`."""
        return any(self.are_one(path, other) for other in others.get(self.key(path), ()))

    def _one(self, a: str, b: str) -> bool:
        try:
            return one_file(self._directory, a, b)
        except OSError as error:
            raise unwritten(error) from error


def refuse_twins(paths: Iterable[str], names: FoldedNames, root: str) -> None:
    """Raises Failure when two of `paths`, or directories on the way to them, would be one here."""
    if not names.folds:
        return
    seen: dict[str, list[str]] = {}
    known: set[str] = set()
    for path in paths:
        for part in _ways(path):
            if part in known:
                continue
            known.add(part)
            others = seen.setdefault(names.key(part), [])
            for other in others:
                if names.are_one(other, part):
                    raise _twins(other, part, root)
            others.append(part)


def _twins(a: str, b: str, root: str) -> Failure:
    alike = unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b)
    return Failure(
        f"{a} and {b} would be the same file here",
        kind="case-twins",
        cause=f"the file system of {root} does not tell {a!a} from {b!a}"
        if alike
        else f"the file system of {root} does not tell upper from lower case",
        help="check out one of them: mvc restore REV PATH, or use another file system",
    )


def respellings(
    root: str, names: FoldedNames, write: Iterable[str], going: set[str]
) -> tuple[list[Respelling], list[str]]:
    """What has to be renamed in `root`, from the top down, before `write` can be written there; and what is in
    the way: paths as they lie there, of files that are not `going`."""
    if not names.folds:
        return [], []
    look = _Look(root, names, going)
    for path in write:
        look.at(path)
    return list(look.found), look.obstacles


class _Look:
    def __init__(self, root: str, names: FoldedNames, going: set[str]) -> None:
        self._root = root
        self._names = names
        self._going = going
        self._lies: dict[str, str | None] = {"": ""}  # where a directory lies; None: nothing does
        self._listed: dict[str, list[str]] = {}
        self.found: dict[Respelling, None] = {}
        self.obstacles: list[str] = []

    def at(self, path: str) -> None:
        lies = self._spelled(path)
        if lies is None or lies == path:
            return  # nothing is there, or what planning.py judges
        staying = [p for p in self._files(lies) if p not in self._going]
        self.obstacles += staying
        if not staying and not self._is_directory(lies):
            self._respell(lies, path)

    def _directory(self, path: str) -> str | None:
        if path not in self._lies:
            lies = self._spelled(path)
            if lies is not None and not self._is_directory(lies):
                if lies not in self._going and lies != path:
                    self.obstacles.append(lies)
                lies = None
            if lies is not None and _last(lies) != _last(path):
                self._respell(lies, path)
            self._lies[path] = lies
        return self._lies[path]

    def _spelled(self, path: str) -> str | None:
        """Where a path lies, however it is spelled there."""
        above = self._directory(path.rpartition("/")[0])
        if above is None:
            return None
        if above not in self._listed:
            self._listed[above] = os.listdir(os.path.join(self._root, above))
        name, listed = _last(path), self._listed[above]
        if name not in listed:
            alike = (other for other in listed if self._names.are_one(other, name))
            if (name := next(alike, "")) == "":
                return None
        return f"{above}/{name}" if above else name

    def _respell(self, lies: str, path: str) -> None:
        above = path.rpartition("/")[0]
        self.found[f"{above}/{_last(lies)}" if above else _last(lies), path] = None

    def _is_directory(self, lies: str) -> bool:
        absolute = os.path.join(self._root, lies)
        return os.path.isdir(absolute) and not os.path.islink(absolute)

    def _files(self, lies: str) -> Iterator[str]:
        if not self._is_directory(lies):
            yield lies
        for directory, below, files in os.walk(os.path.join(self._root, lies)):
            inside = os.path.relpath(directory, self._root).replace(os.sep, "/")
            links = [n for n in below if os.path.islink(os.path.join(directory, n))]
            yield from (f"{inside}/{name}" for name in files + links)


def in_the_way(obstacles: Sequence[str]) -> Conflict:
    """Returns files that no version stands for, or that are to stay, and would be overwritten under another
    name."""
    return Conflict(
        f"{', '.join(sorted(obstacles)[:5])} would be overwritten",
        kind="would-overwrite",
        cause="this file system takes it and a file that is to be written for one name",
        help=f"move {min(obstacles)} away, then run the command again",
    )


def respelled(path: str, respellings: Iterable[Respelling]) -> str:
    """Where a path lies after these renames."""
    for old, new in respellings:
        if path == old or path.startswith(old + "/"):
            path = new + path[len(old) :]
    return path


def on_disk(root: str, path: str) -> str:
    """`path`, which lies below `root`, as the directories there spell it."""
    right = ""
    for name in path.split("/"):
        above = os.path.join(root, right)
        right = os.path.join(right, _as_listed(above, name))
    return right


def is_spelled_so(directory: str, name: str) -> bool:
    """False where a file lies under `name` that the directory lists under another spelling."""
    return _as_listed(directory, name) == name


def _as_listed(directory: str, name: str) -> str:
    others = {name.swapcase(), *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))}
    spellings = [os.path.join(directory, other) for other in (name, *(others - {name}))]
    if not (os.path.lexists(spellings[0]) and any(map(os.path.lexists, spellings[1:]))):
        return name  # the common case, and no directory is listed
    try:
        listed = os.listdir(directory)
    except OSError:
        return name
    alike = [other for other in listed if _coarse(other) == _coarse(name)]
    return name if name in listed or len(alike) != 1 else alike[0]


def _coarse(path: str) -> str:
    """Canonical caseless matching (Unicode, section 3.13, D145)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def _ways(path: str) -> Iterator[str]:
    """The directories above a path, from the top, and the path."""
    yield from directories_above(path)
    yield path


def _last(path: str) -> str:
    return path.rpartition("/")[2]
