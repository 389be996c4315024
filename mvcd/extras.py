"""Libraries that only some of what mvc does needs, and that are installed by the name of an extra."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from mvcd.errors import Failure


def require_libraries(who: str, libraries: Sequence[str], extra: str) -> None:
    """Raises Failure(kind="needs-extra") where libraries of an extra are not installed; `who` needs them."""
    absent = [name for name in libraries if find_spec(name) is None]
    if absent:
        raise Failure(
            f"{who} needs the extra {extra}",
            kind="needs-extra",
            cause=f"there is no {' and no '.join(absent)}",
            help=f"pip install 'mvcd[{extra}]'",
        )
