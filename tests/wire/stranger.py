"""A client as a stranger would write it from proto/README.md and FORMAT.md: generated stubs, blake3, zstandard,
and a reader of records of its own. It imports nothing of mvcd but generated code.

It clones one branch into a directory: history by Log, then records level by level, each one checked.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc
import zstandard
from blake3 import blake3

from mvcd.objects.v1 import objects_pb2 as objects
from mvcd.wire.v1 import remote_pb2 as pb
from mvcd.wire.v1 import remote_pb2_grpc

HEAD = struct.Struct("<4sBBBBII32s")
CONTEXTS = {
    1: "mvc 2026-11-23 chunk",
    2: "mvc 2026-11-23 node",
    3: "mvc 2026-11-23 recipe",
    4: "mvc 2026-11-23 version",
}
RAW, ZSTD, FILL = 0, 1, 5
COMPONENTS = ("architecture", "weights", "hyperparameters", "data", "results")


def ids_of(packed: bytes) -> list[bytes]:
    return [packed[at : at + 32] for at in range(0, len(packed), 32)]


def decoded(codec: int, size: int, body: bytes) -> bytes:
    if codec == RAW:
        return body
    if codec == ZSTD:
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
    assert codec == FILL, f"codec {codec} is not for strangers in a hurry"
    return (body * (size // len(body) + 1))[:size]


def parsed(records: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(digest, raw bytes) of each record, its checksum, size and digest found right."""
    at = 0
    while at < len(records):
        magic, kind, codec, flags, zero, size, length, digest = HEAD.unpack_from(records, at)
        assert (magic, zero, flags) == (b"\x89OBJ", 0, 0), "not a record without a base"
        start = at + HEAD.size + 4
        (crc,) = struct.unpack_from("<I", records, start - 4)
        body = records[start : start + length]
        assert zlib.crc32(body, zlib.crc32(records[at : start - 4])) == crc
        raw = decoded(codec, size, body)
        assert len(raw) == size
        assert blake3(raw, derive_key_context=CONTEXTS[kind]).digest() == digest
        yield digest, raw
        at = start + length


class Stranger:
    """One clone: everything is kept in memory, which suits a test."""

    def __init__(self, target: str, repo: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._remote = remote_pb2_grpc.RemoteStub(self._channel)
        self._repo = repo
        self.raw: dict[bytes, bytes] = {}
        self.calls = 0
        self._recipes: set[bytes] = set()

    def close(self) -> None:
        self._channel.close()

    def clone(self, branch: str) -> list[bytes]:
        """Fetches all that a branch reaches; returns its versions, a child before its parents."""
        hello = self._remote.Hello(
            pb.HelloRequest(repo=self._repo, protocol_min=1, protocol_max=1), timeout=15
        )
        assert hello.protocol == 1 and hello.complete
        self._most = hello.limits.get_ids
        listed = self._remote.ListRefs(
            pb.ListRefsRequest(repo=self._repo, prefix=f"heads/{branch}"), timeout=15
        )
        (head,) = [ref.value[:32] for ref in listed.refs if ref.name == f"heads/{branch}"]
        versions = list(self._log(head))
        self._fetch(versions)
        records = [objects.Version.FromString(self.raw[id]) for id in versions]
        level = {c.root for v in records for c in self._components(v)}
        while level := self._expand(self._fetch(level)):
            pass
        return versions

    def files(self, version: bytes) -> Iterator[tuple[str, bytes]]:
        for component in self._components(objects.Version.FromString(self.raw[version])):
            for entry in self._entries(component.root):
                recipe = objects.Recipe.FromString(self.raw[entry.recipe])
                content = b"".join(map(self._content, recipe.segments))
                assert len(content) == recipe.size == entry.size
                yield entry.path, content

    def write(self, version: bytes, directory: Path) -> None:
        for path, content in self.files(version):
            place = directory / path
            assert place.resolve().is_relative_to(directory.resolve()), path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

    # ------------------------------------------------------------------ inside

    def _log(self, head: bytes) -> Iterator[bytes]:
        frontier = head
        while frontier:
            reply = self._remote.Log(pb.LogRequest(repo=self._repo, heads=frontier), timeout=60)
            yield from ids_of(reply.versions)
            frontier = reply.frontier

    def _fetch(self, ids: Iterable[bytes]) -> list[bytes]:
        """Gets what is not here yet; returns just that."""
        wanted = [id for id in dict.fromkeys(ids) if id not in self.raw]
        for at in range(0, len(wanted), self._most):
            request = pb.GetRequest(repo=self._repo, ids=b"".join(wanted[at : at + self._most]))
            self.calls += 1
            for reply in self._remote.Get(request, timeout=60):
                assert not reply.missing
                self.raw.update(parsed(reply.records))
        assert all(id in self.raw for id in wanted)
        return wanted

    def _expand(self, ids: list[bytes]) -> set[bytes]:
        """What the nodes and recipes among these name. A chunk names nothing, and is asked for by whoever
        expands its parent, so it never comes here."""
        below: set[bytes] = set()
        chunks: set[bytes] = set()
        for id in ids:
            if id in self._recipes:
                for segment in objects.Recipe.FromString(self.raw[id]).segments:
                    chunks.update(ids_of(segment.chunks.ids))
                    if segment.HasField("root"):
                        below.add(segment.root.node)
                continue
            node = objects.Node.FromString(self.raw[id])
            body = node.WhichOneof("body")
            if body == "chunk_leaf":
                chunks.update(ids_of(node.chunk_leaf.ids))
            elif body == "entry_leaf":
                recipes = [entry.recipe for entry in node.entry_leaf.entries]
                self._recipes.update(recipes)
                below.update(recipes)
            else:
                below.update(ids_of(getattr(node, body).ids))
        self._fetch(chunks)
        return below

    @staticmethod
    def _components(version: objects.Version) -> list[objects.Component]:
        return [getattr(version, c) for c in COMPONENTS if version.HasField(c)]

    def _entries(self, node_id: bytes) -> Iterator[objects.Entry]:
        node = objects.Node.FromString(self.raw[node_id])
        if node.HasField("entry_leaf"):
            yield from node.entry_leaf.entries
        for child in ids_of(node.entry_branch.ids):
            yield from self._entries(child)

    def _content(self, segment: objects.Segment) -> bytes:
        which = segment.WhichOneof("content")
        if which == "literal":
            return segment.literal
        if which == "chunks":
            return b"".join(self.raw[id] for id in ids_of(segment.chunks.ids))
        return b"".join(self._below(segment.root.node))

    def _below(self, node_id: bytes) -> Iterator[bytes]:
        node = objects.Node.FromString(self.raw[node_id])
        if node.HasField("chunk_leaf"):
            yield from (self.raw[id] for id in ids_of(node.chunk_leaf.ids))
        for child in ids_of(node.chunk_branch.ids):
            yield from self._below(child)
