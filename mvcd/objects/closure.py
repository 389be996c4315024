"""What an object refers to: the step by which collection, sync and closure checks walk the graph.

Content is what a version reaches downwards: manifests, recipes, chunk lists, chunks. History is the chain of
parents; it is asked for separately because content may be absent by choice where records never are.
"""

from __future__ import annotations

from collections.abc import Iterator

from mvcd.ids import Digest, Kind, VersionId
from mvcd.objects.canonical import corrupt, decode
from mvcd.objects.chunklist import CHUNK_LIST
from mvcd.objects.entry import PATH_MAP
from mvcd.objects.recipe import ChunkRun, Recipe, TreeRef
from mvcd.objects.v1 import objects_pb2 as pb
from mvcd.objects.version import Version


def children(kind: Kind, data: bytes) -> Iterator[Digest]:
    """Ids of the content that an object refers to directly, in its order; an id may come more than once.

    Decodes strictly before the first is yielded. Raises CorruptObject.
    """
    match kind:
        case Kind.CHUNK:
            pass
        case Kind.NODE:
            yield from _node_children(data)
        case Kind.RECIPE:
            for segment in Recipe.decode(data).segments:
                match segment.content:
                    case ChunkRun(ids=ids):
                        yield from ids
                    case TreeRef(node=node):
                        yield node
        case Kind.VERSION:
            for component in Version.decode(data).components.values():
                if component.root is not None:
                    yield component.root


def parents(data: bytes) -> tuple[VersionId, ...]:
    """A version's parents from its bytes. Raises CorruptObject."""
    return Version.decode(data).parents


def _node_children(data: bytes) -> Iterator[Digest]:
    message = decode(pb.Node, data)
    match message.WhichOneof("body"):
        case "chunk_leaf" | "chunk_branch":
            chunks = CHUNK_LIST.read(message)
            yield from (chunk_id for chunk_id, _ in chunks.items)
            yield from (child.node for child in chunks.children)
        case "entry_leaf" | "entry_branch":
            entries = PATH_MAP.read(message)
            yield from (entry.recipe for entry in entries.items)
            yield from (child.node for child in entries.children)
        case _:
            raise corrupt("a node record", "it has no body")
