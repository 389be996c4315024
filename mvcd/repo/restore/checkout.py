"""Versions into files: staged, verified, made durable, then renamed into place.

Every file is first written under `.mvc/staging/`, from chunks whose digests the store checked. Only when all
of them are complete and durable does the first rename happen, so a reader of the workspace sees each file old
or new, never between, and a failure before that point changes nothing. A crash during the renames leaves some
files new and HEAD old: the same command run again finds those files equal to what it would write, and goes on.
A directory that is not there yet is staged as a whole and renamed once: a rename costs 20 us a file.

What must not live here: whether anything may be overwritten (planning.py decides before this is called).
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mvcd.disk.renames import move
from mvcd.disk.room import require_room
from mvcd.disk.sync import sync_directories, sync_files
from mvcd.errors import Conflict
from mvcd.monitor import Monitor
from mvcd.objects.entry import MAX_PATH_BYTES, Entry, Mode
from mvcd.objects.reserved import reserved
from mvcd.repo.contents.files import Contents, read_entry
from mvcd.repo.ondisk.folding import FoldedNames, Respelling, respelled
from mvcd.repo.ondisk.ground import Ground
from mvcd.repo.ondisk.paths import directories_above
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.writing import LONG_PATH_CHARACTERS, unwritten
from mvcd.repo.restore.early import Begun
from mvcd.repo.restore.staging import StagedFile, write_staged
from mvcd.repo.workspace.candidates import unfit_link, unsafe_link

"""Files up to which each is fsynced; above, one sync of the file system is cheaper (100,000 fsyncs: 20 s)."""


@dataclass(frozen=True, slots=True)
class Written:
    path: str
    stat: FileStat


class Checkout:
    """Writes entries into a workspace. One object per operation."""

    def __init__(
        self,
        root: str,
        staging: str,
        contents: Contents,
        monitor: Monitor,
        early: Begun | None = None,
        names: FoldedNames | None = None,
        stands_alone: bool = False,
    ) -> None:
        """`names`: of the file system of `root`, where files lie that may have to be spelled anew. What
        `stands_alone` gets no link that leads out of it."""
        self._stands_alone = stands_alone
        self._root = root
        self._names = names or FoldedNames(staging)
        self._early = early or Begun()
        self._new = self._early.tree or os.path.join(staging, "new", "")
        self._tops: dict[str, bool] = {}  # new directories, and whether they went as a whole
        self._staging = staging
        self._contents = contents
        self._monitor = monitor
        self._made: set[str] = set()  # directories that are there and are no links
        self.skipped: list[tuple[str, str]] = []
        self.touched = False  # whether a file of the workspace was changed

    def apply(
        self,
        write: Sequence[Entry],
        remove: Sequence[str],
        *,
        expect: dict[str, FileStat | None],
        respell: Sequence[Respelling] = (),
    ) -> list[Written]:
        """Writes and removes paths. `expect` says what lay at each path when overwriting it was judged safe;
        `respell`, what lies there under another spelling of its name (folding.py).

        Raises Conflict when a path changed since; MissingObject, CorruptObject, Failure when a file
        cannot be written. No file of the workspace was changed then, unless `touched`.
        """
        self._monitor.begin(
            "checkout", total_bytes=sum(e.size for e in write), total_items=len(write)
        )
        try:
            shutil.rmtree(self._staging, ignore_errors=True)
            os.makedirs(self._staging)
            require_room(
                self._staging, sum(e.size for e in write if not self._is_begun(e)), "these files"
            )
            staged = self._lay_out([e for e in write if self._may_write(e)])
            write_staged(staged, self._contents, self._monitor)
            sync_files([s.temporary for s in staged])
            self._require_unchanged(expect)
            return self._switch(staged, remove, respell)
        except OSError as error:
            raise unwritten(error, touched=self.touched) from error
        finally:
            shutil.rmtree(self._staging, ignore_errors=True)
            self._monitor.finish()

    def _is_begun(self, entry: Entry) -> bool:
        """Whether some of it takes its place already; then how much of it does not is nobody's guess."""
        return entry in self._early.large or entry in self._early.small

    def _lay_out(self, write: Sequence[Entry]) -> list[StagedFile]:
        """Where each file is written first; makes the directories for it."""
        paths = {entry.path for entry in write}
        ground = Ground(self._root)
        new: dict[str, bool] = {}
        staged = []
        for number, entry in enumerate(write):
            large = self._early.large.get(entry)
            if large is not None and os.path.exists(large.path):
                staged.append(StagedFile(entry, large.path, large.written))
                continue
            parent = entry.path.rpartition("/")[0]
            if parent not in new:
                new[parent] = self._make_new(parent, ground, paths)
            small = self._early.small.get(entry)
            whole = new[parent] and len(entry.path) <= LONG_PATH_CHARACTERS
            inside = whole or small is not None
            place = self._new + entry.path if inside else os.path.join(self._staging, str(number))
            staged.append(StagedFile(entry, place, stat=small))
        self._remove_unwanted(write)
        return staged

    def _remove_unwanted(self, write: Sequence[Entry]) -> None:
        """What was written early and is not to be here: of a component that is left out, say."""
        small = self._early.small
        for entry in small.keys() - set(write) if small else ():
            os.unlink(self._new + entry.path)
            parent = entry.path.rpartition("/")[0]
            while parent and not os.listdir(self._new + parent):
                os.rmdir(self._new + parent)
                parent = parent.rpartition("/")[0]

    def _make_new(self, directory: str, ground: Ground, paths: set[str]) -> bool:
        """Whether a directory is to come as a whole, with the topmost missing one above it; made then."""
        top = ground.missing(directory + "/")
        above = [*directories_above(directory), directory]
        if top is None or not paths.isdisjoint(above):  # placing will tell what is wrong with it
            return False
        os.makedirs(self._new + directory, exist_ok=True)
        self._tops[top] = False
        return True

    def _switch(
        self, staged: Sequence[StagedFile], remove: Sequence[str], respell: Sequence[Respelling]
    ) -> list[Written]:
        paths = [s.entry.path for s in staged]
        early, late = _split_removals(remove, paths, self._names)
        self.touched = True
        self._remove(early)
        for old, new in respell:
            move(os.path.join(self._root, old), os.path.join(self._root, new))
        late = self._still_there((respelled(path, respell) for path in late), paths)
        for top in self._tops:
            self._tops[top] = self._place_directory(top)
        written = [self._place(s) for s in staged]
        self._remove(late)
        changed = [*remove, *self._tops, *(w.path for w in written)]
        sync_directories([os.path.join(self._root, d) for d in _above(changed)])
        return written

    def _still_there(self, removed: Iterable[str], written: Iterable[str]) -> list[str]:
        """Without those under whose name, however it is spelled, lies what is written now."""
        kept = self._names.sorted(written)
        return [path for path in removed if not self._names.any_is(path, kept)]

    def _may_write(self, entry: Entry) -> bool:
        problem = why_reserved(entry.path)
        if problem is None and entry.mode is Mode.SYMLINK and entry.size > MAX_PATH_BYTES:
            problem = "unsafe symlink: its target is longer than any path"
        if problem is None and entry.mode is Mode.SYMLINK:
            text = read_entry(entry, self._contents.fetch).decode("utf-8", "surrogateescape")
            fits = unsafe_link if self._stands_alone else unfit_link
            problem = fits(entry.path, text)
        if problem is not None:
            self.skipped.append((entry.path, problem))
        return problem is None

    # ---------------------------------------------------------------- placing

    def _require_unchanged(self, expect: dict[str, FileStat | None]) -> None:
        ground = Ground(self._root)
        for path, before in expect.items():
            if ground.stat(path) != before:
                raise Conflict(
                    f"{path} changed while the checkout was prepared",
                    kind="would-overwrite",
                    cause="another process wrote it; nothing was changed",
                    help="mvc status",
                )

    def _place_directory(self, top: str) -> bool:
        """Whether it went as a whole: not where something is by now."""
        self._make_parents(top.rpartition("/")[0], top)
        try:
            move(self._new + top, os.path.join(self._root, top))
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
        return True

    def _place(self, item: StagedFile) -> Written:
        path = item.entry.path
        target = os.path.join(self._root, path)
        if item.temporary.startswith(self._new) and self._went_with_its_directory(path):
            return Written(path, item.stat or FileStat.of(os.lstat(target)))
        self._make_parents(path.rpartition("/")[0], path)
        try:
            move(item.temporary, target)
        except IsADirectoryError:
            self._remove_empty_below(path)
            move(item.temporary, target)
        return Written(path, FileStat.of(os.lstat(target)))

    def _went_with_its_directory(self, path: str) -> bool:
        parent = path.rpartition("/")[0]
        while parent and parent not in self._tops:
            parent = parent.rpartition("/")[0]
        return self._tops.get(parent, False)

    def _make_parents(self, directory: str, path: str) -> None:
        """Creates missing directories; never walks through a symlink out of the workspace."""
        if not directory or directory in self._made:
            return
        self._make_parents(directory.rpartition("/")[0], path)
        absolute = os.path.join(self._root, directory)
        try:
            mode = os.lstat(absolute).st_mode
        except FileNotFoundError:
            os.mkdir(absolute)
        else:
            if not stat.S_ISDIR(mode):
                raise Conflict(
                    f"{directory} is not a directory, but {path} needs it to be",
                    kind="would-overwrite",
                    help=f"move {directory} away, then run the command again",
                )
        self._made.add(directory)

    def _remove(self, paths: Iterable[str]) -> None:
        parents = set()
        ground = Ground(self._root)
        for path in paths:
            if ground.blocker(path):
                continue
            try:
                os.unlink(os.path.join(self._root, path))
            except FileNotFoundError:
                continue
            parents.add(os.path.dirname(path))
        for parent in sorted(parents, key=len, reverse=True):
            self._remove_empty(parent)

    def _remove_empty_below(self, path: str) -> None:
        """A directory, if nothing but directories is in it."""
        for directory, _, _ in os.walk(os.path.join(self._root, path), topdown=False):
            os.rmdir(directory)

    def _remove_empty(self, directory: str) -> None:
        while directory:
            try:
                os.rmdir(os.path.join(self._root, directory))
            except OSError:
                return
            directory = os.path.dirname(directory)


def why_reserved(path: str) -> str | None:
    """Why no file may be written at `path`: it would make a repository whose settings run commands."""
    name = reserved(path)
    return None if name is None else f"its path is taken for {name}, a repository's own directory"


def _above(paths: Iterable[str]) -> set[str]:
    """All directories above: what is new in one may be another one."""
    found: set[str] = set()
    for path in paths:
        while path and (path := os.path.dirname(path)) not in found:
            found.add(path)
    return found


def _split_removals(
    remove: Sequence[str], write: Sequence[str], names: FoldedNames
) -> tuple[list[str], list[str]]:
    """Removals that must come before the writes (a file becomes a directory or the reverse), and the rest."""
    written = {names.key(path) for path in write}
    parents = {parent for path in written for parent in directories_above(path)}
    early: list[str] = []
    late: list[str] = []
    for path in remove:
        folded = names.key(path)
        inside = any(parent in written for parent in directories_above(folded))
        (early if folded in parents or inside else late).append(path)
    return early, late
