"""Digests that others know a file by: of the right bytes, computed once, and none of bytes that are damaged."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvc import Repo
from mvcd.errors import Failure, IntegrityError, UsageError
from mvcd.ids import Kind
from mvcd.repo.contents import digests
from mvcd.repo.contents.digests import DigestAlgorithm, RunningDigests, algorithm_named, digests_of
from mvcd.repo.history import listing
from mvcd.store.lmdb_store import LmdbStore
from tests.repo.capturing import save, take
from tests.support.engine import Repository
from tests.support.spoiling import spoil_store
from tests.support.workspace import Bench

EACH: dict[DigestAlgorithm, Callable[[bytes], str]] = {
    DigestAlgorithm.SHA256: lambda data: hashlib.sha256(data).hexdigest(),
    DigestAlgorithm.GIT_SHA1: lambda data: hashlib.sha1(
        b"blob " + str(len(data)).encode() + b"\0" + data
    ).hexdigest(),
    DigestAlgorithm.MD5: lambda data: hashlib.md5(data).hexdigest(),
}
ASKED = '[digests]\nsha256 = true\nmd5 = false\n"git-sha1" = true\n'
LARGE = 5 << 20
"""Bytes: more than two of the buffers that a large file is read in."""


def all_digests(repo: Repository, algorithm: DigestAlgorithm, rev: str = "HEAD") -> dict[str, str]:
    listed = listing.ls(repo._core, rev, digest=algorithm)
    return {file.path: file.digest for file in listed if file.digest is not None}


def expected(files: dict[str, bytes], algorithm: DigestAlgorithm) -> dict[str, str]:
    return {path: EACH[algorithm](data) for path, data in files.items()}


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("content was read")

    monkeypatch.setattr(digests, "_read_group", refuse)
    monkeypatch.setattr(digests, "_read_one", refuse)


def sample(bench: Bench) -> dict[str, bytes]:
    source = random.Random(1)
    bench.write(
        {
            "large.bin": source.randbytes(LARGE),
            "larger.bin": source.randbytes(LARGE) * 2,
            "zeros.bin": bytes(LARGE + 1),
            "empty": "",
            "literal": "x",
            "again": "x",
            **{f"data/{n}.txt": str(n) * n for n in range(400)},
        }
    )
    os.symlink("large.bin", bench.path("link"))
    return {**bench.files(), "link": b"large.bin"}


# -------------------------------------------------------------------- of bytes


@given(
    buffers=st.lists(st.binary(max_size=40), max_size=12),
    order=st.randoms(use_true_random=False),
    threads=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_buffers_in_any_order_from_any_thread_have_the_digests_of_the_whole(
    buffers: list[bytes], order: random.Random, threads: int
) -> None:
    whole = b"".join(buffers)
    running = RunningDigests(list(DigestAlgorithm), len(whole))
    turns = list(enumerate(buffers))
    order.shuffle(turns)
    workers = [
        threading.Thread(target=lambda mine=turns[n::threads]: [running.bring(*t) for t in mine])
        for n in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert running.finish() == digests_of(whole, list(DigestAlgorithm))
    assert {a: d.hex() for a, d in running.finish()} == {a: f(whole) for a, f in EACH.items()}


def test_a_buffer_is_digested_by_who_brings_it_or_one_before_it() -> None:
    """So it may be written over when the tasks up to it are done."""
    running = RunningDigests([DigestAlgorithm.SHA256], 6)
    late = bytearray(b"cd")
    running.bring(1, late)
    running.bring(0, b"ab")
    late[:] = b"xx"
    running.bring(2, b"ef")
    assert running.finish() == digests_of(b"abcdef", [DigestAlgorithm.SHA256])


def test_the_id_of_a_blob_is_gits(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"some\0bytes\n" * 1000)
    made = subprocess.run(["git", "hash-object", "f"], cwd=tmp_path, capture_output=True, text=True)
    ((_, digest),) = digests_of((tmp_path / "f").read_bytes(), [DigestAlgorithm.GIT_SHA1])
    assert digest.hex() == made.stdout.strip()


def test_an_algorithm_that_is_not_known_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="'crc32'") as caught:
        algorithm_named("crc32")
    assert caught.value.cause == "there are sha256, git-sha1, md5"


# -------------------------------------------------------------------- by a commit


def test_a_commit_computes_those_that_are_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write({"mvc.toml": ASKED})
    files = sample(bench)
    bench.add()
    bench.commit("first")
    forbid_reading(monkeypatch)
    for algorithm in (DigestAlgorithm.SHA256, DigestAlgorithm.GIT_SHA1):
        assert all_digests(bench.repo, algorithm) == expected(files, algorithm)
    with pytest.raises(AssertionError, match="content was read"):
        all_digests(bench.repo, DigestAlgorithm.MD5)


def test_a_capture_computes_them_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.save({"mvc.toml": ASKED, "a": "1"})
    bench.write({"a": b"2" * LARGE})
    save(bench, take(bench, "a"))
    forbid_reading(monkeypatch)
    found = listing.file_digest(bench.repo._core, "a", algorithm=DigestAlgorithm.SHA256)
    assert found == hashlib.sha256(b"2" * LARGE).hexdigest()


def test_a_write_without_a_workspace_computes_them_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({"mvc.toml": ASKED, "a": "1"})
    with Repo.open(bench.root) as repo:
        files = {"mvc.toml": ASKED.encode(), "b": b"2" * LARGE}
        repo.write("heads/v1", files, "written")
    forbid_reading(monkeypatch)
    found = listing.file_digest(bench.repo._core, "b", "heads/v1", algorithm=DigestAlgorithm.SHA256)
    assert found == hashlib.sha256(b"2" * LARGE).hexdigest()


def test_a_commit_that_is_not_asked_computes_none(bench: Bench) -> None:
    bench.save({"a": "1"})
    assert list(bench.repo.store.cache_scan(b"digest/")) == []


@pytest.mark.parametrize(
    "table", ["sha512 = true", 'sha256 = "yes"', "sha256 = 1", "[digests.sha256]"]
)
def test_a_wrong_table_is_named_and_nothing_is_saved(bench: Bench, table: str) -> None:
    bench.save({"a": "1"})
    bench.write({"a": "2", "mvc.toml": f"[digests]\n{table}\n"})
    with pytest.raises(Failure, match=r"\[digests\] (table of mvc.toml is wrong|means nothing)"):
        bench.commit("second")
    assert bench.repo.head.number == 1


# -------------------------------------------------------------------- from what is stored


def test_digests_of_what_is_stored_are_computed_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sample(bench)
    bench.add()
    bench.commit("first")
    for algorithm in DigestAlgorithm:
        assert all_digests(bench.repo, algorithm) == expected(files, algorithm)
    forbid_reading(monkeypatch)
    for algorithm in DigestAlgorithm:
        assert all_digests(bench.repo, algorithm) == expected(files, algorithm)
        one = listing.file_digest(bench.repo._core, "large.bin", algorithm=algorithm)
        assert one == EACH[algorithm](files["large.bin"])


def test_a_row_belongs_to_one_recipe_and_one_algorithm(bench: Bench) -> None:
    files = {"a": b"1" * 1000, "b": b"2" * 1000}
    bench.save(files)
    sha256 = DigestAlgorithm.SHA256
    assert all_digests(bench.repo, sha256) == expected(files, sha256)
    rows = dict(bench.repo.store.cache_scan(b"digest/"))
    recipes = [bytes.fromhex(file.recipe) for file in bench.repo.ls()]
    assert sorted(rows) == sorted(b"digest/sha256/" + recipe for recipe in recipes)
    bench.repo.store.cache_put(dict.fromkeys(rows, b"short"))
    assert all_digests(bench.repo, sha256) == expected(files, sha256), "it is computed anew"
    assert dict(bench.repo.store.cache_scan(b"digest/")) == rows


def test_a_file_that_is_as_before_though_cut_otherwise_is_read_for_its_digest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a commit digested it read at another time than it compared the file with the version before."""
    from mvcd.repo.intake import recut

    data = random.Random(3).randbytes(300_000)
    bench.save({"mvc.toml": ASKED, "a": data})
    bench.repo.store.cache_put(dict.fromkeys(dict(bench.repo.store.cache_scan(b"digest/"))))
    monkeypatch.setattr(recut, "is_cut_alike", lambda *_: False)
    monkeypatch.setattr(recut, "has_content", lambda *_: True)
    bench.write({"a": data[:-1] + bytes([data[-1] ^ 1]), "b": "1"})
    bench.commit("second")
    found = listing.file_digest(bench.repo._core, "a", algorithm=DigestAlgorithm.SHA256)
    assert found == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("path", ["large.bin", "data/300.txt"])
