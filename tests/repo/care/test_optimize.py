"""A repository's content in fewer bytes: versions stay as they are."""

from __future__ import annotations

import pytest

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import Bytes
from tests.support.workspace import Bench

TEXT = "".join(f"{n},{n % 7},{n % 11}\n" for n in range(30_000))


def hasty(_: Encoder, data: Bytes, **__: object) -> Encoded:
    return Encoded(Codec.RAW, len(data), bytes(data))


def test_what_a_hasty_release_stored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode", hasty)
        bench.save({"rows.csv": TEXT})
        bench.save({"rows.csv": TEXT + "1,2,3\n"})
    before = bench.repo._core.store.stats().pack_bytes
    told = bench.repo.optimize(dry_run=True)
    report = bench.repo.optimize()
    assert told.rewritten == report.rewritten > 0
    assert report.freed_bytes == before - bench.repo._core.store.stats().pack_bytes > before / 2
    assert bench.repo.read("rows.csv", "v1") == TEXT.encode()
    assert bench.repo.verify().ok
    assert bench.repo.gc(context=bench.context()).objects == 0
    assert bench.repo.optimize().rewritten == 0
