"""Making a repository: whole or not at all, and never in a store that is somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.errors import Failure
from mvcd.repo.core.config import Config
from mvcd.store.lmdb_store import LmdbStore
from tests.support.engine import Repository
from tests.support.workspace import Bench


class Died(BaseException):
    """As kill -9 would: nothing after it runs but what the kernel does."""


def test_a_store_is_never_taken_over(scratch: Path) -> None:
    """Not even one in which nothing was saved yet: its HEAD would be lost."""
    with Bench(scratch / "one", store=scratch / "store") as one:
        for _ in range(2):
            with pytest.raises(Failure) as caught:
                Bench(scratch / "two", store=scratch / "store")
            assert caught.value.kind == "store-exists"
            assert "mvc workspace add" in str(caught.value.help)
        assert one.reopen().head.branch == "main"
        one.save({"a": "1"})
    with pytest.raises(Failure):
        Bench(scratch / "two", store=scratch / "store")


def test_nor_is_an_empty_one_that_others_push_to(scratch: Path) -> None:
    LmdbStore.create(scratch / "store").close()
    for _ in range(2):
        with pytest.raises(Failure) as caught:
            Bench(scratch / "one", store=scratch / "store")
        assert caught.value.kind == "store-exists"
    with LmdbStore.open(scratch / "store") as store:
        assert store.refs() == {}
        assert list(store.operations()) == []


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("at", ["LmdbStore.create", "LmdbStore.update_refs", "Config.write"])
@pytest.mark.parametrize("before", [True, False])
def test_a_creation_that_was_cut_short_is_completed(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, outside: bool, at: str, before: bool
) -> None:
    owner = {"LmdbStore": LmdbStore, "Config": Config}[at.split(".", maxsplit=1)[0]]
    name = at.split(".")[1]
    real = getattr(owner, name)
    calls = []

    def dying(*words: object, **options: object) -> object:
        calls.append(words)
        if at == "Config.write" and len(calls) == 1:  # what is being made is noted first
            return real(*words, **options)
        if not before:
            made = real(*words, **options)
            if isinstance(made, LmdbStore):
                made.close()
        raise Died

    store = scratch / "store" if outside else None
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying)
        with pytest.raises(Died):
            Bench(scratch / "one", store=store)
    if at == "Config.write" and not before:  # it was made
        with Repository.open(str(scratch / "one")) as repo:
            assert repo.head.branch == "main"
        return
    with Bench(scratch / "one", store=store) as one:
        one.save({"a": "1"})
        assert one.reopen().head.number == 1
        assert [o.verb for o in one.repo.operations()][:2] == ["commit", "add"]
