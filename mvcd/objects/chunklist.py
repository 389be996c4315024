"""Chunk lists as hash-cut trees: how their nodes are written and read (TREE.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mvcd.ids import ChunkId, NodeId
from mvcd.objects import messages as pb
from mvcd.objects.canonical import corrupt, decode, encode, split_ids
from mvcd.objects.tree import MAX_MEAN_TIMES, Child, Fetch, Node, check_branch, open_node

MAX_CHUNK_BYTES = 1 << 20
"""Raw bytes of the largest chunk a list may name; the cutters stay far below."""

Chunk = tuple[ChunkId, int]
"""A chunk's id and its raw bytes."""


class ChunkList:
    """The form of chunk lists. A mean of 256 entries makes nodes of about 9 KiB: one changed chunk rewrites
    20-30 KiB, and 16 million chunks (1 TiB) are three levels."""

    mean = 256

    def key(self, item: Chunk) -> bytes:
        return item[0]

    def child_key(self, child: Child) -> bytes:
        return child.node

    def point(self, key: bytes) -> int:
        return int.from_bytes(key[:8], "little")  # ids are uniform already

    def points(self, keys: Sequence[bytes]) -> list[int]:
        return [self.point(key) for key in keys]

    def total(self, items: Sequence[Chunk]) -> tuple[int, str]:
        return sum(size for _, size in items), ""

    def encode_leaf(self, items: Sequence[Chunk]) -> bytes:
        leaf = pb.ChunkLeaf(ids=b"".join([i for i, _ in items]), sizes=[size for _, size in items])
        return encode(pb.Node(chunk_leaf=leaf))

    def encode_branch(self, level: int, children: Sequence[Child]) -> bytes:
        branch = pb.ChunkBranch(
            level=level,
            ids=b"".join([c.node for c in children]),
            sizes=[c.size for c in children],
            counts=[c.count for c in children],
        )
        return encode(pb.Node(chunk_branch=branch))

    def decode(self, data: bytes) -> Node[Chunk]:
        return self.read(decode(pb.Node, data))

    def read(self, message: pb.Node) -> Node[Chunk]:
        """Raises CorruptObject unless the message is a legal node of a chunk list."""
        try:
            match message.WhichOneof("body"):
                case "chunk_leaf":
                    leaf = message.chunk_leaf
                    return Node(0, self._read_chunks(leaf), ())
                case "chunk_branch":
                    branch = message.chunk_branch
                    return Node(branch.level, (), self._read_children(branch))
        except ValueError as error:
            raise corrupt("a chunk list's node", str(error)) from error
        raise corrupt("a chunk list's node", "it is of another kind")

    def _read_chunks(self, leaf: pb.ChunkLeaf) -> list[Chunk]:
        ids, sizes, most = (
            split_ids(ChunkId, leaf.ids),
            list(leaf.sizes),
            self.mean * MAX_MEAN_TIMES,
        )
        if not 1 <= len(ids) <= most or len(ids) != len(sizes):
            raise ValueError(
                f"{len(ids)} chunks and {len(sizes)} sizes, where 1 to {most} are legal"
            )
        if min(sizes) < 1 or max(sizes) > MAX_CHUNK_BYTES:
            raise ValueError(f"a chunk's size is not in 1..{MAX_CHUNK_BYTES}")
        return list(zip(ids, sizes, strict=True))

    def _read_children(self, branch: pb.ChunkBranch) -> list[Child]:
        ids, sizes, counts = split_ids(NodeId, branch.ids), list(branch.sizes), list(branch.counts)
        check_branch(branch.level, len(ids), self.mean, sizes, counts)
        if any(size < count for size, count in zip(sizes, counts, strict=True)):
            raise ValueError("a child has more chunks than bytes")
        below = branch.level - 1
        return [Child(*row, "") for row in zip(ids, [below] * len(ids), sizes, counts, strict=True)]


CHUNK_LIST = ChunkList()


def chunks_from(root: Node[Chunk], fetch: Fetch, start: int) -> Iterator[tuple[int, Chunk]]:
    """(offset, chunk) in order, from the chunk that contains byte `start` on; reads only nodes on the way.

    Raises CorruptObject, and what `fetch` raises.
    """
    node, offset = root, 0
    ahead: list[tuple[int, Child]] = []  # nodes still to read with their offsets, the next one last
    while True:
        for chunk in node.items:
            if offset + chunk[1] > start:
                yield offset, chunk
            offset += chunk[1]
        below = []
        for child in node.children:
            if offset + child.size > start:
                below.append((offset, child))
            offset += child.size
        ahead.extend(reversed(below))
        if not ahead:
            return
        offset, child = ahead.pop()
        node = open_node(CHUNK_LIST, child, fetch)
