"""The inputs that tests/vectors/chunking.json describes, made from its recipes.

`python -m tests.chunking.inputs` judges the inputs anew with the Python reference and writes the file:
only ever right together with a new format version, since cut points are what deduplication rests on.
"""

from __future__ import annotations

import hashlib
import json
from itertools import count
from pathlib import Path
from typing import Any

from mvcd.chunking.cut import cut_points, weight
from mvcd.chunking.params import ChunkParams

VECTORS = Path(__file__).parents[1] / "vectors" / "chunking.json"
MASK64 = (1 << 64) - 1


def splitmix64(seed: int, size: int) -> bytes:
    """Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), words little-endian."""
    words = bytearray()
    while len(words) < size:
        seed = (seed + 0x9E3779B97F4A7C15) & MASK64
        z = ((seed ^ seed >> 30) * 0xBF58476D1CE4E5B9) & MASK64
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK64
        words += (z ^ z >> 31).to_bytes(8, "little")
    return bytes(words[:size])


def rows(size: int) -> bytes:
    text = bytearray()
    for i in count():
        if len(text) >= size:
            return bytes(text[:size])
        text += b"%d,%d,%d\n" % (i, i * 7919 % 10007, i * i % 65521)
    raise AssertionError


def make(recipe: dict[str, Any]) -> bytes:
    match recipe:
        case {"splitmix64": seed, "size": size}:
            return splitmix64(seed, size)
        case {"repeat": pattern, "size": size}:
            unit = bytes.fromhex(pattern)
            return (unit * (size // len(unit) + 1))[:size]
        case {"rows": size}:
            return rows(size)
        case {"concat": parts}:
            return b"".join(make(part) for part in parts)
    raise ValueError(f"unknown recipe {recipe}")


def params_of(sizes: list[int]) -> ChunkParams:
    return ChunkParams(*sizes)


def judged(case: dict[str, Any]) -> dict[str, Any]:
    data = make(case["input"])
    points = list(cut_points(data, final=case["final"], params=params_of(case["params"])))
    return {**case, "sha256": hashlib.sha256(data).hexdigest(), "points": points}


def weighed(case: dict[str, Any]) -> dict[str, Any]:
    return {**case, "weight": f"{weight(make(case['input'])):016x}"}


def write() -> None:
    document = json.loads(VECTORS.read_text())
    head = {key: value for key, value in document.items() if key not in {"cases", "weights"}}
    text = json.dumps(head, indent=2, ensure_ascii=False)[:-2]
    text += _listed("weights", [weighed(case) for case in document["weights"]])
    text += _listed("cases", [judged(case) for case in document["cases"]])
    VECTORS.write_text(text + "\n}\n")


def _listed(key: str, values: list[dict[str, Any]]) -> str:
    """One line a value, so that a changed vector is one line in a diff."""
    return (
        f',\n  "{key}": [\n    ' + ",\n    ".join(json.dumps(value) for value in values) + "\n  ]"
    )


if __name__ == "__main__":
    write()
