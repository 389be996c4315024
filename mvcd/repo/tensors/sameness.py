"""Whether a tensor is what it was: by what identifies its content, else by its chunks, else by its bytes."""

from __future__ import annotations

from mvcd.repo.contents.files import ABSENT
from mvcd.repo.contents.pieces import UnreadableContent, blaming, same, windows
from mvcd.repo.tensors.tensortable import TensorRow, TensorSides


class Sameness:
    """Tells what became of tensors. `read_bytes` limits what is read for it, all tensors together."""

    def __init__(self, sides: TensorSides, read_bytes: int | None = None) -> None:
        self._sides, self._left = sides, read_bytes

    def kind(self, old: TensorRow | None, new: TensorRow | None) -> tuple[str, str | None]:
        """What became of a tensor, as `TensorDiff` names it; and why its data cannot be read, for one that
        counts as changed for that reason."""
        if old is None:
            return "added", None
        if new is None:
            return "removed", None
        if (old.dtype, old.shape) != (new.dtype, new.shape):
            return ("reshaped" if old.dtype == new.dtype else "retyped"), None
        if old.name != new.name:
            return "renamed", None
        try:
            return ("unchanged" if self._equal(*self._sides.level(old, new)) else "changed"), None
        except (UnreadableContent, *ABSENT) as error:
            return "changed", why_unread(error)

    def _equal(self, old: TensorRow, new: TensorRow) -> bool:
        """By content keys; where the cutting did not heed tensors, by chunks, then by the bytes in question."""
        if old.key is not None and new.key is not None:
            return old.key == new.key
        if old.size != new.size or old.coded != new.coded:
            return self._differ(old, new)
        if old.stored_size == new.stored_size != old.size:  # else the pieces are what is stored
            runs = windows(old.stored(), 1, new.stored(), 1)
            if all(same(a, b) for a, b in runs):
                return True
        before, after = self._sides.old.content, self._sides.new.content
        for a, b in windows(old.pieces(), 1, new.pieces(), 1):
            if same(a, b):
                continue
            self._spend(sum(piece.stop - piece.start for piece in (*a, *b)))
            with blaming(new.path):
                if before.join(a) != after.join(b):
                    return self._differ(old, new)
        return True

    @staticmethod
    def _differ(old: TensorRow, new: TensorRow) -> bool:
        """False. Raises Unreadable for elements in code, which may be equal though their bytes are not."""
        if old.coded or new.coded:
            raise UnreadableContent("it is stored in a code that is not read")
        return False

    def _spend(self, size: int) -> None:
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise UnreadableContent(UnreadableContent.LARGE)


def why_unread(error: Exception) -> str:
    return "its content is not here" if isinstance(error, ABSENT) else str(error)
