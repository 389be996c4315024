"""Writes the models below `trees/`. Run with xgboost 3.2.0, lightgbm 4.7.0 and numpy 2.

Each model is there twice, in `old` and with one more round in `new`. `trees.json` holds what the libraries say
of the old ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import lightgbm as lgb
import numpy as np
import xgboost as xgb

HERE = Path(__file__).parent / "trees"
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
Y = (X[:, 0] + 0.3 * RNG.standard_normal(60) > 0).astype(int)
Y3 = RNG.integers(0, 3, 60)
NAMES = ["age", 'net "}, worth', "größe", "d"]
BINARY = {"objective": "binary:logistic", "max_depth": 2, "scale_pos_weight": 0.5, "nthread": 1}
DART = {
    "objective": "multi:softprob",
    "num_class": 3,
    "max_depth": 2,
    "booster": "dart",
    "nthread": 1,
}
LINEAR = {
    "objective": "reg:squarederror",
    "booster": "gblinear",
    "updater": "coord_descent",
    "nthread": 1,
}
LIGHT = {
    "objective": "multiclass", "num_class": 3, "num_leaves": 4, "min_data_in_leaf": 5, "verbose": -1,
    "num_threads": 1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip


def boosted(
    parameters: dict[str, object], target: np.ndarray, rounds: int, named: bool
) -> xgb.Booster:
    data = xgb.DMatrix(X, label=target, feature_names=NAMES if named else None)
    return xgb.train(parameters, data, rounds)


def say(model: xgb.Booster) -> dict[str, object]:
    config = json.loads(model.save_config())["learner"]
    told: dict[str, object] = {
        "features": model.num_features(),
        "booster": config["gradient_booster"]["name"],
        "objective": config["objective"]["name"],
    }
    if told["booster"] != "gblinear":
        trees = model.get_dump(dump_format="json")
        told |= {"trees": len(trees), "nodes": sum(tree.count("nodeid") for tree in trees)}
    if model.feature_names:
        told["feature_names"] = list(model.feature_names)
    return told


def main() -> None:
    answers: dict[str, dict[str, object]] = {}
    for side, more in (("new", 1), ("old", 0)):
        (HERE / side).mkdir(parents=True, exist_ok=True)
        for name, parameters, target in (
            ("binary", BINARY, Y),
            ("dart", DART, Y3),
            ("linear", LINEAR, Y),
        ):
            model = boosted(parameters, target, 2 + more, name == "binary")
            for suffix in ("json", "ubj"):
                model.save_model(HERE / side / f"{name}.{suffix}")
                answers[f"{name}.{suffix}"] = say(model)
        light = lgb.train(
            LIGHT, lgb.Dataset(X, label=Y3, feature_name=["age", "b", "c", "d"]), 1 + more
        )
        light.save_model(HERE / side / "light.txt")
        trees = light.dump_model()["tree_info"]
        answers["light.txt"] = {
            "trees": light.num_trees(),
            "features": light.num_feature(),
            "feature_names": light.feature_name(),
            "leaves": sum(tree["num_leaves"] for tree in trees),
            "classes": light.dump_model()["num_class"],
        }
    (HERE / "trees.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
