"""The part of `Repo` that is about annotations: text beside a version, written after it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mvc.api.opened import Opened
from mvc.api.public import moment
from mvcd.ids import VersionId

if TYPE_CHECKING:
    from mvc.api.results import Annotations


class NoteVerbs(Opened):
    """Methods of `Repo` about annotations."""

    def annotations(self, rev: str = "HEAD") -> Annotations:
        """Reads the annotations of a version: key and text, by whom and when."""
        return self._annotations(self._core.resolve(rev))

    def annotate(self, rev: str, texts: Mapping[str, str | None]) -> Annotations:
        """Sets keys of a version to texts, and removes those that are None; returns all that it has then.

        The version stays what it is, and its id too. Annotations go along with `push`, `fetch`, `pull` and
        `clone`; of two texts of one key the later one holds. Keys have up to 250 letters, digits, spaces and
        `. _ - / : + @`; a text has up to 24,576 bytes, a version up to 1,000 keys. `description` is what
        `mvc describe` shows.

        Raises UsageError for a key or text that cannot be one, Failure: kind "no-versions", or "too-many".
        """
        from mvcd.repo.change.annotating import annotate  # late: start-up

        return self._annotations(annotate(self._core, rev, texts, context=self._context()))

    def _annotations(self, id: VersionId) -> Annotations:
        from mvc.api.results import Annotation, Annotations  # late: start-up
        from mvcd.repo.records.annotations import of_version

        found = of_version(self._core.store, id)
        entries = tuple(
            Annotation(key, each.text, moment(each.time_us), each.author)
            for key, each in found.items()
            if each.text is not None
        )
        return Annotations(id.hex(), self._core.version(id).generation, entries)
