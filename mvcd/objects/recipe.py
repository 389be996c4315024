"""Recipes: the content of one file as an ordered list of segments.

A segment is a run of plain bytes or exactly one tensor's data. How it is held follows from its size alone:
up to 128 bytes in the recipe itself, up to 16 chunks as an inline list, more as a hash-cut tree of nodes
(TREE.md). So equal content has one form, `content_key` tells whether a tensor changed without reading
data, and a tensor keeps its identity when it moves to another file.

Building and reading stream: a `SegmentBuilder` holds one open node per level, `parts` one node per level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from mvcd.ids import ChunkId, NodeId
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.objects import _small
from mvcd.objects import messages as pb
from mvcd.objects.canonical import U64_MAX, corrupt, decode, encode, split_ids
from mvcd.objects.chunklist import CHUNK_LIST, MAX_CHUNK_BYTES, Chunk, chunks_from
from mvcd.objects.tree import Fetch, Node, Sink, TreeBuilder, open_root

LITERAL_BYTES = 128
"""Bytes; a segment up to this size is held in the recipe."""

INLINE_CHUNKS = 16
"""A segment of up to this many chunks lists them in the recipe."""


class Tensor(NamedTuple):
    """What a segment's bytes mean. `dtype` in safetensors' names (BF16, F32, ...)."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TreeRef:
    """A hash-cut tree of `count` chunks, `size` raw bytes together."""

    node: NodeId
    size: int
    count: int


class ChunkRun(NamedTuple):
    """Consecutive chunks and their raw bytes. A tuple, as all that is made for each of many small files."""

    ids: tuple[ChunkId, ...]
    sizes: tuple[int, ...]


class Segment(NamedTuple):
    content: bytes | ChunkRun | TreeRef
    tensor: Tensor | None = None

    @property
    def size(self) -> int:
        """Raw bytes."""
        match self.content:
            case ChunkRun(sizes=sizes):
                return sum(sizes)
            case TreeRef(size=size):
                return size
            case literal:
                return len(literal)

    @property
    def content_key(self) -> tuple[str, bytes]:
        """Equal for equal bytes cut alike, and only for these; reads nothing."""
        match self.content:
            case ChunkRun(ids=ids):
                return "chunks", b"".join(ids)
            case TreeRef(node=node):
                return "tree", bytes(node)
            case literal:
                return "literal", literal


class Recipe(NamedTuple):
    """`size` raw bytes as `segments` in file order. `format` names the reader that found the tensors. A tuple,
    as all that is made for each of many small files."""

    size: int
    format: str
    segments: tuple[Segment, ...]

    def encode(self) -> bytes:
        """Canonical bytes. Raises ValueError if a rule of the schema is broken or if they exceed 1 MiB
        (some hundred thousand tiny tensors): such a file is stored as plain bytes instead."""
        self._check()
        message = pb.Recipe(size=self.size, format=self.format)
        for segment in self.segments:
            _write_segment(segment, message.segments.add())
        return encode(message)

    @classmethod
    def decode(cls, data: bytes) -> Recipe:
        """Raises CorruptObject unless `data` is the canonical form of a legal recipe."""
        return cls.read(decode(pb.Recipe, data))

    @classmethod
    def decode_many(cls, recipes: Sequence[bytes]) -> list[Recipe]:
        """`decode` of each. Those of small files, of which there are many, take a fifth of the time."""
        return [
            cls.decode(data) if part is None else _recipe((part.size, "", (_only_segment(part),)))
            for data, part in zip(recipes, only_parts(recipes), strict=True)
        ]

    @classmethod
    def read(cls, message: pb.Recipe) -> Recipe:
        """Raises CorruptObject unless the message is a legal recipe."""
        try:
            segments = tuple(map(_read_segment, message.segments))
            recipe = cls(message.size, message.format, segments)
            recipe._check()
        except ValueError as error:
            raise corrupt("a recipe", str(error)) from error
        return recipe

    def tensors(self) -> dict[str, Segment]:
        """The segments that are tensors by name, in file order."""
        return {s.tensor.name: s for s in self.segments if s.tensor is not None}

    def _check(self) -> None:
        total = sum(map(_checked_size, self.segments))
        if total != self.size:
            raise ValueError(f"the segments have {total} bytes, the recipe says {self.size}")
        names = [s.tensor.name for s in self.segments if s.tensor is not None]
        if len(set(names)) < len(names):
            raise ValueError("two tensors have the same name")


