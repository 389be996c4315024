"""JSON shapes. Stable: fields are only ever added. `Face.answer` puts `schema_version` 1 before them.

JSON has no NaN and no infinities: as values they become the strings "NaN", "Infinity" and "-Infinity", and a
`diff` that is not finite becomes null. Times are ISO 8601 with the zone they were recorded in; ids are 64 hex
digits; sizes are bytes. `number` is the generation: 12 for `v12`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.diff import (
        Diff,
        FileChanges,
        NearOverlap,
        Overlap,
        TensorChanges,
        ValueChange,
    )
    from mvc.api.lineage import Lineage
    from mvc.api.repo import Repo
    from mvc.api.results import (
        CheckoutResult,
        CommitResult,
        Head,
        Operation,
        PathChange,
        Status,
        VerifyReport,
        Version,
    )
    from mvc.api.runs import Reproduction
    from mvc.api.signatures import SignatureReport, SignatureStatus
    from mvc.api.weights import TensorDiff, TensorStatistics, Weights

Json = dict[str, Any]


def scalar(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _values(values: Mapping[str, object]) -> Json:
    return {key: scalar(value) for key, value in values.items()}


def head(head: Head) -> Json:
    """`ref` is the branch, or null when HEAD is detached; number 0 is the empty version before the first."""
    return {"ref": head.branch, "version": head.version, "number": head.number}


def _skipped(pairs: Iterable[tuple[str, str]]) -> list[Json]:
    return [{"path": path, "reason": reason} for path, reason in pairs]


def status(status: Status) -> Json:
    def listed(changes: Iterable[PathChange]) -> list[Json]:
        return [{"path": c.path, "component": c.component.value, "bytes": c.size} for c in changes]

    return {
        "head": head(status.head),
        "clean": status.clean,
        "added": listed(status.added),
        "modified": listed(status.modified),
        "deleted": listed(status.deleted),
        "renamed": [
            {"from": one.old, "to": one.new, "component": one.component.value}
            for one in status.renamed
        ],
        "untracked": list(status.untracked),
        "tracked": list(status.tracked),
        "skipped": _skipped(status.skipped),
        "left_out": [c.value for c in status.left_out],
        "unknown_settings": list(status.unknown_settings),
        "remotes": [
            {"name": one.remote, "ahead": one.ahead, "behind": one.behind} for one in status.apart
        ],
    }


def commit(result: CommitResult) -> Json:
    return {
        "version": result.version,
        "number": result.number,
        "branch": result.branch,
        "started_branch": result.started_branch,
        "files": result.files,
        "bytes_total": result.bytes_total,
        "bytes_changed": result.bytes_changed,
        "bytes_new": result.bytes_new,
        "bytes_stored": result.bytes_stored,
        "components": {
            name.value: {"changed": part.changed, "files": part.files, "bytes": part.size}
            for name, part in result.components.items()
        },
        "skipped": _skipped(result.skipped),
        "unsaved": _skipped(result.unsaved),
        "links_out": [{"path": path, "target": target} for path, target in result.leading_out],
        "dubious": [{"path": path, "what": what} for path, what in result.dubious],
        "unfound_bases": [
            {"line": line, "reason": reason} for line, reason in result.unfound_bases
        ],
        "signer": result.signer,
    }


def signature(status: SignatureStatus) -> Json:
    return {
        "state": status.state.value,
        "principal": status.principal,
        "fingerprint": status.fingerprint,
        "key_type": status.key_type,
        "reason": status.reason,
    }


def signed(report: SignatureReport) -> Json:
    """An element of `verify-signature --json`; `tag` is null for a version's own signatures."""
    return {
        "version": report.version,
        "number": report.number,
        "tag": report.tag,
        "ok": report.ok,
        "signatures": [signature(s) for s in report.signatures],
    }


def version(version: Version) -> Json:
    """An element of `log --json`."""
    return {
        "version": version.id,
        "number": version.number,
        "parents": list(version.parents),
        "time": version.time.isoformat(),
        "author": version.author,
        "message": version.message,
        "trigger": version.trigger,
        "refs": list(version.refs),
        "hyperparameters": _values(version.hyperparameters),
        "metrics": _values(version.metrics),
        "pruned": pruned(version),
        "annotations": dict(version.annotations),
    }


def pruned(version: Version) -> Json | None:
    """Null for a version whose content is kept; `here`: it still is."""
    found = version.pruned
    if found is None:
        return None
    return {
        "time": found.time.isoformat(),
        "until": found.until.isoformat(),
        "rule": found.rule,
        "here": found.here,
        "remotes": list(found.remotes),
    }


def version_whole(version_shown: Version, changes: Diff) -> Json:
    """`show --json`: as in `log`, with parts, provenance and the difference to the first parent."""
    return {
        **version(version_shown),
        "components": {
            name.value: {"digest": root.digest, "files": root.files, "bytes": root.size}
            for name, root in version_shown.components.items()
        },
        "tracked": list(version_shown.tracked),
        "provenance": provenance(version_shown),
        "changes": diff(changes),
    }


def provenance(version: Version) -> Json:
    made = version.provenance
    return {
        "git_commit": made.git_commit,
        "git_dirty": made.git_dirty,
        "command": list(made.command),
        "host": made.host,
        "python": made.python,
        "packages_digest": made.packages_digest,
    }


