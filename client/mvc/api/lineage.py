"""Lineage: the origins of a version and what was made from it, also as W3C PROV-JSON and as an OpenLineage
event.

Both documents are functions of the version record and of nothing else but the names it has now: asked twice,
they are equal to the byte. PROV: https://www.w3.org/submissions/prov-json/. OpenLineage: spec 2-0-2,
RunEvent.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mvc.api.public import made_from
from mvc.api.results import Component

NAMESPACE = "urn:mvc:"
PRODUCER = "urn:mvc:mvc"
OPENLINEAGE = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
VERSION_FACET = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json"
_RUNS = uuid.UUID("6f2b7c1e-3c55-5d0e-9a51-5a2f6a4f8f10")
MADE = (Component.WEIGHTS, Component.RESULTS)
"""Components that a run makes; it uses the others."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a component: unchanged since version `since`. `root` is its digest, `size` bytes."""

    component: Component
    root: str
    files: int
    size: int
    since: str
    since_number: int


@made_from(version="id")
@dataclass(frozen=True, slots=True)
class Kin:
    """A parent or a child."""

    version: str
    number: int
    message: str
    names: tuple[str, ...]


@made_from(
    "version",
    "provenance",
    version="id",
    number="version.generation",
    command=lambda found: (found.run or found.provenance).command,
    seconds=lambda found: found.run and found.run.seconds,  # only a run has these two
    seed=lambda found: found.run and found.run.seed,
    environment=lambda found: dict(found.run.environment) if found.run else {},
)
@dataclass(frozen=True, slots=True)
class Lineage:
    """`command` is what made the version, `seconds` how long it ran (None: not by `mvc run`), `environment` the
    variables that were recorded of it."""

    version: str
    number: int
    names: tuple[str, ...]
    author: str
    time: datetime
    message: str
    command: tuple[str, ...]
    seconds: float | None
    seed: int | None
    environment: Mapping[str, str]
    git_commit: str
    git_dirty: bool
    host: str
    python: str
    packages_digest: str
    origins: tuple[Origin, ...]
    hyperparameters: Mapping[str, object]
    metrics: Mapping[str, object]
    parents: tuple[Kin, ...]
    parent_weights: tuple[str, ...]  # digests of the weights this version began with
    children: tuple[Kin, ...]

    def prov(self) -> dict[str, Any]:
        """W3C PROV-JSON: entities (versions, components), the activity that made this one, its agent."""
        version, activity = f"mvc:version-{self.version}", f"mvc:making-{self.version}"
        agent = f"mvc:agent-{uuid.uuid5(_RUNS, self.author)}"
        parents = [f"mvc:version-{p.version}" for p in self.parents]
        parts = {o.component: f"mvc:{o.component.value}-{o.root}" for o in self.origins}
        weights = [f"mvc:weights-{w}" for w in self.parent_weights]
        used = [e for c, e in parts.items() if c not in MADE] + weights
        made = [version] + [e for c, e in parts.items() if c in MADE]
        entities: dict[str, Any] = {
            version: {"prov:type": "mvc:Version", "prov:label": f"v{self.number}",
                      "mvc:message": self.message},
            **{p: {"prov:type": "mvc:Version"} for p in parents},
            **{w: {"prov:type": "mvc:weights"} for w in weights},
        }  # fmt: skip
        for origin in self.origins:
            entities[parts[origin.component]] = {
                "prov:type": f"mvc:{origin.component.value}", "mvc:files": origin.files,
                "mvc:bytes": origin.size, "mvc:since": f"v{origin.since_number}",
            }  # fmt: skip
        return {
            "prefix": {"mvc": NAMESPACE},
            "entity": entities,
            "activity": {activity: self._activity()},
            "agent": {agent: {"prov:type": "prov:Person", "prov:label": self.author}},
            "wasGeneratedBy": _relations("g", "prov:entity", made, "prov:activity", activity),
            "used": _relations("u", "prov:entity", used, "prov:activity", activity),
            "wasDerivedFrom": _relations(
                "d", "prov:usedEntity", parents, "prov:generatedEntity", version
            ),
            "wasAssociatedWith": _relations("a", "prov:agent", [agent], "prov:activity", activity),
            "hadMember": _relations(
                "m", "prov:entity", list(parts.values()), "prov:collection", version
            ),
        }

    def openlineage(self) -> dict[str, Any]:
        """An OpenLineage RunEvent: what was used are inputs, what was made are outputs, each with its
        version."""
        inputs = [self._dataset(o) for o in self.origins if o.component not in MADE]
        inputs += [_dataset(f"weights/{w}", w) for w in self.parent_weights]
        outputs = [self._dataset(o) for o in self.origins if o.component in MADE]
        return {
            "eventType": "COMPLETE",
            "eventTime": self.time.isoformat(),
            "run": {"runId": str(uuid.uuid5(_RUNS, self.version)), "facets": {}},
            "job": {
                "namespace": NAMESPACE + "job",
                "name": " ".join(self.command[:2]) or "commit",
                "facets": {},
            },
            "inputs": inputs,
            "outputs": [*outputs, _dataset("version", self.version)],
            "producer": PRODUCER,
            "schemaURL": OPENLINEAGE,
        }

    def _activity(self) -> dict[str, Any]:
        end = self.time.astimezone(UTC)
        start = end - timedelta(seconds=self.seconds or 0)
        found: dict[str, Any] = {
            "prov:type": "mvc:Run" if self.seconds is not None else "mvc:Commit",
            "prov:startTime": start.isoformat(),
            "prov:endTime": end.isoformat(),
            "mvc:command": list(self.command),
        }
        told = {
            "mvc:gitCommit": self.git_commit, "mvc:host": self.host, "mvc:python": self.python,
            "mvc:packages": self.packages_digest, "mvc:seed": self.seed,
        }  # fmt: skip
        return found | {name: value for name, value in told.items() if value not in ("", None)}

    def _dataset(self, origin: Origin) -> dict[str, Any]:
        return _dataset(origin.component.value, origin.root)


def _relations(
    letter: str, many: str, ids: list[str], one: str, id: str
) -> dict[str, dict[str, str]]:
    return {f"_:{letter}{n}": {many: each, one: id} for n, each in enumerate(ids, 1)}


def _dataset(name: str, version: str) -> dict[str, Any]:
    facet = {"_producer": PRODUCER, "_schemaURL": VERSION_FACET, "datasetVersion": version}
    return {"namespace": NAMESPACE + "dataset", "name": name, "facets": {"version": facet}}
