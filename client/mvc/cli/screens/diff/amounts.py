"""By how much tensors changed, in the list of those that did: told where that is quick to find out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.diff import Diff
    from mvc.api.weights import TensorDiff

QUICK_BYTES = 384 << 20
"""Bytes of changed tensors, both sides together, that are read by themselves: 0.3 to 0.6 s on two cores."""


class Amounts:
    """Notes of one diff: "by 0.12 %" is the norm of the difference as a share of the norm before, "in 3 % of
    the bytes" all that is known of tensors whose packing is not read."""

    def __init__(self, diff: Diff, paths: Collection[str] | None = None) -> None:
        """With `paths` only of the models in these files, and of what lies in another file than before."""
        self._found: dict[tuple[str, str], TensorDiff] = {}
        self._left_bytes = diff.measure_weights(QUICK_BYTES, paths)
        changes = [*diff.tensors.values(), diff.across]
        if self._left_bytes or not any(each.changed for each in changes if each is not None):
            return  # the table of all tensors has a row for each file, changed or not
        for tensor in diff.weights.of_kind("changed"):
            if tensor.new is not None and tensor.measured:
                self._found[tensor.new.path, text.safe(tensor.name)] = tensor
                self._found.setdefault(("", text.safe(tensor.name)), tensor)

    def note(self, path: str, names: Sequence[str]) -> str:
        """Says it of tensors of the file `path`, or of any (""); empty where it is not known."""
        found = [self._found.get((path, name)) for name in names]
        known = [tensor for tensor in found if tensor is not None]
        if not known or len(known) < len(found):
            return ""
        packed = [tensor.changed_fraction for tensor in known if tensor.packed]
        shares = [tensor.relative_l2 for tensor in known if not tensor.packed]
        if not all(map(math.isfinite, shares)):
            return ""
        notes = [f"by {_range(shares)}"] if shares else []
        if packed:
            which = f"{len(packed)} packed " if shares else ""
            notes.append(f"{which}in {_range(packed)} of the bytes")
        return ", ".join(notes)

    def left_out(self) -> Iterator[str]:
        """Says why nothing is told, if it is not."""
        if self._left_bytes:
            size = text.size(self._left_bytes)
            yield f"    by how much they changed takes reading over {size}: mvc diff --tensors"


def _range(shares: Sequence[float]) -> str:
    """ "0.12 %", or "0.12 to 3.4 %"."""
    least, most = (_percent(share) for share in (min(shares), max(shares)))
    return f"{least} %" if least == most else f"{least} to {most} %"


def _percent(share: float) -> str:
    return f"{100 * share:.2g}" if share < 0.995 else f"{100 * share:,.0f}"
