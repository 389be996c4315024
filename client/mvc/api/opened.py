"""An open repository: what the methods of `Repo`, which are in modules by theme, stand on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mvc.api.context import context_of

if TYPE_CHECKING:
    from mvcd.repo.core.config import Config
    from mvcd.repo.core.core import Core
    from mvcd.repo.records.results import Context

Path = str | os.PathLike[str]


class Opened:
    """Holds the engine's `Core` and, while a `with` block runs, the workspace lock."""

    _core: Core
    _author: str | None
    _held: list[AbstractContextManager[None]]

    @classmethod
    def _around(cls, core: Core, author: str | None) -> Self:
        self = cls.__new__(cls)
        self._hold(core, author)
        return self

    def _hold(self, core: Core, author: str | None) -> None:
        core.secret = secret
        self._core, self._author, self._held = core, author, []

    def __enter__(self) -> Self:
        lock = self._core.lock.hold()
        lock.__enter__()
        self._held.append(lock)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.pop().__exit__(kind, error, trace)

    def close(self) -> None:
        """Releases the store. The object cannot be used afterwards."""
        self._core.close()

    def steady(self) -> AbstractContextManager[None]:
        """Returns a block in which names, numbers and descent of versions are worked out once, for whoever asks
        about many versions: `with repo.steady(): ...`. What others change meanwhile may not be seen."""
        from mvcd.repo.history.walk import steady  # late: start-up

        return steady(self._core)

    @property
    def root(self) -> str:
        """The root directory of the workspace; of a repository without one, its own directory."""
        return self._core.root

    @property
    def store_path(self) -> str:
        """The directory of the store."""
        return self._core.store_path

    @property
    def config(self) -> Config:
        """The repository's settings: `get(key)`, `set(key, value)`, `unset(key)`, `items()`."""
        return self._core.config

    def _context(self, author: str | None = None, *, full: bool = False) -> Context:
        return context_of(self.root, self.config, author=author or self._author, full=full)

    def _absolute(self, paths: Iterable[Path]) -> Sequence[str]:
        return [os.path.join(self.root, path) for path in paths]

    def _inside(self, path: Path) -> str:
        """A path in a version, which need not exist in the workspace."""
        from mvcd.repo.workspace.workspace import relative  # late: start-up

        return relative(self.root, os.path.join(self.root, path))


def secret(url: str) -> Mapping[str, str]:
    """Returns the credentials that `mvc login` stored for an address, or `MVC_TOKEN`."""
    from mvc.api.credentials import kept_for  # late: start-up

    return kept_for(url)
