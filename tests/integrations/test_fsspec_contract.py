"""fsspec's own abstract tests against `mvc://`, on a repository without a workspace."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fsspec.tests import abstract

from mvc.integrations.fsspec_fs import MvcFileSystem
from mvcd.store.lmdb_store import LmdbStore


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc]
    @pytest.fixture
    def fs(self) -> Iterator[MvcFileSystem]:
        made = MvcFileSystem(skip_instance_cache=True)
        yield made
        made.close()

    @pytest.fixture
    def fs_path(self, tmp_path: Path) -> str:
        LmdbStore.create(tmp_path / "bare").close()
        return f"{tmp_path}/bare@work/dir"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


@pytest.mark.thorough
class TestCopy(Fixtures, abstract.AbstractCopyTests):  # type: ignore[misc]
    """Within the branch."""


class TestGet(Fixtures, abstract.AbstractGetTests):  # type: ignore[misc]
    """From the branch to a disk."""


class TestPut(Fixtures, abstract.AbstractPutTests):  # type: ignore[misc]
    """From a disk to the branch."""


class TestPipe(Fixtures, abstract.AbstractPipeTests):  # type: ignore[misc]
    """Bytes."""


class TestOpen(Fixtures, abstract.AbstractOpenTests):  # type: ignore[misc]
    """Files."""
