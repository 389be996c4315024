"""What an object refers to: the step by which collection, sync and closure checks walk the graph.

Content is what a version reaches downwards: manifests, recipes, chunk lists, chunks. History is the chain of
parents; it is asked for separately because content may be absent by choice where records never are.
"""

from __future__ import annotations

from collections.abc import Iterator

from mvcd.errors import Failure
from mvcd.ids import Digest, Kind, VersionId
from mvcd.objects.canonical import corrupt, decode
from mvcd.objects.chunklist import CHUNK_LIST, Chunk
from mvcd.objects.entry import PATH_MAP, Entry
from mvcd.objects.recipe import ChunkRun, Recipe, TreeRef
from mvcd.objects.reserved import reserved
from mvcd.objects.tree import Node
from mvcd.objects.v1 import objects_pb2 as pb
from mvcd.objects.version import Version

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
    """What a receiver asks of each object that is new to it. Raises Failure(kind="reserved-path") for a list of
    files that names one which no version may hold (reserved.py)."""
    if not isinstance(opened, Node):
        return
    for item in opened.items:
        name = reserved(item.path) if isinstance(item, Entry) else None
        if name is not None:
            raise Failure(
                f"a version there holds {item.path!r}",  # type: ignore[union-attr]
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
