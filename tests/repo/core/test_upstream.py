"""`mvc status` tells how far the branch and that of each remote are apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mvc import Apart, Repo
from mvcd.repo.core import upstream


def _save(repo: Repo, text: str) -> None:
    Path(repo.root, "params.json").write_text(f'{{"x": "{text}"}}')
    repo.commit(text)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Repo, Repo]]:
    """Two workspaces and the repository that both have as origin; one version in each."""
    Repo.init_bare(tmp_path / "hub")
    (tmp_path / "a").mkdir()
    one = Repo.init(tmp_path / "a")
    one.add(".")
    _save(one, "first")
    one.add_remote("origin", str(tmp_path / "hub"))
    one.push()
    two, _ = Repo.clone(str(tmp_path / "hub"), tmp_path / "b")
    yield one, two
    one.close()
    two.close()


def test_ahead_behind_and_both(pair: tuple[Repo, Repo]) -> None:
    one, two = pair
    assert one.status().apart == two.status().apart == ()
    _save(two, "second")
    _save(two, "third")
    assert two.status().apart == (Apart("origin", ahead=2, behind=0),)
    two.push()
    assert two.status().apart == ()
    assert one.status().apart == ()  # what was not fetched is not known
    one.fetch()
    assert one.status().apart == (Apart("origin", ahead=0, behind=2),)
    _save(one, "beside")
    assert one.status().apart == (Apart("origin", ahead=1, behind=2),)


def test_the_count_ends(pair: tuple[Repo, Repo], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "MAX_APART_VERSIONS", 2)
    one, _ = pair
    for text in "abc":
        _save(one, text)
    assert one.status().apart == (Apart("origin", ahead=2, behind=0),)


def test_an_old_version_and_a_branch_that_no_remote_has(pair: tuple[Repo, Repo]) -> None:
    one, _ = pair
    _save(one, "second")
    one.switch("side", create=True)
    assert one.status().apart == ()
    one.checkout("v1")
    assert one.status().apart == ()
