"""What an automatic version says of itself: "checkpoint-40: eval_loss 3.61 (-0.12), 148 tensors".

The first line (headline.py) answers what a person asks first. The body has a line for each component that the
first line does not tell whole: "weights: 3 files added (148 tensors)".
"""

from __future__ import annotations

from collections.abc import Sequence

from mvcd.daemon import phrases
from mvcd.daemon.headline import headline
from mvcd.repo.records.differences import Diff

_BODY_CELLS = 76
"""Cells of a line of the body: `mvc log` indents it by four, and terminals have 80 columns."""


def describe(diff: Diff, names: Sequence[str] = ()) -> str:
    """The first line, of 1 to 72 cells, and after an empty one what it does not tell, a line a component.

    `names` are those of the sets that make the version (`mvcd.daemon.sets.Found.name`).
    """
    first, told = headline(diff, names)
    body = []
    for component in diff.components:
        of_it = phrases.parts(diff, component)
        if any((component, part) not in told for part in of_it):
            body.append(phrases.line(diff, component, _BODY_CELLS))
    return "\n".join([first, "", *body] if body else [first])
