"""Entries: one file of a component, the rules of its path, and how manifests are written as trees."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise

from blake3 import blake3

from mvcd.ids import NodeId, RecipeId
from mvcd.lateclasses import NamedTuple
from mvcd.objects import _small
from mvcd.objects import messages as pb
from mvcd.objects.canonical import U64_MAX, corrupt, decode, encode, split_ids
from mvcd.objects.reserved import reserved
from mvcd.objects.tree import MAX_MEAN_TIMES, Child, Node, check_branch

MAX_PATH_BYTES = 4096
"""UTF-8 bytes; PATH_MAX of Linux."""

MAX_FILE_BYTES = 16 << 40
"""Raw bytes of a file that may come from others: the most that ext4 holds. Formats allow more, and a few
hundred bytes of lists that name each other can claim anything."""
MAX_VERSION_BYTES = 64 << 40
"""Raw bytes of the files of a version that may."""


class Mode(IntEnum):
    """What an entry is; the numbers are part of the format."""

    FILE = 0
    EXECUTABLE = 1
    SYMLINK = 2


_MODES = tuple(Mode)  # Mode(n) takes 1 us, an index a tenth


class Entry(NamedTuple):
    """A file: `path` relative with '/', `size` in raw bytes, equal to the recipe's. A tuple, since one is made
    for each file a verb looks at: that takes a third of the time of a frozen dataclass."""

    path: str
    mode: Mode
    size: int
    recipe: RecipeId


def check_path(path: str) -> None:
    """Raises ValueError with one clear line unless an entry may be made or written at this path.

    It cannot leave its directory, be or hold a repository's metadata (reserved.py), or differ from itself after
    normalising. That no path is both a file and a directory is a matter of several entries and not judged here.
    """
    check_known_path(path)
    name = reserved(path)
    if name is not None:
        raise ValueError(f"path {path!r} is taken for {name}, a repository's own directory")


def check_known_path(path: str) -> None:
    """Checks a path like `check_path`, but for reading only: versions that were made before `.mvc` was refused
    at every depth, in every spelling, stay readable. Code that writes files asks `reserved` of each of their
    paths."""
    if "/." in path or path[:1] in {"", ".", "/"} or "//" in path or path[-1] == "/":
        _check_parts(path)
    if "\0" in path:
        raise ValueError(f"path {path!r} contains a NUL")
    if len(path) * 4 > MAX_PATH_BYTES or not path.isascii():
        try:
            length = len(path.encode())
        except UnicodeEncodeError:
            raise ValueError(f"path {path!r} is not UTF-8") from None
        if length > MAX_PATH_BYTES:
            raise ValueError(f"path {path[:40]!r}… has {length} bytes, more than {MAX_PATH_BYTES}")


def _check_parts(path: str) -> None:
    """The rules that only paths with a dot or a doubtful slash can break; one path in a hundred has."""
    if not path:
        raise ValueError("a path is empty")
    if path[0] == "/":
        raise ValueError(f"path {path!r} is not relative")
    if path[-1] == "/":
        raise ValueError(f"path {path!r} ends with '/'")
    parts = path.split("/")
    if parts[0].lower() == ".mvc":
        raise ValueError(f"path {path!r} is inside the repository itself")
    for part in parts:
        if part in {"", ".", ".."}:
            raise ValueError(f"path {path!r} has an empty, '.' or '..' part")


class PathMap:
    """The form of manifests. With 40-byte paths, a mean of 96 entries makes nodes of about 8 KiB. Only the
    path decides where a node ends, so that a changed file never moves a cut."""

    mean = 96

    def key(self, item: Entry) -> bytes:
        return item.path.encode()

    def child_key(self, child: Child) -> bytes:
        return child.last.encode()

    def point(self, key: bytes) -> int:
        return int.from_bytes(blake3(key).digest()[:8], "little")

    def points(self, keys: Sequence[bytes]) -> list[int]:
        return _small.points(keys)

    def total(self, items: Sequence[Entry]) -> tuple[int, str]:
        return sum([entry.size for entry in items]), items[-1].path

    def encode_leaf(self, items: Sequence[Entry]) -> bytes:
        message = pb.Node()
        add = message.entry_leaf.entries.add
        for entry in items:
            add(path=entry.path, mode=int(entry.mode), size=entry.size, recipe=entry.recipe)
        return encode(message)

    def encode_branch(self, level: int, children: Sequence[Child]) -> bytes:
        branch = pb.EntryBranch(
            level=level,
            ids=b"".join([c.node for c in children]),
            last_paths=[c.last for c in children],
            sizes=[c.size for c in children],
            counts=[c.count for c in children],
        )
        return encode(pb.Node(entry_branch=branch))

    def decode(self, data: bytes) -> Node[Entry]:
        return self.read(decode(pb.Node, data))

    def read(self, message: pb.Node) -> Node[Entry]:
        """Raises CorruptObject unless the message is a legal node of a manifest."""
        try:
            match message.WhichOneof("body"):
                case "entry_leaf":
                    return Node(0, self._read_entries(message.entry_leaf), ())
                case "entry_branch":
                    branch = message.entry_branch
                    return Node(branch.level, (), self._read_children(branch))
        except ValueError as error:
            raise corrupt("a manifest's node", str(error)) from error
        raise corrupt("a manifest's node", "it is of another kind")

    def _read_entries(self, leaf: pb.EntryLeaf) -> list[Entry]:
        rows = [(e.path, e.mode, e.size, e.recipe) for e in leaf.entries]
        if not 1 <= len(rows) <= self.mean * MAX_MEAN_TIMES:
            raise ValueError(f"a leaf has {len(rows)} entries")
        _check_order([row[0] for row in rows])
        modes, new = _MODES, bytes.__new__
        if any(len(row[3]) != 32 or not 0 <= row[1] < len(modes) for row in rows):
            raise ValueError("an entry's recipe id or mode is illegal")
        if sum([row[2] for row in rows]) > U64_MAX:
            raise ValueError("the sizes' sum is out of range")
        return [Entry(path, modes[mode], size, new(RecipeId, id)) for path, mode, size, id in rows]

    def _read_children(self, branch: pb.EntryBranch) -> list[Child]:
        ids, lasts = split_ids(NodeId, branch.ids), list(branch.last_paths)
        sizes, counts = list(branch.sizes), list(branch.counts)
        check_branch(branch.level, len(ids), self.mean, sizes, counts)
        if len(lasts) != len(ids):
            raise ValueError(f"{len(ids)} children and {len(lasts)} last paths")
        _check_order(lasts)
        levels = [branch.level - 1] * len(ids)
        after = ["", *lasts[:-1]]
        return [Child(*row) for row in zip(ids, levels, sizes, counts, lasts, after, strict=True)]


PATH_MAP = PathMap()


def _check_order(paths: Sequence[str]) -> None:
    """Raises ValueError unless the paths are legal and strictly ascend. Python compares code points, which
    for text without surrogates is the order of its UTF-8 bytes."""
    for path in paths:
        check_known_path(path)
    if any(a >= b for a, b in pairwise(paths)):
        raise ValueError("paths are not in strictly ascending order")