def literal_segment(data: bytes, tensor: Tensor | None = None) -> Segment:
    """A segment that holds its bytes itself: 1 to LITERAL_BYTES, or none for a tensor without elements.

    Raises ValueError for any other length.
    """
    segment = Segment(bytes(data), tensor)
    _checked_size(segment)
    return segment


class SegmentBuilder:
    """Collects one segment's chunks in order. Nodes of long lists leave through `sink` as they fill up."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._inline: list[Chunk] = []
        self._tree: TreeBuilder[Chunk] | None = None

    def add(self, chunk_id: ChunkId, size: int) -> None:
        """`size` in raw bytes. Raises ValueError unless 1 to MAX_CHUNK_BYTES."""
        if not 1 <= size <= MAX_CHUNK_BYTES:
            raise ValueError(f"a chunk has 1 to {MAX_CHUNK_BYTES} bytes, not {size}")
        if self._tree is not None:
            self._tree.add((chunk_id, size))
            return
        self._inline.append((chunk_id, size))
        if len(self._inline) > INLINE_CHUNKS:
            self._tree = TreeBuilder(CHUNK_LIST, self._sink)
            for chunk in self._inline:
                self._tree.add(chunk)
            self._inline.clear()

    def finish(self, tensor: Tensor | None = None) -> Segment:
        """The segment; the builder is used up. Raises ValueError for up to LITERAL_BYTES bytes, which
        `literal_segment` holds."""
        content: ChunkRun | TreeRef
        root = self._tree.finish() if self._tree is not None else None
        if root is not None:
            content = TreeRef(root.node, root.size, root.count)
        else:
            ids, sizes = [i for i, _ in self._inline], [size for _, size in self._inline]
            content = ChunkRun(tuple(ids), tuple(sizes))
        segment = Segment(content, tensor)
        _checked_size(segment)
        return segment


class Part(NamedTuple):
    """A stretch of the file at `offset`: exactly one of a chunk's id and the bytes themselves."""

    offset: int
    size: int
    chunk: ChunkId | None
    literal: bytes | None


_part: Callable[[tuple[object, ...]], Part] = partial(tuple.__new__, Part)
_chunk_id = partial(bytes.__new__, ChunkId)


def only_parts(recipes: Sequence[bytes]) -> list[Part | None]:
    """The part of each recipe that has one and no tensor; None for any other, and for damaged ones: `decode`
    and `parts` are for these. Most files of a data set are small, and reading their recipes through protobuf
    took a quarter of a checkout."""
    return [
        None
        if file is None
        else _part((0, file[0], None if file[1] is None else _chunk_id(file[1]), file[2]))
        for file in _small.files(recipes)
    ]


_recipe: Callable[[tuple[object, ...]], Recipe] = partial(tuple.__new__, Recipe)
_segment: Callable[[tuple[object, ...]], Segment] = partial(tuple.__new__, Segment)
_chunk_run: Callable[[tuple[object, ...]], ChunkRun] = partial(tuple.__new__, ChunkRun)


def _only_segment(part: Part) -> Segment:
    if part.literal is not None:
        return _segment((part.literal, None))
    return _segment((_chunk_run(((part.chunk,), (part.size,))), None))


def parts(recipe: Recipe, fetch: Fetch, start: int = 0) -> Iterator[Part]:
    """The file in order, from the part that contains byte `start`; reads O(log n) nodes to get there.

    Nothing when `start` is at or past the end. Raises CorruptObject, and what `fetch` raises.
    """
    offset = 0
    for segment in recipe.segments:
        size = segment.size
        if size and offset + size > start:  # a tensor without elements has no part
            yield from segment_parts(segment, fetch, offset, start)
        offset += size


