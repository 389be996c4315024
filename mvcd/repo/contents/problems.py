"""What was not understood of the files that record settings and metrics: a row of the store's cache a version.

`status` asks for no more than this row, and so loads nothing that reads such files (flatvalues.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from blake3 import blake3

from mvcd.objects.version import Component, Version

COMPONENTS = (Component.HYPERPARAMETERS, Component.RESULTS, Component.WEIGHTS)
"""Components whose files may record something; of weights only those with names of their own, as the state of a
trainer has."""

EDITION = b"5"
"""Part of every cache key: raise it when parsing answers differently."""

Problem = tuple[str, str]
"""A path, and why nothing, or not all, is known of it."""


def problems_key(version: Version) -> bytes:
    """The row of all that is not understood of a version's files."""
    roots = [version.components[component].root for component in COMPONENTS]
    form = blake3(b"/".join(b"" if root is None else bytes(root) for root in roots)).digest(
        length=16
    )
    return b"/".join((b"problems", EDITION, form))


def pack_problems(problems: Sequence[Problem]) -> bytes:
    return json.dumps(problems).encode()


def unpack_problems(data: bytes) -> tuple[Problem, ...]:
    return tuple((path, why) for path, why in json.loads(data))
