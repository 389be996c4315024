"""What a scan found, directory by directory, in few bytes: a candidate comes to be when it is asked for.

Where all files are new, all are candidates. A million of them were 630 MB as objects, of which a commit looks
at one at a time; a directory's listing and the place of each in it are 50.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import field
from enum import Enum
from functools import partial
from itertools import chain

from mvcd.ids import RecipeId
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.repo.ondisk.statcache import FileStat, Flag, Listing, listed_directories


class CandidateState(Enum):
    """Why a file must be looked at."""

    NEW = "new"  # the cache has no row for it
    TOUCHED = "touched"  # its stat is not the cached one
    RACY = "racy"  # its stat is the cached one, which proves nothing
    KNOWN = "known"  # its content is known without reading and is not the version's


_STATES = tuple(CandidateState)
_NUMBERS = {state: number for number, state in enumerate(_STATES)}


class Candidate(NamedTuple):
    """A file or symbolic link that may differ from the version. `recipe` is given iff `state` is KNOWN."""

    path: str
    stat: FileStat
    state: CandidateState
    recipe: RecipeId | None = None


_candidate: Callable[[tuple[object, ...]], Candidate] = partial(tuple.__new__, Candidate)
"""Makes one in half the time of a call of the class: a commit goes through all of them several times."""


def _none() -> array[int]:
    return array("I")


@dataclass(slots=True)
class Directory:
    """A directory that is looked through entry by entry, and whose row may have to be written anew."""

    path: str
    key: bytes
    rules: bytes
    listing: bytes
    old: bytes | None
    flags: bytes = b""
    places: array[int] = field(default_factory=_none)
    """Which of the listing's names are candidates, ascending."""
    _states: bytearray = field(default_factory=bytearray)
    _known: dict[int, RecipeId] = field(default_factory=dict)

    def add(self, place: int, state: CandidateState, recipe: RecipeId | None) -> None:
        """Makes a candidate of the name at this place of the listing."""
        self.places.append(place)
        self._states.append(_NUMBERS[state])
        if recipe is not None:
            self._known[place] = recipe

    def candidates(
        self, listing: Listing, start: int = 0, stop: int | None = None
    ) -> Iterator[Candidate]:
        """Makes those from the `start`-th on. `listing` is this directory's."""
        before = self.path + "/" if self.path else ""
        names, known = listing.names, self._known
        places = self.places[start:stop]
        states = map(_STATES.__getitem__, self._states[start:stop])
        for place, state, stat in zip(places, states, listing.stats(places), strict=True):
            path = before + names[place].decode()
            yield _candidate((path, stat, state, known.get(place) if known else None))

    def paths(self, listing: Listing, start: int, stop: int) -> Iterator[str]:
        """The paths of these candidates."""
        before = self.path + "/" if self.path else ""
        names = listing.names
        return (before + names[place].decode() for place in self.places[start:stop])

    def bar(self, name: str) -> None:
        """The subdirectory `name` was not entered after all, and has no row."""
        flags = bytearray(self.flags)
        flags[listed_directories(self.listing).index(name.encode())] = Flag.SKIPPED
        self.flags = bytes(flags)


class Stretch(NamedTuple):
    """Candidates of one directory that follow each other also among all: from `start` to before `stop`."""

    directory: Directory
    listing: Listing
    start: int
    stop: int


class Candidates(Collection[Candidate]):
    """The candidates of directories, in ascending order of paths."""

    def __init__(self, directories: Iterable[Directory] = ()) -> None:
        self._directories = {d.path: d for d in directories if d.places}
        self._count = sum(len(d.places) for d in self._directories.values())
        self._below: dict[str, set[str]] | None = None

    def __len__(self) -> int:
        return self._count

    def __contains__(self, candidate: object) -> bool:
        return any(candidate == one for one in self)

    def __iter__(self) -> Iterator[Candidate]:
        for directory, listing, start, stop in self.stretches():
            yield from directory.candidates(listing, start, stop)

    def paths(self) -> Iterator[str]:
        """Their paths, in order."""
        for directory, listing, start, stop in self.stretches():
            yield from directory.paths(listing, start, stop)

    def sizes(self) -> Iterator[int]:
        """Their sizes in bytes, in order."""
        for directory, listing, start, stop in self.stretches():
            yield from listing.sizes(directory.places[start:stop])

    def stretches(self) -> Iterator[Stretch]:
        """All candidates, in order. Files of a directory come between those of its subdirectories, so it may
        have several."""
        above: list[_Passed] = []
        for below, path in sorted((_below(path), path) for path in self._directories):
            while above and not below.startswith(above[-1].below):
                yield from above.pop().rest()
            if above:
                yield from above[-1].before(below)
            above.append(_Passed(self._directories[path], below))
        while above:
            yield from above.pop().rest()

    def names(self, directory: str) -> frozenset[str]:
        """The names of candidates in a directory ("" is the root), and of those directories in it that have
        some below."""
        if self._below is None:
            self._below = children(self._directories)
        here = self._directories.get(directory)
        files: Iterable[str] = ()
        if here is not None:
            listed = Listing(here.listing).names
            files = (listed[place].decode() for place in here.places)
        return frozenset(chain(files, self._below.get(directory, ())))


