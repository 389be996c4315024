"""What an object refers to: the step by which collection, sync and closure checks walk the graph.

Content is what a version reaches downwards: manifests, recipes, chunk lists, chunks. History is the chain of
parents; it is asked for separately because content may be absent by choice where records never are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from mvcd.errors import Failure
from mvcd.ids import Digest, Kind, VersionId
from mvcd.objects import messages as pb
from mvcd.objects.canonical import corrupt, decode
from mvcd.objects.chunklist import CHUNK_LIST, Chunk
from mvcd.objects.entry import MAX_FILE_BYTES, MAX_VERSION_BYTES, PATH_MAP, Entry
from mvcd.objects.recipe import ChunkRun, Recipe, TreeRef
from mvcd.objects.reserved import reserved
from mvcd.objects.tree import Node
from mvcd.objects.version import Version

GROUP_OBJECTS = 256
"""Objects opened together, of 10 KiB usually."""

Opened = Version | Recipe | Node[Entry] | Node[Chunk]
"""An object whose content names others, decoded."""


def open_object(kind: Kind, data: bytes) -> Opened:
    """Decodes strictly what is not a chunk. Raises CorruptObject."""
    match kind:
        case Kind.RECIPE:
            return Recipe.decode(data)
        case Kind.VERSION:
            return Version.decode(data)
        case _:
            return _open_node(data)


def open_objects(objects: Iterable[tuple[Digest, bytes]]) -> Iterator[tuple[Digest, Opened]]:
    """`open_object` of each, in their order. Holds a few hundred of them."""
    objects = iter(objects)
    while group := list(islice(objects, GROUP_OBJECTS)):
        recipes = iter(Recipe.decode_many([data for id, data in group if id.kind is Kind.RECIPE]))
        for id, data in group:
            yield id, next(recipes) if id.kind is Kind.RECIPE else open_object(id.kind, data)


def named(opened: Opened) -> Iterator[Digest]:
    """Ids of the content that an object refers to directly, in its order; an id may come more than once."""
    match opened:
        case Recipe(segments=segments):
            for segment in segments:
                match segment.content:
                    case ChunkRun(ids=ids):
                        yield from ids
                    case TreeRef(node=node):
                        yield node
        case Version(components=components):
            for component in components.values():
                if component.root is not None:
                    yield component.root
        case Node(items=items, children=below):
            for item in items:
                yield item.recipe if isinstance(item, Entry) else item[0]
            for child in below:
                yield child.node


def require_allowed(id: Digest, opened: Opened) -> None:
    """What a receiver asks of each object that is new to it. Raises Failure: "reserved-path" for a list of
    files that names one which no version may hold (reserved.py), "too-large" for a size nobody can mean."""
    match opened:
        case Recipe(size=size):
            _require_size(id, size, MAX_FILE_BYTES)
        case Version(components=components):
            total = sum(root.size for root in components.values())
            _require_size(id, total, MAX_VERSION_BYTES)
        case Node():
            _require_paths(id, opened)


def _require_size(id: Digest, size: int, most: int) -> None:
    if size > most:
        raise Failure(
            f"{id.kind.name.lower()} {id.short()} claims {size:,} bytes",
            kind="too-large",
            cause=f"at most {most >> 40} TiB are taken from others",
            help="whoever made that version: mvc verify",
        )


def _require_paths(id: Digest, opened: Node[Entry] | Node[Chunk]) -> None:
    for item in opened.items:
        if not isinstance(item, Entry):
            return
        if item.size > MAX_FILE_BYTES:
            _require_size(item.recipe, item.size, MAX_FILE_BYTES)
        name = reserved(item.path)
        if name is not None:
            raise Failure(
                f"a version there holds {item.path!r}",
                kind="reserved-path",
                cause=f"it is taken for {name}, a repository's own directory: its settings would run commands; "
                f"node {id.short()} lists it",
                help="whoever made that version: commit without the file, to a branch that never had it",
            )


def children(kind: Kind, data: bytes) -> Iterator[Digest]:
    """`named` of an object; a chunk names nothing. Raises CorruptObject before the first."""
    return iter(()) if kind is Kind.CHUNK else named(open_object(kind, data))


def parents(data: bytes) -> tuple[VersionId, ...]:
    """A version's parents from its bytes. Raises CorruptObject."""
    return Version.decode(data).parents


def _open_node(data: bytes) -> Node[Entry] | Node[Chunk]:
    message = decode(pb.Node, data)
    match message.WhichOneof("body"):
        case "chunk_leaf" | "chunk_branch":
            return CHUNK_LIST.read(message)
        case "entry_leaf" | "entry_branch":
            return PATH_MAP.read(message)
        case _:
            raise corrupt("a node record", "it has no body")
