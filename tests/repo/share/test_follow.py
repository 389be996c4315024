"""A deployment directory that follows a ref: what it holds after each change, and what is never lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.errors import Failure
from mvcd.repo.release.export_manifest import NAME
from mvcd.repo.share.follow import Followed, follow
from tests.sync.people import Pair


def once(pair: Pair, ref: str = "main") -> list[Followed]:
    return list(pair.ada.repo.follow(None, ref, str(pair.scratch / "live"), once=True))


def deployed(pair: Pair) -> dict[str, bytes]:
    live = pair.scratch / "live"
    return {p.name: p.read_bytes() for p in live.iterdir() if p.name != NAME}


def copies(pair: Pair) -> int:
    return len(list(Path(f"{pair.scratch / 'live'}.versions").iterdir()))


def test_it_switches_and_keeps_the_one_before(pair: Pair) -> None:
    for number in range(4):
        pair.ada.save({"model.bin": f"{number}"})
        pair.ada.push()
        (done,) = once(pair)
        assert done.version == pair.ada.repo.head.version
        assert deployed(pair) == {"model.bin": f"{number}".encode()}
        assert once(pair) == []
        assert copies(pair) == min(number + 1, 2)


def test_a_stage_is_followed_by_its_records(pair: Pair) -> None:
    pair.ada.save({"model.bin": "1"})
    pair.ada.repo.promote("HEAD", "production", context=pair.ada.context(), trust=lambda: None)  # type: ignore[arg-type,return-value]
    pair.ada.save({"model.bin": "2"})
    pair.ada.push()
    once(pair, "production")
    assert deployed(pair) == {"model.bin": b"1"}


def test_it_watches(pair: Pair) -> None:
    pair.ada.save({"model.bin": "1"})
    pair.ada.push()
    bob = pair.join()
    seen = follow(bob.repo._core, None, "main", str(pair.scratch / "live"), once=False)
    assert next(seen).version == pair.ada.repo.head.version
    pair.ada.save({"model.bin": "2"})
    pair.ada.push()
    assert next(seen).version == pair.ada.repo.head.version
    assert deployed(pair) == {"model.bin": b"2"}
    seen.close()  # type: ignore[attr-defined]


def test_what_is_not_ours_is_not_replaced(pair: Pair) -> None:
    pair.ada.save({"model.bin": "1"})
    pair.ada.push()
    (pair.scratch / "live").mkdir()
    with pytest.raises(Failure, match="not made by"):
        once(pair)
    with pytest.raises(Failure, match="no branch"):
        list(pair.ada.repo.follow(None, "nothing", str(pair.scratch / "other"), once=True))
