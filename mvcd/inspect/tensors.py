"""Which tensors came, went, changed their form or their content, by name."""

from __future__ import annotations

from mvcd.lateclasses import dataclass


@dataclass(frozen=True, slots=True)
class TensorChanges:
    """Names of tensors, sorted; every tensor of both sides is in exactly one of the lists.

    A tensor whose dtype and shape both changed counts as retyped. `renamed` has (old, new) names of equal form
    and content; `uncompared` what has equal form, but to tell whether it changed much would have to be read, or
    content that is not here.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    uncompared: tuple[str, ...] = ()