class _Passed:
    """A directory whose candidates are told up to a point."""

    def __init__(self, directory: Directory, below: str) -> None:
        self.below = below
        self._directory = directory
        self._listing = Listing(directory.listing)
        self._told = 0

    def before(self, path: str) -> Iterator[Stretch]:
        """Tells those before `path`, which lies in a subdirectory."""
        names, inside = self._listing.names, path[len(self.below) :].encode()
        yield from self._up_to(
            bisect_left(self._directory.places, inside, lo=self._told, key=names.__getitem__)
        )

    def rest(self) -> Iterator[Stretch]:
        yield from self._up_to(len(self._directory.places))

    def _up_to(self, stop: int) -> Iterator[Stretch]:
        start, self._told = self._told, stop
        if start < stop:
            yield Stretch(self._directory, self._listing, start, stop)


def _below(directory: str) -> str:
    """What paths in a directory begin with."""
    return directory + "/" if directory else ""


def children(directories: Iterable[str]) -> dict[str, set[str]]:
    """The names of directories by the directory they lie in, those on the way included."""
    found: dict[str, set[str]] = {}
    for directory in directories:
        below = directory
        while below:
            above, _, name = below.rpartition("/")
            names = found.setdefault(above, set())
            if name in names:
                break
            names.add(name)
            below = above
    return found


def paths_of(candidates: Iterable[Candidate]) -> Iterator[str]:
    """The paths of candidates, without making them where that can be."""
    if isinstance(candidates, Candidates):
        return candidates.paths()
    return (candidate.path for candidate in candidates)


def sizes_of(candidates: Iterable[Candidate]) -> Iterator[int]:
    """Their sizes in bytes likewise."""
    if isinstance(candidates, Candidates):
        return candidates.sizes()
    return (candidate.stat.size for candidate in candidates)


MakeRow = Callable[[], bytes]


class CacheRows(Mapping[bytes, bytes | None]):
    """Rows for the store's cache (None: delete), of which those of new directories are made when they are asked
    for: they take as many bytes as the listings."""

    def __init__(
        self,
        ready: Mapping[bytes, bytes | None] | None = None,
        made: Mapping[bytes, MakeRow] | None = None,
    ) -> None:
        self._ready = dict(ready or {})
        self._made = made or {}

    def __getitem__(self, key: bytes) -> bytes | None:
        return self._ready[key] if key in self._ready else self._made[key]()

    def __iter__(self) -> Iterator[bytes]:
        yield from self._ready
        yield from (key for key in self._made if key not in self._ready)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __or__(self, more: Mapping[bytes, bytes | None]) -> CacheRows:
        return CacheRows({**self._ready, **more}, self._made)


_Traits = tuple[int, int, int, bool, bool]


def renames(gone: Mapping[str, FileStat], candidates: Iterable[Candidate]) -> dict[str, str]:
    """Maps old paths of files that are gone to their new ones, told without reading any.

    A file that `mv` moved within a file system keeps its inode, size and modification time, so a file that is
    gone and a new one that share all three are one file under another name. That is evidence and no proof: an
    inode may be used again by a file whose size and time were set to be the same. So it is for the screen of
    `status` only; versions compare contents. Where several files share them, hard links among them, nothing
    is said.
    """
    if not gone:
        return {}
    seen = Counter(map(_traits, gone.values()))
    old = {_traits(stat): path for path, stat in gone.items()}
    here: dict[_Traits, str] = {}
    for candidate in candidates:
        traits = _traits(candidate.stat)
        if traits in old:
            seen[traits] += traits in here or candidate.state is not CandidateState.NEW
            here[traits] = candidate.path
    return {old[traits]: path for traits, path in here.items() if seen[traits] == 1}


def _traits(stat: FileStat) -> _Traits:
    return stat.inode, stat.size, stat.mtime_ns, stat.executable, stat.is_symlink
