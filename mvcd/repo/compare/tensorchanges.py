"""Which tensors changed: names and counts, no figures. By name across files, as tensormatch.py matches them."""

from __future__ import annotations

from collections.abc import Iterable

from mvcd.inspect.layers import model_of
from mvcd.inspect.tensors import TensorChanges
from mvcd.monitor import Silent
from mvcd.repo.compare.sides import Side, Sides
from mvcd.repo.contents.pieces import Content, UnreadableContent
from mvcd.repo.records.differences import WeightChanges
from mvcd.repo.tensors.differing import Differing
from mvcd.repo.tensors.figures import Figures
from mvcd.repo.tensors.tensordiff import TensorDiff
from mvcd.repo.tensors.tensortable import TensorSide, TensorSides

READ_BYTES = 64 << 20
"""Read at most to tell whether tensors of formats that do not rule the cutting (npz, GGUF, ONNX, TensorFlow)
changed: mostly their chunks tell, at the seams their bytes must. A tenth of a second."""


def compare_tensors(sides: Sides) -> WeightChanges:
    """Compares changed weight files. What is not here, pruned or never fetched, takes no part."""
    both = TensorSides(_side(sides, sides.old), _side(sides, sides.new))
    table = Differing(both, lambda: sides.changes, Figures(both, Silent()), read_bytes=READ_BYTES)
    files: dict[str, list[TensorDiff]] = {}
    across: list[TensorDiff] = []
    alone: list[tuple[str, TensorDiff]] = []
    came: dict[str, int] = {}
    for tensor in table.tensors:
        paths = {form.path for form in (tensor.old, tensor.new) if form is not None}
        path = min(paths)
        if tensor.new is not None and _came(sides, tensor.new.path):
            came[tensor.new.path] = came.get(tensor.new.path, 0) + 1
        if len(paths) > 1:
            across.append(tensor)
        elif path not in sides.changes or None not in sides.changes[path]:
            files.setdefault(path, []).append(tensor)
        else:
            alone.append((path, tensor))
    models = {model_of(f.path) for t in across for f in (t.old, t.new) if f is not None}
    across += [tensor for path, tensor in alone if model_of(path) in models]
    return WeightChanges(
        {path: _changes(tensors) for path, tensors in sorted(files.items())},
        _changes(across) if across else None,
        tuple(path for path in table.absent if path),
        came,
        any(tensor.problem == UnreadableContent.LARGE for tensor in table.tensors),
    )


def _came(sides: Sides, path: str) -> bool:
    return path in sides.changes and sides.changes[path][0] is None


def _side(sides: Sides, side: Side) -> TensorSide:
    content = Content(side.fetch, None, side.place)
    return TensorSide(side.version, content, sides.weights_on_one_side)


def _changes(tensors: Iterable[TensorDiff]) -> TensorChanges:
    found: dict[str, list[str]] = {field: [] for field in TensorChanges.__slots__}
    renamed = []
    for tensor in tensors:
        if tensor.kind == "renamed":
            renamed.append((tensor.old_name or "", tensor.name))
        else:
            found["uncompared" if tensor.problem else tensor.kind].append(tensor.name)
    del found["renamed"]
    lists = {kind: tuple(sorted(names)) for kind, names in found.items()}
    return TensorChanges(**lists, renamed=tuple(sorted(renamed)))
