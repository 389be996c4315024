"""A version that a fetch left without its content: by no verb does a ref come to reach it until it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mvc import MissingObject, Repo
from mvcd.ids import Kind

AUTHOR = "Ada <ada@example.org>"
DATA = bytes(range(256)) * 2000


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Repo]:
    (tmp_path / "theirs").mkdir()
    with closing(Repo.init(tmp_path / "theirs", author=AUTHOR)) as repo:
        repo.write("side", {"data.bin": DATA}, "first")
        repo.write("side", {"data.bin": DATA[::-1]}, "second")
        repo.write("side", {"data.bin": DATA}, "third, as the first was")
        yield repo


@pytest.fixture
def ours(tmp_path: Path, theirs: Repo) -> Iterator[Repo]:
    """Knows all of them but one chunk, which the second version alone has."""
    (tmp_path / "ours").mkdir()
    with closing(Repo.init(tmp_path / "ours", author=AUTHOR)) as repo:
        repo.add_remote("origin", str(tmp_path / "theirs"))
        repo.write("main2", {"model.bin": b"ours"}, "ours")
        cut_short(repo, theirs)
        yield repo


def cut_short(ours: Repo, theirs: Repo) -> None:
    """What a fetch had made durable when it was killed."""
    there, here = theirs._core.store, ours._core.store
    ids = there.placed_ids()
    chunks = [id for id in ids if id.kind is Kind.CHUNK]
    lacking = next(id for id in chunks if there.get(id) in DATA[::-1] and there.get(id) not in DATA)
    with here.session() as session:
        for id in ids:
            if id != lacking:
                session.put(id, there.get_encoded(id))
        session.flush()


VERBS: dict[str, Callable[[Repo, str], object]] = {
    "write": lambda repo, id: repo.write("new", {"a": b"b"}, "x", parents=[id]),
    "branch": lambda repo, id: repo.branch("new", id),
    "tag": lambda repo, id: repo.tag("new", id),
    "checkout": lambda repo, id: repo.checkout(id),
    "switch": lambda repo, id: repo.switch("new", create=True, start=id),
    "promote": lambda repo, id: repo.promote(id, "production"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("steps", [0, 1])
def test_it_is_refused_until_it_is_whole(ours: Repo, theirs: Repo, verb: str, steps: int) -> None:
    id = theirs.resolve("side" if not steps else "side~1")
    assert ours.show(id).message.startswith(
        "third" if not steps else "second"
    )  # its record is here
    before = dict(ours._core.store.refs())
    with pytest.raises(MissingObject, match="not whole") as refused:
        VERBS[verb](ours, id)
    assert "mvc fetch" in (refused.value.help or "")
    assert dict(ours._core.store.refs()) == before
    ours.fetch()
    VERBS[verb](ours, id)
    assert ours.verify().ok