def segment_parts(segment: Segment, fetch: Fetch, offset: int, start: int) -> Iterator[Part]:
    """Yields parts like `parts`, of one segment that lies at `offset` and contains byte `start` or lies behind
    it."""
    match segment.content:
        case ChunkRun(ids=ids, sizes=sizes):
            for chunk_id, size in zip(ids, sizes, strict=True):
                if offset + size > start:
                    yield Part(offset, size, chunk_id, None)
                offset += size
        case TreeRef() as tree:
            root = _open_tree(tree, fetch)
            for inside, (chunk_id, size) in chunks_from(root, fetch, start - offset):
                yield Part(offset + inside, size, chunk_id, None)
        case literal:
            yield Part(offset, len(literal), None, literal)


def _open_tree(tree: TreeRef, fetch: Fetch) -> Node[Chunk]:
    root, node = open_root(CHUNK_LIST, tree.node, fetch)
    if (root.size, root.count) != (tree.size, tree.count):
        raise corrupt(f"node {tree.node.short()}", "its totals are not what the recipe says")
    return node


def _checked_size(segment: Segment) -> int:
    """Raw bytes of a legal segment. Raises ValueError for any other."""
    tensor, content, size = segment.tensor, segment.content, segment.size
    if tensor is not None and not tensor.dtype:
        raise ValueError(f"tensor {tensor.name!r} has no dtype")
    if isinstance(content, bytes):
        if size > LITERAL_BYTES or (size == 0 and tensor is None):
            raise ValueError(f"a literal has 1 to {LITERAL_BYTES} bytes, not {size}")
        return size
    if size <= LITERAL_BYTES:
        raise ValueError(f"a segment of {size} bytes is a literal, no chunk list")
    if isinstance(content, ChunkRun):
        count, sizes = len(content.ids), content.sizes
        if not 1 <= count <= INLINE_CHUNKS or count != len(sizes):
            raise ValueError(
                f"{count} chunks and {len(sizes)} sizes in a list of 1 to {INLINE_CHUNKS}"
            )
        if min(sizes) < 1 or max(sizes) > MAX_CHUNK_BYTES:
            raise ValueError(f"a chunk's size is not in 1..{MAX_CHUNK_BYTES}")
    elif not INLINE_CHUNKS < content.count <= size <= U64_MAX:
        raise ValueError(f"a tree of {content.count} chunks with {size} bytes")
    return size


def _write_segment(segment: Segment, message: pb.Segment) -> None:
    match segment.content:
        case ChunkRun(ids=ids, sizes=sizes):
            message.chunks.ids = b"".join(ids)
            message.chunks.sizes.extend(sizes)
        case TreeRef(node=node, size=size, count=count):
            message.root.node, message.root.size, message.root.count = node, size, count
        case literal:
            message.literal = literal
    if segment.tensor is not None:
        message.tensor.SetInParent()
        message.tensor.name, message.tensor.dtype = segment.tensor.name, segment.tensor.dtype
        message.tensor.shape.extend(segment.tensor.shape)


def _read_segment(message: pb.Segment) -> Segment:
    """Raises ValueError where a value could not even be made; `_checked_size` has the other rules."""
    tensor = None
    if message.HasField("tensor"):
        tensor = Tensor(message.tensor.name, message.tensor.dtype, tuple(message.tensor.shape))
    content: bytes | ChunkRun | TreeRef
    match message.WhichOneof("content"):
        case "chunks":
            chunks = message.chunks
            content = ChunkRun(tuple(split_ids(ChunkId, chunks.ids)), tuple(chunks.sizes[:]))
        case "literal":
            content = message.literal
        case "root":
            root = message.root
            content = TreeRef(NodeId(root.node), root.size, root.count)
        case _:
            raise ValueError("a segment has no content")
    return Segment(content, tensor)
