"""Xorbs and shards as clients make them, and a repository that takes them; and what a real client sent."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mvcd.errors import Failure
from mvcd.hub.spool import Spool, SpoolWriter
from mvcd.hub.xethash import BOOKEND, HashTree, chunk_hash, range_hash, swapped, xorb_hash
from mvcd.hub.xetshelf import XetShelf
from mvcd.hub.xettable import XetTable
from mvcd.hub.xetuploads import XetGate, XetUploads
from mvcd.store.memory_store import MemoryStore

RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/xet.json").read_text())
TAG = b"HFRepoMetaData\0" + bytes.fromhex("556967456a7b815783a5bdd95ccdd14aa9")


def recorded(name: str) -> bytes:
    return base64.b64decode(RECORDED[name])


def packed(data: bytes, scheme: int = 0, stored: bytes | None = None) -> bytes:
    """A chunk with its header."""
    stored = data if stored is None else stored
    lengths = [size.to_bytes(3, "little") for size in (len(stored), len(data))]
    return struct.pack("<B3sB3s", 0, lengths[0], scheme, lengths[1]) + stored


def xorb_of(chunks: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Its name and its body."""
    name = xorb_hash([(chunk_hash(chunk), len(chunk)) for chunk in chunks])
    return name, b"".join(map(packed, chunks))


@dataclass(frozen=True)
class Piece:
    """Chunks `start` to before `end` of a xorb of these chunks."""

    xorb: Sequence[bytes]
    start: int
    end: int

    @property
    def chunks(self) -> Sequence[bytes]:
        return self.xorb[self.start : self.end]


def entry(digest: bytes, *numbers: int) -> bytes:
    return digest + struct.pack("<IIII", *numbers, *[0] * (4 - len(numbers)))


def file_entries(
    pieces: Sequence[Piece], sha256: bytes | None = None, flags: int = 3 << 30
) -> bytes:
    """One file of a shard."""
    tree, content = HashTree(), hashlib.sha256()
    terms = proofs = b""
    for piece in pieces:
        for chunk in piece.chunks:
            tree.add(chunk_hash(chunk), len(chunk))
            content.update(chunk)
        size = sum(map(len, piece.chunks))
        terms += entry(xorb_of(piece.xorb)[0], 0, size, piece.start, piece.end)
        proofs += entry(range_hash(map(chunk_hash, piece.chunks)))
    head = entry(tree.file_hash(), flags, len(pieces))
    return head + terms + proofs + entry(swapped(sha256 or content.digest()))


def shard_of(*files: bytes) -> bytes:
    end = entry(BOOKEND)
    return TAG + struct.pack("<QQ", 2, 0) + b"".join(files) + end + end


class SpooledContents:
    """Contents that wait; `versions` has those of versions."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.versions: dict[str, bytes] = {}

    def has(self, sha256: str, *, keep: bool = True) -> bool:
        waits = self.spool.has(sha256) if keep else self.spool.size(sha256) is not None
        return sha256 in self.versions or waits

    def open(self, sha256: str) -> BinaryIO | None:
        if sha256 in self.versions:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who reads it
            file.write(self.versions[sha256])
            file.seek(0)
            return file  # type: ignore[return-value]
        with suppress(Failure):
            return self.spool.open(sha256)
        return None

    def put(self, sha256: str, size: int) -> SpoolWriter:
        return self.spool.put(sha256, size)


class Repository:
    """What Xet keeps of one repository, below a directory."""

    def __init__(self, directory: Path) -> None:
        self.now = time.time()  # spools date their files by the system's clock
        self.directory = directory
        self.store = MemoryStore()
        self.table = XetTable(self.store)
        self.shelf = XetShelf(str(directory / "xorbs"), lambda: self.now)
        self.contents = SpooledContents(Spool(str(directory / "spool"), lambda: self.now))
        self.restart()

    def restart(self, system: bytes = b"first run") -> None:
        gate = XetGate()
        self.uploads = XetUploads(
            gate, self.table, self.shelf, self.contents, system, lambda: self.now
        )
        self.era = self.uploads.era()

    def send_xorb(self, name: bytes, body: bytes) -> bool:
        with self.shelf.arriving(len(body), "a xorb") as file:
            file.write(body)
            return self.uploads.add_xorb(name, file, len(body))

    def send(self, *xorbs: Sequence[bytes]) -> None:
        for chunks in xorbs:
            self.send_xorb(*xorb_of(chunks))

    def send_shard(self, *files: bytes) -> None:
        self.uploads.add_shard(memoryview(shard_of(*files)))

    def waiting(self) -> list[str]:
        return sorted(path.name for path in (self.directory / "xorbs").glob("*"))

    def content(self, data: bytes) -> bytes | None:
        """What waits under the name of `data`."""
        file = self.contents.open(hashlib.sha256(data).hexdigest())
        if file is None:
            return None
        with file:
            return file.read()

    def commit(self, data: bytes) -> None:
        """Moves what waits into a version."""
        sha256 = hashlib.sha256(data).hexdigest()
        assert self.contents.spool.has(sha256)
        self.contents.versions[sha256] = data
        self.contents.spool.drop(sha256)


@contextmanager
def repository() -> Iterator[Repository]:
    with tempfile.TemporaryDirectory() as directory:
        yield Repository(Path(directory))
