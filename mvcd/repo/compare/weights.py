"""The tensors of both sides of a comparison."""

from __future__ import annotations

from mvcd.repo.compare.sides import Sides
from mvcd.repo.contents.pieces import Content
from mvcd.repo.core.core import Core
from mvcd.repo.tensors.labelled import Weights
from mvcd.repo.tensors.tensortable import TensorSide, TensorSides


def weights(core: Core, sides: Sides) -> Weights:
    """The tensors of two sides, of which nothing is read yet."""
    old, new = sides.old, sides.new
    before = Content(old.fetch, core.store, None)
    after = Content(new.fetch, None if new.place else core.store, new.place)
    also = sides.weights_on_one_side
    both = TensorSides(TensorSide(old.version, before, also), TensorSide(new.version, after, also))
    return Weights(both, core.monitor, lambda: sides.changes)