@pytest.mark.parametrize("kind", [Kind.CHUNK, Kind.RECIPE])
def test_damaged_content_has_no_digest(bench: Bench, path: str, kind: Kind) -> None:
    files = sample(bench)
    bench.add()
    bench.commit("first")
    store = bench.repo.store
    assert isinstance(store, LmdbStore)
    spoil_store(store, {kind})
    for _ in range(2):
        with pytest.raises(IntegrityError):
            all_digests(bench.repo, DigestAlgorithm.SHA256)
        with pytest.raises(IntegrityError) as caught:
            listing.file_digest(bench.repo._core, path, algorithm=DigestAlgorithm.SHA256)
        assert path in f"{caught.value} {caught.value.cause}"
    known = dict(store.cache_scan(b"digest/"))
    right = {bytes.fromhex(d) for d in expected(files, DigestAlgorithm.SHA256).values()}
    assert set(known.values()) <= right


def test_paths_and_what_they_lack(bench: Bench) -> None:
    bench.save({"a": "1", "d/b": "2", "d/e/c": "3"})
    sha256 = DigestAlgorithm.SHA256
    below = listing.ls(bench.repo._core, "HEAD", "d", digest=sha256)
    assert [file.path for file in below] == ["d/b", "d/e/c"]
    with pytest.raises(Failure, match="HEAD has no nothing"):
        list(listing.ls(bench.repo._core, "HEAD", "nothing", digest=sha256))
    for path in ("nothing", "d"):
        with pytest.raises(Failure, match=f"HEAD has no {path}"):
            listing.file_digest(bench.repo._core, path, algorithm=sha256)
