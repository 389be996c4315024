"""Routes about tensors: those of a version, and figures of one, alone or against another version."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import Failure, UsageError
from mvc.api.repo import Repo
from mvc.api.weights import TensorDiff, TensorDistribution, Weights
from mvc.web.site import Json, Site, answer, segment, site_of


def tensors_of(repo: Repo, rev: str) -> dict[str, TensorDiff]:
    """The tensors of a version by label."""
    return dict(repo.tensors(rev))


def tensors(request: Request) -> Response:
    """What tensors the weight files have."""
    found = tensors_of(site_of(request).repo, segment(request, "rev"))
    return answer({"tensors": [tensor_document(label, one) for label, one in found.items()]})


def tensor_document(label: str, tensor: TensorDiff) -> Json:
    """A tensor of a version, as `tensors_of` has it."""
    form = tensor.new
    assert form is not None
    return {
        "label": label,
        "name": tensor.name,
        "path": form.path,
        "dtype": form.dtype,
        "shape": list(form.shape),
        "bytes": form.size,
        "state": tensor.state,
    }


def tensor(request: Request) -> Response:
    """Figures of one tensor and how its values are distributed, from its data: it is compared with itself."""
    site, rev = site_of(request), segment(request, "rev")
    label, found, weights = _named(site, request, rev, rev)
    with site.measuring:
        statistics = site.shapes.statistics(found.statistics)
        values = None if found.packed else weights.distribution(found)
    kept = {k.removesuffix("_new"): v for k, v in statistics.items() if k.endswith("_new")}
    spread = _distribution(values)
    return answer(
        {"label": label, "packed": found.packed, "statistics": kept, "distribution": spread}
    )


def difference(request: Request) -> Response:
    """How far the elements of one tensor moved between two versions: figures and their distribution."""
    site = site_of(request)
    old, new = segment(request, "old"), segment(request, "new")
    label, found, weights = _named(site, request, old, new)
    with site.measuring:
        moved = weights.distribution(found)
        if found.comparable and found.kind in ("changed", "retyped"):
            weights.measure([found])
        tensor = site.shapes.tensor(found)
    return answer({"label": label, **tensor, "distribution": _distribution(moved)})


def _named(site: Site, request: Request, old: str, new: str) -> tuple[str, TensorDiff, Weights]:
    label = request.query_params.get("label")
    if label is None:
        raise UsageError("no tensor was named", help="?label=NAME")
    weights = site.repo.diff(old, new, components=["weights"]).weights
    try:
        return label, weights[label], weights
    except KeyError:
        raise Failure(f"{new} has no tensor {label}", kind="no-such-tensor") from None


def _distribution(found: TensorDistribution | None) -> Json | None:
    if found is None or found.low != found.low:
        return None
    return {"low": found.low, "high": found.high, "counts": list(found.counts)}


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/v1/r/tensors/{rev}", tensors),
        Route("/api/v1/r/tensor/{rev}", tensor),
        Route("/api/v1/r/diff/{old}/{new}/tensor", difference),
    ]