def diff(diff: Diff) -> Json:
    """`renamed` holds [old, new] pairs; `tensors` lists of names by what became of them, by file, and
    `tensors_across` of those that lie in another file than before; `better` is null where
    a metric has no direction; without `listed` the lists of the files are not here. `moved` has files that
    were part of another component before."""
    return {
        "old": diff.old,
        "below": None if diff.below is None else dict(zip(("old", "new"), diff.below, strict=True)),
        "new": diff.new,
        "changed": diff.changed,
        "components": {name.value: _files(files) for name, files in diff.components.items()},
        "hyperparameters": {k: change(c) for k, c in diff.hyperparameters.items()},
        "metrics": {k: {**change(c), "better": c.better} for k, c in diff.metrics.items()},
        "tensors": {path: _tensors(changes) for path, changes in diff.tensors.items()},
        "tensors_across": None if diff.across is None else _tensors(diff.across),
    }


def overlap(found: Overlap) -> Json:
    return {
        "splits": list(found.splits),
        "files": found.files,
        "examples": [list(pair) for pair in found.examples],
    }


def near_overlap(found: NearOverlap) -> Json:
    """`share`: of the larger file's bytes."""
    return {
        "splits": list(found.splits),
        "files": found.files,
        "examples": [
            {"paths": [first, second], "share": share} for first, second, share in found.examples
        ],
    }


def change(change: ValueChange) -> Json:
    return {
        "old": scalar(change.old),
        "new": scalar(change.new),
        "diff": finite(change.diff),
        "percent": finite(change.percent),
    }


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _files(files: FileChanges) -> Json:
    return {
        "changed": files.changed,
        "listed": files.listed,
        "added": list(files.added),
        "modified": list(files.modified),
        "deleted": list(files.deleted),
        "renamed": [list(pair) for pair in files.renamed],
        "moved": [{"path": path, "from": part.value} for path, part in files.moved],
    }


def _tensors(changes: TensorChanges) -> Json:
    kinds = ("added", "removed", "changed", "reshaped", "retyped", "unchanged", "uncompared")
    found: Json = {kind: list(getattr(changes, kind)) for kind in kinds}
    return {**found, "renamed": [list(pair) for pair in changes.renamed]}


def weights(weights: Weights) -> Json:
    """`weights` of `diff --tensors --json`: every tensor; `statistics` is null for what was not compared."""
    return {label: weight(tensor) for label, tensor in weights.items()}


def weight(tensor: TensorDiff) -> Json:
    document: Json = {
        "name": tensor.name,
        "kind": tensor.kind,
        "old_name": tensor.old_name,
        "state": tensor.state,
    }
    for side, form in (("old", tensor.old), ("new", tensor.new)):
        document[side] = None if form is None else {
            "path": form.path, "dtype": form.dtype, "shape": list(form.shape), "bytes": form.size,
        }  # fmt: skip
    document["statistics"] = statistics(tensor.statistics) if tensor.measured else None
    return document


def statistics(found: TensorStatistics) -> Json:
    """A figure that has no value is null; an infinite one is "Infinity"."""
    document: Json = {"changed_fraction": found.changed_fraction}
    for name in found.__dataclass_fields__:
        value = getattr(found, name)
        document[name] = None if value != value else scalar(value)  # noqa: PLR0124 - NaN
    return document


def side_names(repo: Repo, diff: Diff) -> tuple[str, str]:
    """How the two sides of a diff are called on a screen."""
    names = _side(repo, diff.old), "workspace" if diff.new is None else _side(repo, diff.new)
    if diff.below is None:
        return names
    old, new = (f"{name}:{text.safe(path)}" for name, path in zip(names, diff.below, strict=True))
    return old, new


def _side(repo: Repo, id: str) -> str:
    version = repo.show(id)
    return f"v{version.number} {text.short(id)}" if version.number else "v0 (empty)"


def checkout(result: CheckoutResult) -> Json:
    return {
        "head": head(result.head),
        "written": result.written,
        "removed": result.removed,
        "bytes_written": result.bytes_written,
        "kept": list(result.kept),
        "saved": result.saved,
        "skipped": _skipped(result.skipped),
        "left_out": [c.value for c in result.left_out],
    }


def verify(report: VerifyReport) -> Json:
    return {
        "ok": report.ok,
        "objects": report.objects,
        "bytes": report.bytes,
        "versions": report.versions,
        "absent": report.absent,
        "errors": [
            {
                "problem": error.problem,
                "where": error.where,
                "object": error.object,
                "hurts": [
                    {"version": h.version, "number": h.number, "path": h.path} for h in error.hurts
                ],
            }
            for error in report.errors
        ],
    }


def operation(operation: Operation) -> Json:
    return {
        "number": operation.number,
        "time": operation.time.isoformat(),
        "author": operation.author,
        "verb": operation.verb,
        "detail": operation.detail,
        "refs": list(operation.refs),
        "files": operation.files,
        "undoes": operation.undoes,
    }


def lineage(found: Lineage) -> Json:
    shallow = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return {
        **shallow,
        "time": found.time.isoformat(),
        "environment": dict(found.environment),
        "origins": [asdict(origin) for origin in found.origins],
        "hyperparameters": _values(found.hyperparameters),
        "metrics": _values(found.metrics),
        "parents": [asdict(kin) for kin in found.parents],
        "children": [asdict(kin) for kin in found.children],
    }


def reproduction(found: Reproduction) -> Json:
    metrics = [
        {**asdict(m), **_values({"recorded": m.recorded, "found": m.found})} for m in found.metrics
    ]
    return {**asdict(found), "metrics": metrics, "ok": found.ok}
