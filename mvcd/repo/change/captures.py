"""Captures: complete states that were taken out of a program's reach, and wait to be made versions.

`.mvc/captures/` has a directory for each, in the order in which they were taken (CAPTURES.md):

    held-00000012/    complete by its rule, but perhaps not finished: not a version yet
    00000012/         to become a version; `capture.json` says of what, `0`, `1`, ... hold the files
    reader.lock       held (flock) by the process that makes versions of them

A directory gets its final name by one rename when it is whole, and is removed when its version is durable.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from blake3 import blake3

from mvcd.disk.renames import move
from mvcd.disk.replace import replace_file
from mvcd.errors import CorruptObject
from mvcd.ids import VersionId
from mvcd.repo.core.location import Location
from mvcd.repo.ondisk.keeping import Changed, FileKeeper, Kept
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.records.refs import HeadValue

FORMAT = 1
DOCUMENT = "capture.json"
READER_LOCK = "reader.lock"
_HELD = "held-"
_MAX_DOCUMENT_BYTES = 256 << 20
_STEP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """One file of a capture: path from the root, its stats when it was taken, and what holds its bytes."""

    path: str
    stat: FileStat
    kept: Kept
    at: str = ""  # name in the capture's directory; "" where it is read in place
    digest: str = ""  # hex, of a copy's bytes: nothing is flushed, and a power cut may tear them


@dataclass(frozen=True, slots=True)
class TakenSet:
    """What belongs together: all of it becomes part of the version, or nothing."""

    name: str
    files: tuple[Taken, ...] = ()
    gone: tuple[str, ...] = ()
    sure: bool = False  # complete by a rule, a format or a block, so that to lose it is a miss
    log: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class Maker:
    """The process that wrote the files, as far as it is known."""

    command: tuple[str, ...] = ()
    python: str = ""
    directory: str = ""


@dataclass(frozen=True, slots=True)
class Capture:
    """`head` is where HEAD was, `base` the version there; times in microseconds since the epoch."""

    number: int
    taken_us: int
    head: HeadValue
    base: VersionId
    sets: tuple[TakenSet, ...] = ()
    author: str = ""
    maker: Maker = field(default_factory=Maker)
    ahead: int = 0  # captures that waited when it was taken

    @property
    def files(self) -> Iterator[Taken]:
        return (file for found in self.sets for file in found.files)

    @property
    def gone(self) -> list[str]:
        return [path for found in self.sets for path in found.gone]

    @property
    def names(self) -> list[str]:
        return [found.name for found in self.sets]

    @property
    def bytes(self) -> int:
        return sum(file.stat.size for file in self.files)

    def without(self, names: Iterable[str]) -> Capture:
        dropped = set(names)
        return replace(self, sets=tuple(s for s in self.sets if s.name not in dropped))


class Captures:
    """The captures of one workspace. Numbers only grow while one is there."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.directory = os.path.join(Location(root).directory, "captures")
        self._keeper = FileKeeper()

    # ---------------------------------------------------------------- taking

    def hold(
        self,
        capture: Capture,
        sets: Iterable[tuple[TakenSet, Mapping[str, FileStat]]],
        *,
        rewritten: Iterable[str] = (),
        in_place: Iterable[str] = (),
    ) -> Capture:
        """Takes the files of `sets` (stats by path) out of reach; a capture that is held, not queued.

        `rewritten` are paths that are rewritten in place, `in_place` those to be read where they lie. Raises
        Changed when a file is not as its stat says; nothing is held then.
        """
        place = self.place(capture, held=True)
        os.makedirs(place, mode=0o700)
        again, here = set(rewritten), set(in_place)
        try:
            taken, number = [], 0
            for found, stats in sets:
                files = []
                for path, stat in stats.items():
                    at, kept = "", Kept.NONE
                    if path not in here:
                        at = str(number)
                        kept, stat = self._keeper.keep(  # noqa: PLW2901 - a link changes it
                            os.path.join(self._root, path), os.path.join(place, at), stat,
                            rewritten=path in again,
                        )  # fmt: skip
                        number += 1
                    digest = digest_of(os.path.join(place, at)) if kept is Kept.COPY else ""
                    files.append(Taken(path, stat, kept, "" if kept is Kept.NONE else at, digest))
                taken.append(replace(found, files=tuple(files)))
            capture = replace(capture, sets=tuple(taken))
            self._write(place, capture)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return capture

    def queue(self, capture: Capture) -> None:
        """A held capture, as it is now (more may be gone than when it was held), is to become a version."""
        held = self.place(capture, held=True)
        self._write(held, capture)
        move(held, self.place(capture))

    def rewrite(self, capture: Capture, *, held: bool = False) -> None:
        """A capture whose files are as they were, with other words around them."""
        self._write(self.place(capture, held=held), capture)

    def drop(self, capture: Capture, *, held: bool = False) -> None:
        shutil.rmtree(self.place(capture, held=held), ignore_errors=True)

    # ---------------------------------------------------------------- looking

    def queued(self) -> list[Capture]:
        """In the order in which they were taken. What a power cut left without a whole document is removed.

        Raises OSError when one cannot be read now: what comes after it must not become a version first.
        """
        return list(self._load(""))

    def held(self) -> list[Capture]:
        return list(self._load(_HELD))

    def place(self, capture: Capture, *, held: bool = False) -> str:
        return os.path.join(self.directory, f"{_HELD if held else ''}{capture.number:08d}")

    def _names(self) -> list[str]:
        with contextlib.suppress(OSError):
            return sorted(os.listdir(self.directory))
        return []

    def _load(self, prefix: str) -> Iterator[Capture]:
        for name in self._names():
            if not _numbered(name) or name.startswith(_HELD) != bool(prefix):
                continue
            place = os.path.join(self.directory, name)
            try:
                yield _read(place)
            except FileNotFoundError:
                if os.path.isdir(place):
                    shutil.rmtree(place, ignore_errors=True)
            except CorruptObject:
                shutil.rmtree(place, ignore_errors=True)

    def _write(self, place: str, capture: Capture) -> None:
        text = json.dumps(_document(capture), ensure_ascii=False, separators=(",", ":"))
        content = text.encode("utf-8", "surrogateescape")
        # A capture that a power cut tears is dropped, and what it held is taken again.
        replace_file(os.path.join(place, DOCUMENT), content, durable=False)


