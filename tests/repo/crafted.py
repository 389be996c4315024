"""Versions that no honest snapshot makes: entries put together by hand and stored as they are."""

from __future__ import annotations

from dataclasses import replace

from mvcd.ids import Digest, NodeId, RecipeId, VersionId
from mvcd.objects.entry import PATH_MAP, Entry, Mode
from mvcd.objects.manifest import ComponentRoot
from mvcd.objects.recipe import Recipe, literal_segment
from mvcd.objects.tree import TreeBuilder
from mvcd.objects.version import EMPTY, Component
from mvcd.repo.intake.targets import StoreTarget
from tests.support.engine import Repository


def store_version(
    repo: Repository, files: list[tuple[str, Mode, bytes]], *, lie_about_sizes: int = 0
) -> VersionId:
    """Stores a version whose data component has these (path, mode, content); content up to 128 bytes."""
    store = repo._core.store
    with store.session() as session:
        target = StoreTarget(store, session)

        def sink(id: Digest, data: bytes) -> None:
            target.put_object(id, data)

        builder = TreeBuilder(PATH_MAP, sink)  # which takes any path
        for path, mode, content in sorted(files):
            data = Recipe(len(content), "", (literal_segment(content),) if content else ()).encode()
            sink(RecipeId.of(data), data)
            builder.add(Entry(path, mode, len(content) + lie_about_sizes, RecipeId.of(data)))
        root = builder.finish()
        assert root is not None
        data_root = ComponentRoot(NodeId(root.node), root.count, root.size)
        components = {**EMPTY.components, Component.DATA: data_root}
        version = replace(
            EMPTY, components=components, generation=1, author="Mallory", tracked=(".",)
        )
        encoded = version.encode()
        id = VersionId.of(encoded)
        sink(id, encoded)
        session.commit()
    return id
