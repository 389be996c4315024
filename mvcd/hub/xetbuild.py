"""Files of a shard, made of chunks of xorbs: of waiting bodies, or of contents that were made of them before.

A file is looked at twice: `check` compares all that the shard says with what is known of the xorbs and
reads no content; `pieces` reads the content, and compares each chunk with its hash.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Generic, Protocol, Self, TypeVar

from mvcd.errors import Failure, UsageError
from mvcd.hub.xethash import HashTree, chunk_hash, is_asked_for, range_hash, to_hex
from mvcd.hub.xetshard import ShardFile, Term
from mvcd.hub.xetshelf import XetShelf
from mvcd.hub.xettable import Run, XetTable
from mvcd.hub.xetxorb import Xorb, read_chunk
from mvcd.ids import Bytes

MAX_SHARD_CHUNKS = 64 << 20
"""Chunks of all files of a shard: 4 TiB, over whose hashes a tree is made in 6 minutes."""
MAX_ASKED_CHUNKS = 4096
"""Chunks of one file by which it is found; of 16 GiB about 256 are."""
_XORBS, _BODIES, _CONTENTS = 16, 8, 4

T = TypeVar("T")


class ContentReader(Protocol):
    """Whole contents by their SHA-256: those that wait for a commit, and those of versions."""

    def has(self, sha256: str, *, keep: bool = True) -> bool: ...
    def open(self, sha256: str) -> BinaryIO | None: ...


@dataclass
class Examined:
    """What one look at a file's terms tells. `asked` has the xorbs of chunks that clients ask for; `placed`
    says that its content is here already, just as the terms have it."""

    size: int = 0
    first: bytes = b""
    asked: dict[bytes, bytes] = field(default_factory=dict)
    xorbs: dict[bytes, None] = field(default_factory=dict)
    placed: bool = True


class XetLost(Failure):
    """A xorb that a client may rely on is not here any more, or is damaged. `xorb` is its hash."""

    def __init__(self, xorb: bytes, cause: str) -> None:
        super().__init__(
            f"the xorb {to_hex(xorb)} is not here",
            kind="xet-lost",
            cause=cause,
            help="upload again: all of it is sent then",
        )
        self.xorb = xorb


class XetBuilder:
    """Makes the files of one shard. Not for several threads at once; leave the block to close what it reads."""

    def __init__(self, table: XetTable, shelf: XetShelf, contents: ContentReader) -> None:
        self._table = table
        self._contents = contents
        self._chunks = 0
        self._xorbs = _Latest(_XORBS, table.xorb)
        self._bodies = _Latest(_BODIES, shelf.open, _close)
        self._runs = _Latest(_XORBS, table.runs)
        self._opened = _Latest(_CONTENTS, lambda sha256: contents.open(sha256.hex()), _close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for kept in (self._bodies, self._opened):
            kept.clear()

    def examine(self, file: ShardFile) -> Examined:
        """Looks up what the file is made of, and how much of it is here. Raises XetLost."""
        found = Examined()
        for term in file.terms():
            xorb = self._known(term.xorb)
            found.xorbs[term.xorb] = None
            found.first = found.first or xorb.chunk_hash(term.start)
            for digest, _ in xorb.chunks(term.start, term.end):
                if len(found.asked) < MAX_ASKED_CHUNKS and is_asked_for(digest):
                    found.asked[digest] = term.xorb
            found.placed = found.placed and self._is_placed(term, xorb, file.sha256, found.size)
            found.size += term.size
        found.placed = found.placed and self._contents.has(file.sha256.hex())
        return found

    def pieces(self, file: ShardFile) -> Iterator[Bytes]:
        """The content of a file that was checked, chunk by chunk. Raises XetLost."""
        for term in file.terms():
            xorb = self._known(term.xorb)
            body = self._bodies.get(term.xorb)
            if body is not None:
                yield from _from_body(term, xorb, body)
            else:
                yield from self._from_contents(term, xorb)

    def check(self, file: ShardFile) -> None:
        """Compares all that the shard says of a file with what is known of the xorbs. Raises
        UsageError(kind="xet-shard") where it is not the truth, XetLost."""
        tree = HashTree()
        for term in file.terms():
            self._chunks += term.end - term.start
            if self._chunks > MAX_SHARD_CHUNKS:
                raise _untrue(f"its files have more than {MAX_SHARD_CHUNKS:,} chunks")
            for digest, size in self._checked(term).chunks(term.start, term.end):
                tree.add(digest, size)
        if tree.file_hash() != file.name:
            raise _untrue(f"the terms of file {to_hex(file.name)} make another")

    def _known(self, name: bytes) -> Xorb:
        xorb = self._xorbs.get(name)
        if xorb is None:
            raise XetLost(name, "it was never sent, or it waited too long for a file")
        return xorb

    def _checked(self, term: Term) -> Xorb:
        xorb = self._known(term.xorb)
        if term.end > len(xorb):
            raise _untrue(f"xorb {to_hex(term.xorb)} has {len(xorb)} chunks, not {term.end}")
        if term.size != xorb.starts[term.end] - xorb.starts[term.start]:
            raise _untrue(
                f"chunks {term.start} to {term.end} of xorb {to_hex(term.xorb)} have another size"
            )
        if term.proof != range_hash(digest for digest, _ in xorb.chunks(term.start, term.end)):
            raise _untrue("a range hash is not that of the chunks")
        return xorb

    def _is_placed(self, term: Term, xorb: Xorb, sha256: bytes, offset: int) -> bool:
        return any(
            run.sha256 == sha256
            and run.start <= term.start
            and term.end <= run.end
            and run.offset + xorb.starts[term.start] - xorb.starts[run.start] == offset
            for run in self._runs.get(term.xorb)
        )

    def _from_contents(self, term: Term, xorb: Xorb) -> Iterator[Bytes]:
        runs = self._runs.get(term.xorb)[::-1]
        run: Run | None = None
        for index, (digest, size) in enumerate(xorb.chunks(term.start, term.end), term.start):
            if run is None or not run.start <= index < run.end:
                run = self._run_of(index, runs)
            content = None if run is None else self._opened.get(run.sha256)
            if run is None or content is None:
                raise XetLost(term.xorb, "the file that held its chunks is not here any more")
            content.seek(run.offset + xorb.starts[index] - xorb.starts[run.start])
            data = content.read(size)
            if chunk_hash(data) != digest:
                raise XetLost(term.xorb, f"chunk {index} is not where it was noted")
            yield data

    def _run_of(self, index: int, runs: list[Run]) -> Run | None:
        fitting = (run for run in runs if run.start <= index < run.end)
        return next((run for run in fitting if self._opened.get(run.sha256) is not None), None)


def _from_body(term: Term, xorb: Xorb, body: BinaryIO) -> Iterator[Bytes]:
    body.seek(xorb.body_offset(term.start))
    for index, (digest, _) in enumerate(xorb.chunks(term.start, term.end), term.start):
        try:
            data = read_chunk(body)
        except UsageError as error:
            raise XetLost(term.xorb, f"its body was damaged here: {error.cause}") from None
        if chunk_hash(data) != digest:
            raise XetLost(term.xorb, f"chunk {index} of its body was damaged here")
        yield data


class _Latest(Generic[T]):
    """The answers that were asked for last; `let_go` is told of those that are forgotten."""

    def __init__(
        self, most: int, make: Callable[[bytes], T], let_go: Callable[..., None] | None = None
    ) -> None:
        self._most, self._make, self._let_go = most, make, let_go
        self._kept: OrderedDict[bytes, T] = OrderedDict()

    def get(self, key: bytes) -> T:
        if key not in self._kept:
            self._kept[key] = self._make(key)
            if len(self._kept) > self._most:
                self._forget(self._kept.popitem(last=False)[1])
        self._kept.move_to_end(key)
        return self._kept[key]

    def clear(self) -> None:
        while self._kept:
            self._forget(self._kept.popitem()[1])

    def _forget(self, gone: T) -> None:
        if self._let_go is not None and gone is not None:
            self._let_go(gone)


def _untrue(why: str) -> UsageError:
    return UsageError("the shard does not tell the truth", kind="xet-shard", cause=why)


def _close(file: BinaryIO) -> None:
    file.close()