def digest_of(path: str) -> str:
    """Hex BLAKE3 of a copy's bytes, or of a link's text: 0.3 ms for 1 MiB. Raises OSError."""
    if os.path.islink(path):
        return blake3(os.fsencode(os.readlink(path))).hexdigest()
    hasher = blake3()
    with open(path, "rb", buffering=0) as file:
        while data := file.read(_STEP_BYTES):
            hasher.update(data)
    return str(hasher.hexdigest())


def in_directory(paths: Iterable[str], directory: str) -> bool:
    """Whether one of the paths is at or below `directory` ("" is the root)."""
    return any(not directory or p == directory or p.startswith(directory + "/") for p in paths)


def _numbered(name: str) -> bool:
    return name.removeprefix(_HELD).isdigit()


# -------------------------------------------------------------------- the document


def _document(capture: Capture) -> dict[str, Any]:
    return {
        "format": FORMAT, "number": capture.number, "taken_us": capture.taken_us,
        "head": capture.head.branch, "version": (capture.head.version or b"").hex(),
        "base": capture.base.hex(), "author": capture.author, "ahead": capture.ahead,
        "command": list(capture.maker.command), "python": capture.maker.python,
        "directory": capture.maker.directory,
        "sets": [
            {
                "name": s.name, "sure": s.sure, "log": s.log, "message": s.message,
                "gone": list(s.gone),
                "files": [[f.path, f.at, f.kept.value, *map(int, f.stat)] for f in s.files],
                "digests": [f.digest for f in s.files],
            }
            for s in capture.sets
        ],
    }  # fmt: skip


def _read(place: str) -> Capture:
    """Raises CorruptObject for what a power cut left, OSError for what cannot be read now and may be whole."""
    path = os.path.join(place, DOCUMENT)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            found = json.loads(file.read(_MAX_DOCUMENT_BYTES))
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}")
        version = VersionId(bytes.fromhex(found["version"])) if found["version"] else None
        return Capture(
            int(found["number"]),
            int(found["taken_us"]),
            HeadValue(found["head"], version),
            VersionId(bytes.fromhex(found["base"])),
            tuple(map(_set, found["sets"])),
            str(found["author"]),
            Maker(tuple(found["command"]), found["python"], found["directory"]),
            int(found["ahead"]),
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise CorruptObject(f"{path} cannot be read", cause=str(error)) from None


def _set(found: Mapping[str, Any]) -> TakenSet:
    digests = found.get("digests") or [""] * len(found["files"])
    files = tuple(map(_taken, found["files"], digests))
    return TakenSet(
        found["name"], files, tuple(found["gone"]), bool(found["sure"]), bool(found["log"]),
        found["message"],
    )  # fmt: skip


def _taken(row: Sequence[Any], digest: str) -> Taken:
    path, at, kept, size, mtime, ctime, inode, executable, link = row
    stat = FileStat(size, mtime, ctime, inode, bool(executable), bool(link))
    return Taken(path, stat, Kept(kept), at, digest)


__all__ = [
    "Capture",
    "Captures",
    "Changed",
    "Kept",
    "Maker",
    "Taken",
    "TakenSet",
    "in_directory",
]
