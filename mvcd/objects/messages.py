"""The generated messages of objects, loaded when the first of them is needed: protobuf takes 10 ms, and a look
at a clean workspace needs none of them (_versionmodule.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvcd.objects.v1.objects_pb2 import (
        ChunkBranch,
        ChunkLeaf,
        Component,
        EntryBranch,
        EntryLeaf,
        KeyValue,
        Node,
        Provenance,
        Recipe,
        Segment,
        Version,
    )

__all__ = [
    "ChunkBranch",
    "ChunkLeaf",
    "Component",
    "EntryBranch",
    "EntryLeaf",
    "KeyValue",
    "Node",
    "Provenance",
    "Recipe",
    "Segment",
    "Version",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mvcd.objects.v1 import objects_pb2  # late: start-up

    value = globals()[name] = getattr(objects_pb2, name)
    return value
