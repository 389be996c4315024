"""Writes the pickle fixtures beside it. Run with joblib 1.5.3, scikit-learn 1.9.1 and numpy 2:
`python make_pickle_files.py`.

`pickles.json` holds what the loaded objects say of their arrays (dtype, shape, SHA-256 in row order), by the
paths of attributes, keys and positions.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

HERE = Path(__file__).parent
NAMES = {"float32": "F32", "float64": "F64", "int64": "I64", "int32": "I32", "uint8": "U8"}


def fitted() -> dict[str, object]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((30, 4))
    y = (x[:, 0] > 0).astype("i8")
    return {
        "pipe": make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y),
        "tree": DecisionTreeClassifier(max_depth=2).fit(x, y),
        "fortran": np.asfortranarray(x[:3].astype("f4")),
        "big": np.arange(3, dtype=">i4"),
        "empty": np.zeros((0, 2)),
        "scalar": np.array(2.5),
        "odd": x[::2, 1:3],
    }


def arrays(value: object, path: str = "") -> dict[str, list[object]]:
    if isinstance(value, np.ndarray):
        name = NAMES.get(value.dtype.name, value.dtype.str)
        name = value.dtype.str if value.dtype.str.startswith(">") else name
        return {path: [name, list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]}
    parts: list[tuple[object, object]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, (list, tuple)):
        parts = list(enumerate(value))
    elif hasattr(value, "__getstate__") and isinstance(state := value.__getstate__(), dict):
        parts = list(state.items())
    found: dict[str, list[object]] = {}
    for key, child in parts:
        found |= arrays(child, f"{path}.{key}" if path else str(key))
    return found


def main() -> None:
    value = fitted()
    joblib.dump(value, HERE / "sk.joblib")
    for protocol in (3, 4, 5):
        (HERE / f"sk{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))
    weights = {"linear.weight": np.ones((2, 3), "f4"), "linear.bias": np.zeros(3, "f4")}
    names = {"linear.weight": "linear_0.w_0", "linear.bias": "linear_0.b_0"}
    named = {**weights, "StructuredToParameterName@@": names}
    (HERE / "paddle.pdparams").write_bytes(pickle.dumps(named, 4))
    answers = {"sk": arrays(value), "paddle": arrays(weights)}
    (HERE / "pickles.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
