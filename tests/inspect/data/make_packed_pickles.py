"""Writes `packed.*` beside it, which joblib compressed in all its ways, and `packed.json`, what it loads.

Run with joblib 1.6.0 and numpy 2.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import joblib
import numpy as np

HERE = Path(__file__).parent
RNG = np.random.default_rng(9)


def main() -> None:
    value = {
        "coef": RNG.standard_normal((5, 3)),
        "tree": {"left": np.arange(7), "names": ["a" * 40] * 30},
        "turned": np.asfortranarray(RNG.standard_normal((2, 3)).astype("f4")),
        "empty": np.zeros((0, 2)),
        "steps": [("scale", np.ones(4, "f4"))],
    }
    for suffix in ("z", "gz", "bz2", "xz", "lzma"):
        joblib.dump(
            value,
            HERE / f"packed.{suffix}",
            compress=("zlib" if suffix == "z" else {"gz": "gzip"}.get(suffix, suffix), 3),
        )
    arrays = {
        "coef": value["coef"], "tree.left": value["tree"]["left"], "turned": value["turned"],
        "empty": value["empty"], "steps.0.1": value["steps"][0][1],
    }  # fmt: skip
    names = {"float64": "F64", "float32": "F32", "int64": "I64"}
    answers = {
        name: [names[a.dtype.name], list(a.shape), hashlib.sha256(a.tobytes()).hexdigest()]
        for name, a in arrays.items()
    }
    (HERE / "packed.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
