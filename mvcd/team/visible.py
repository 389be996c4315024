"""A team's store as one caller may see it: refs and operations that their globs leave out are not there.

Content is read by digest, and whoever may read a repository may read all of it (TEAM.md); names are another
matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mvcd.team.host import TeamRepository


class VisibleStore:
    """The store of a `TeamRepository`, for reading. What writes goes to the store itself, and is judged
    there."""

    def __init__(self, hosted: TeamRepository) -> None:
        self._hosted = hosted
        self._whole = hosted.sees_all

    def ref(self, name: str) -> bytes | None:
        return self._hosted.store.ref(name) if self._hosted.visible(name) else None

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        found = self._hosted.store.refs(prefix)
        return {name: value for name, value in found.items() if self._hosted.visible(name)}

    def operations(
        self, *, newest_first: bool = True, start: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Rows of operations that moved a ref that may be seen; of some of their moves, without the text."""
        for number, record in self._hosted.store.operations(newest_first=newest_first, start=start):
            shown = record if self._whole else self._shown(record)
            if shown is not None:
                yield number, shown

    def _shown(self, record: bytes) -> bytes | None:
        found: dict[str, Any] = json.loads(record)
        moves = [move for move in found["moves"] if self._hosted.visible(move[0])]
        if not moves:
            return None
        if len(moves) < len(found["moves"]):
            found |= {"moves": moves, "detail": found["verb"]}
        return json.dumps(found, sort_keys=True, ensure_ascii=False).encode()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hosted.store, name)
