"""What a model card says of a version, gathered from its records and recipes; no content is read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from mvcd.ids import VersionId
from mvcd.objects.entry import Mode
from mvcd.objects.version import Component, Version
from mvcd.repo import history, stages
from mvcd.repo.core import Core
from mvcd.repo.files import Placed, VersionFiles, recipe_of
from mvcd.repo.refs import STAGES
from mvcd.repo.results import History
from mvcd.repo.stages import StageRecord

MAX_LISTED = 100
"""Files named per component; a card that lists 100,000 images is read by nobody."""


@dataclass(frozen=True, slots=True)
class CardFile:
    """A file of a version. `recipe` is hex."""

    path: str
    size: int
    recipe: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of weights; without `format` it is plain bytes, and nothing is known of its tensors."""

    path: str
    size: int
    recipe: str
    format: str
    tensors: int
    parameters: Mapping[str, int]  # elements by dtype

    def __hash__(self) -> int:
        return hash((self.path, self.recipe))


@dataclass(frozen=True, slots=True)
class DataKind:
    """The data files of one kind, by the end of their names: "csv", "jpg"; "" for names without one."""

    kind: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class CardFacts:
    """`stages` has the records by which the version came to a stage or left it, newest first by stage."""

    history: History
    architecture: tuple[CardFile, ...]
    weights: tuple[WeightFile, ...]
    data: tuple[DataKind, ...]
    stages: tuple[StageRecord, ...]

    @property
    def parameters(self) -> Mapping[str, int]:
        """Elements of all tensors by dtype, most first."""
        total: Counter[str] = Counter()
        for file in self.weights:
            total.update(file.parameters)
        return dict(total.most_common())


def facts(core: Core, id: VersionId) -> CardFacts:
    """Raises MissingObject when the version's file lists are not here."""
    version = core.version(id)
    names = history.names_by_version(core).get(id, ())
    return CardFacts(
        history=History(id, version, tuple(names)),
        architecture=_architecture(core, version),
        weights=_weights(core, version),
        data=_data(core, version),
        stages=_stages(core, id),
    )


def _files(core: Core, version: Version, component: Component) -> list[Placed]:
    return list(VersionFiles(version, core.fetch).all([component]))


def _architecture(core: Core, version: Version) -> tuple[CardFile, ...]:
    found = _files(core, version, Component.ARCHITECTURE)[:MAX_LISTED]
    return tuple(CardFile(p.entry.path, p.entry.size, p.entry.recipe.hex()) for p in found)


def _weights(core: Core, version: Version) -> tuple[WeightFile, ...]:
    found = []
    for placed in _files(core, version, Component.WEIGHTS):
        entry = placed.entry
        if entry.mode is Mode.SYMLINK:
            continue
        recipe = recipe_of(entry, core.fetch)
        parameters: Counter[str] = Counter()
        tensors = recipe.tensors()
        for segment in tensors.values():
            assert segment.tensor is not None
            count = 1
            for extent in segment.tensor.shape:
                count *= extent
            parameters[segment.tensor.dtype] += count
        found.append(
            WeightFile(
                entry.path, entry.size, entry.recipe.hex(), recipe.format, len(tensors),
                dict(parameters.most_common()),
            )
        )  # fmt: skip
    return tuple(found)


def _data(core: Core, version: Version) -> tuple[DataKind, ...]:
    """By kind, most bytes first."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for placed in VersionFiles(version, core.fetch).all([Component.DATA]):
        _, dot, end = placed.entry.path.rpartition("/")[2].rpartition(".")
        kinds[end.lower() if dot else ""].append(placed.entry.size)
    found = [DataKind(kind, len(sizes), sum(sizes)) for kind, sizes in kinds.items()]
    return tuple(sorted(found, key=lambda k: (-k.size, k.kind)))


def _stages(core: Core, id: VersionId) -> tuple[StageRecord, ...]:
    if not core.store.refs(STAGES):
        return ()
    found = (r for name in stages.names(core.store) for r in stages.records(core.store, name))
    return tuple(r for r in found if r.promotion.version == id)


def published(core: Core) -> list[VersionId]:
    """Versions with a tag or that ever were on a stage, newest first."""
    from mvcd.repo.refs import TAGS, target_of

    refs = {**core.store.refs(TAGS), **core.store.refs(STAGES)}
    ids = {target_of(value) for value in refs.values()}
    return sorted(ids, key=lambda id: (-core.version(id).time_us, id))
