"""The verbs of a `Repository` that look for damage and heal it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvcd.repo.core.core import Core
from mvcd.repo.records.results import Check, VerifyReport

if TYPE_CHECKING:
    from mvcd.repo.care.healing import Healed


class CareVerbs:
    """A part of `Repository`."""

    _core: Core

    def verify(self, *, read_data: bool = True) -> VerifyReport:
        """Re-hashes every stored object (unless told not to) and walks every link."""
        from mvcd.repo.care import verify  # late: start-up

        return verify.verify(self._core, read_data=read_data)

    def doctor(self) -> tuple[Check, ...]:
        from mvcd.repo.care import doctor  # late: start-up

        return tuple(doctor.checks(self._core.root))

    def heal_from_files(self) -> int:
        """Stores anew what is known to be damaged and whose good bytes are in the workspace; how many
        objects."""
        from mvcd.repo.care import healing  # late: start-up

        return healing.heal_from_files(self._core)

    def heal_from_remote(self, name: str | None) -> Healed:
        """Verifies everything and fetches anew what is damaged or missing."""
        from mvcd.repo.care import healing  # late: start-up

        return healing.heal_from_remote(
            self._core, name, self._core.place.store_path(self._core.config)
        )

    def damaged(self) -> int:
        """How many objects are known to be damaged."""
        return len(self._core.store.damaged())
