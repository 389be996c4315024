"""What a model of xgboost says of itself: `save_model`, as JSON or UBJSON (its doc/tutorials/saving_model.rst).

    learner.learner_model_param    features, classes, targets, base score
    learner.objective              its name and parameters
    learner.gradient_booster       gbtree, dart or gblinear; trees
    learner.feature_names, attributes

The trees' arrays are text, or numbers in big-endian order of some dozen bytes each, so they are counted and not
listed as tensors. Models of the binary format, which xgboost 3.1 no longer reads, are bytes.
"""

from __future__ import annotations

from mvcd.inspect.jsonwalk import ITEM, Path, Scalar, walk_json, walk_ubjson
from mvcd.inspect.spans import NotThisFormat, ReadAt
from mvcd.inspect.tensorfile import Metadata, TensorFile, digested, number_in

FORMAT = "xgboost"
_JSON = b'{"learner":'
_UBJSON = b"{L" + (7).to_bytes(8, "big") + b"learne"
_MAX_NAMES = 1_000_000
_MAX_VALUES = 10_000
_MAX_CHARACTERS = 16 << 20  # of all that is kept
_MODEL = {
    "num_feature": "features",
    "num_class": "classes",
    "num_target": "targets",
    "base_score": "base_score",
}


def looks_like(head: bytes, size: int) -> bool:
    return size > len(_UBJSON) and head.startswith((_JSON, _UBJSON))


def read(read_at: ReadAt, size: int) -> TensorFile:
    """The metadata of a model; it has no tensors. Raises NotThisFormat."""
    said = _Said()
    walk = walk_json if read_at(0, len(_JSON)) == _JSON else walk_ubjson
    walk(read_at, size, said.hear)
    if "booster" not in said.found:
        raise NotThisFormat("no booster")
    return TensorFile(FORMAT, {}, said.metadata())


class _Said:
    def __init__(self) -> None:
        self.found: dict[str, Metadata] = {}
        self._objective: dict[str, Metadata] = {}
        self._attributes: dict[str, Metadata] = {}
        self._names: list[str] = []
        self._types: list[str] = []
        self._trees = self._nodes = self._characters = 0

    def hear(self, path: Path, value: Scalar) -> None:
        match path:
            case ("learner", "gradient_booster", *_, "trees", item, "tree_param", "num_nodes") if (
                item == ITEM
            ):
                self._trees += 1
                self._nodes += int(value) if isinstance(value, str) and value.isdecimal() else 0
            case ("learner", "gradient_booster", "name"):
                self._keep(self.found, "booster", value)
            case ("learner", "gradient_booster", *_, "num_parallel_tree"):
                self._keep(self.found, "parallel_trees", value)
            case ("learner", "gradient_booster", "model", "boosted_rounds"):
                self._keep(self.found, "rounds", value)
            case ("learner", "learner_model_param", key) if key in _MODEL:
                self._keep(self.found, _MODEL[key], value)
            case ("learner", "objective", "name"):
                self._keep(self.found, "objective", value)
            case ("learner", "objective", _, key):
                self._keep(self._objective, key, value)
            case ("learner", "attributes", key):
                self._keep(self._attributes, key, value)
            case ("learner", "feature_names", _):
                self._list(self._names, value)
            case ("learner", "feature_types", _):
                self._list(self._types, value)

    def metadata(self) -> dict[str, Metadata]:
        found = dict(self.found)
        if found.get("booster") != "gblinear":
            found |= {"trees": self._trees, "nodes": self._nodes}
        for key, values in (("feature_names", self._names), ("feature_types", self._types)):
            if values:
                found[key] = digested(values)
        for key, kept in (("parameters", self._objective), ("attributes", self._attributes)):
            if kept:
                found[key] = kept
        return found

    def _keep(self, where: dict[str, Metadata], key: str, value: Scalar) -> None:
        """Texts that are numbers are these: xgboost writes all its parameters as texts."""
        self._characters += len(key) + len(str(value))
        if len(where) >= _MAX_VALUES or self._characters > _MAX_CHARACTERS:
            raise NotThisFormat("more metadata than we keep")
        where[key] = number_in(value) if isinstance(value, str) else value

    def _list(self, where: list[str], value: Scalar) -> None:
        self._characters += len(str(value))
        if len(where) >= _MAX_NAMES or self._characters > _MAX_CHARACTERS:
            raise NotThisFormat("more names than we keep")
        where.append(str(value))
