"""Uploads by Xet into one repository: real files and spools, chunks that are not compressed."""

from __future__ import annotations

import hashlib
import os
import random
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import Failure, UsageError
from mvcd.hub import xetbuild, xetshelf, xetuploads
from mvcd.hub.xetbuild import XetLost
from mvcd.hub.xethash import chunk_hash, to_hex
from mvcd.hub.xetshelf import KEPT_SECONDS
from mvcd.hub.xetuploads import SWEEP_SECONDS
from tests.hub.xetmade import Piece, Repository, entry, file_entries, repository, xorb_of

RNG = random.Random(2)
A = [RNG.randbytes(size) for size in (700, 10, 4096)]
B = [RNG.randbytes(size) for size in (50, 3000)]
WHOLE_A = b"".join(A)
NAME_A = to_hex(xorb_of(A)[0])


@pytest.fixture
def repo() -> Iterator[Repository]:
    with repository() as made:
        yield made


def test_a_file_is_made_of_the_chunks_that_its_shard_names(repo: Repository) -> None:
    repo.send(A, B)
    content = A[1] + A[2] + B[0] + A[1]
    repo.send_shard(file_entries([Piece(A, 1, 3), Piece(B, 0, 1), Piece(A, 1, 2)]))
    assert repo.content(content) == content


def test_a_xorb_that_is_here_is_not_taken_again(repo: Repository) -> None:
    name, body = xorb_of(A)
    assert repo.send_xorb(name, body)
    assert not repo.send_xorb(name, body)
    repo.send_shard(file_entries([Piece(A, 0, 3)]))
    assert not repo.send_xorb(name, body)
    repo.contents.spool.drop(hashlib.sha256(WHOLE_A).hexdigest())
    assert repo.send_xorb(name, body)
    assert repo.waiting() == [NAME_A]


def test_bytes_are_kept_once(repo: Repository) -> None:
    """A body goes when all its chunks are in files, and not before."""
    repo.send(A)
    repo.send_shard(file_entries([Piece(A, 0, 2)]))
    assert repo.waiting() == [NAME_A]
    repo.send_shard(file_entries([Piece(A, 2, 3)]))
    assert repo.waiting() == []
    repo.send_shard(file_entries([Piece(A, 0, 3)]))
    assert repo.content(WHOLE_A) == WHOLE_A


def test_a_later_shard_refers_to_what_a_version_holds(repo: Repository) -> None:
    repo.send(A)
    repo.send_shard(file_entries([Piece(A, 0, 3)]))
    repo.commit(WHOLE_A)
    repo.restart()
    repo.send(B)
    content = A[2] + B[0] + WHOLE_A
    repo.send_shard(file_entries([Piece(A, 2, 3), Piece(B, 0, 1), Piece(A, 0, 3)]))
    assert repo.content(content) == content


def test_where_one_file_was_pruned_the_one_before_it_serves(repo: Repository) -> None:
    repo.send(A)
    repo.send_shard(file_entries([Piece(A, 0, 3)]))
    repo.commit(WHOLE_A)
    later = A[2] + WHOLE_A
    repo.send_shard(file_entries([Piece(A, 2, 3), Piece(A, 0, 3)]))
    assert repo.content(later) == later
    repo.contents.spool.drop(hashlib.sha256(later).hexdigest())
    repo.send_shard(file_entries([Piece(A, 1, 3)]))
    assert repo.content(A[1] + A[2]) == A[1] + A[2]


def test_a_file_that_is_here_just_so_is_not_made_again(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.send(A)
    repo.send_shard(file_entries([Piece(A, 0, 3)]))
    monkeypatch.delattr(repo.contents.spool.__class__, "put")
    repo.send_shard(file_entries([Piece(A, 0, 3)]))
    with pytest.raises(AttributeError):
        repo.send_shard(file_entries([Piece(A, 0, 1)]))


def test_an_empty_file_is_made(repo: Repository) -> None:
    repo.send_shard(file_entries([]))
    assert repo.content(b"") == b""


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (file_entries([Piece(A, 0, 3)]).replace(b"\x03\0\0\0", b"\x04\0\0\0"), "has 3 chunks, not 4"),
        (entry(b"f" * 32) + file_entries([Piece(A, 0, 1)])[48:], "without its range hashes"),
        (b"f" * 32 + file_entries([Piece(A, 0, 1)])[32:], "make another"),
        (file_entries([Piece(A, 0, 1)]).replace((700).to_bytes(4, "little"), b"\1\0\0\0"), "another size"),
        (file_entries([Piece(A, 0, 1)])[:96] + b"p" * 32 + file_entries([Piece(A, 0, 1)])[128:], "range hash"),
    ],
)  # fmt: skip
def test_a_shard_that_does_not_tell_the_truth_is_refused(
    repo: Repository, file: bytes, why: str
) -> None:
    """Nothing is made of it, not even the file before."""
    repo.send(A)
    with pytest.raises(UsageError) as caught:
        repo.send_shard(file_entries([Piece(A, 0, 3)]), file)
    assert why in str(caught.value.cause)
    assert repo.content(WHOLE_A) is None and repo.waiting() == [NAME_A]


def test_a_shard_has_so_many_chunks(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.send(A)
    files = [file_entries([Piece(A, 0, 3)]), file_entries([Piece(A, 1, 3)])]
    monkeypatch.setattr(xetbuild, "MAX_SHARD_CHUNKS", 4)
    with pytest.raises(UsageError) as caught:
        repo.send_shard(*files)
    assert "more than 4 chunks" in str(caught.value.cause)
    assert repo.content(WHOLE_A) is None
    monkeypatch.setattr(xetbuild, "MAX_SHARD_CHUNKS", 5)
    repo.send_shard(*files)


def test_a_file_of_another_sha256_is_refused(repo: Repository) -> None:
    repo.send(A)
    with pytest.raises(UsageError) as caught:
        repo.send_shard(file_entries([Piece(A, 0, 3)], sha256=b"s" * 32))
    assert caught.value.kind == "bad-digest"
    assert not any(repo.directory.glob("spool/*"))


# ------------------------------------------------------------------ what was lost


def lost(repo: Repository, *pieces: Piece) -> XetLost:
    """The refusal, which ends the era: what a client knew of before is worth nothing."""
    with pytest.raises(XetLost) as caught:
        repo.send_shard(file_entries(pieces))
    assert repo.uploads.era() != repo.era
    assert caught.value.help == "upload again: all of it is sent then"
    repo.era = repo.uploads.era()
    return caught.value


def test_a_xorb_that_never_came(repo: Repository) -> None:
    repo.send(A)
    lost(repo, Piece(A, 0, 1), Piece(B, 0, 1))


def test_a_file_that_is_in_no_version_any_more(repo: Repository) -> None:
    repo.send(A)
    repo.send_shard(file_entries([Piece(A, 0, 3)]))
    repo.contents.spool.drop(hashlib.sha256(WHOLE_A).hexdigest())
    assert "not here any more" in str(lost(repo, Piece(A, 0, 1)).cause)
    repo.send(A)
    repo.send_shard(file_entries([Piece(A, 0, 1)]))


@pytest.mark.parametrize("change", [b"", b"\0" * 9, b"\xff" * 30])
def test_a_body_that_was_damaged(repo: Repository, change: bytes) -> None:
    repo.send(A)
    (path,) = (repo.directory / "xorbs").iterdir()
    path.write_bytes(change and change + path.read_bytes()[len(change) :])
    assert "damaged" in str(lost(repo, Piece(A, 0, 3)).cause)
    assert repo.waiting() == []


def test_content_at_another_place_than_was_noted(repo: Repository) -> None:
    repo.send(A)
    repo.send_shard(file_entries([Piece(A, 0, 3)]))
    repo.commit(WHOLE_A)
    repo.contents.versions[hashlib.sha256(WHOLE_A).hexdigest()] = b"!" + WHOLE_A
    assert "not where it was noted" in str(lost(repo, Piece(A, 1, 3)).cause)


def test_bodies_wait_a_week_from_the_last_time_that_they_came(repo: Repository) -> None:
    repo.send(A, B)
    repo.now += KEPT_SECONDS - 1
    assert not repo.send_xorb(*xorb_of(A))
    repo.now += 2
    assert repo.uploads.era() != repo.era
    assert repo.waiting() == [NAME_A]
    repo.era = repo.uploads.era()
    lost(repo, Piece(B, 0, 1))


def test_a_file_that_nobody_committed_ends_the_era_before_a_client_counts_on_it(
    repo: Repository,
) -> None:
    repo.send(A)
    repo.send_shard(file_entries([Piece(A, 0, 3)]))
    for _ in range(30):
        repo.now += SWEEP_SECONDS
        assert repo.uploads.era() == repo.era  # looking does not make it wait longer
    repo.contents.spool.sweep()
    repo.now += SWEEP_SECONDS
    assert repo.uploads.era() != repo.era
    repo.era = repo.uploads.era()
    repo.now += SWEEP_SECONDS
    assert repo.uploads.era() == repo.era


def test_nothing_that_waits_outlasts_a_new_start_of_the_system(repo: Repository) -> None:
    repo.send(A)
    era = repo.era
    repo.restart()
    assert repo.era == era and repo.waiting() == [NAME_A]
    repo.restart(b"second run")
    assert repo.era != era and repo.waiting() == []
    lost(repo, Piece(A, 0, 1))


def test_what_came_partly_goes_after_a_week(repo: Repository) -> None:
    with repo.shelf.arriving(3, "a xorb") as file:
        file.write(b"abc")
        file.flush()
        os.link(file.name, repo.directory / "xorbs" / "00.part")  # as a killed server leaves one
    os.utime(repo.directory / "xorbs" / "00.part", (repo.now, repo.now))
    repo.now += KEPT_SECONDS + 1
    assert repo.uploads.era() == repo.era
    assert repo.waiting() == []


def test_so_many_bytes_may_wait(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xetshelf, "MAX_WAITING_BYTES", 2 * sum(map(len, A)))
    repo.send(A)
    with pytest.raises(Failure) as caught:
        repo.send([b"!" * 5000])
    assert caught.value.kind == "too-many-uploads"


# ------------------------------------------------------------------ questions for chunks


def known(repo: Repository, chunk: bytes, session: str = "s") -> set[bytes]:
    """Which of all chunks an answer lists."""
    answer = repo.uploads.known_chunks(chunk_hash(chunk), session) or b""
    return {each for each in A + B if chunk_hash(each) in answer}


def test_the_first_chunk_of_a_file_tells_all_its_xorbs(repo: Repository) -> None:
    repo.send(A, B)
    repo.send_shard(file_entries([Piece(A, 1, 2), Piece(B, 0, 1)]))
    repo.uploads.known_chunks(bytes(32), "s")  # so that the session has its first answer
    assert known(repo, A[1]) == {*A, *B}
    assert known(repo, A[0]) == known(repo, b"nothing") == set()


def test_the_first_question_of_a_session_is_answered_with_what_came_last(repo: Repository) -> None:
    assert known(repo, b"nothing", "before") == set()
    repo.send(A, B)
    repo.send_shard(file_entries([Piece(A, 0, 1)]))
    repo.send_shard(file_entries([Piece(B, 0, 1)]))
    assert known(repo, b"nothing", "first") == {*A, *B}
    assert known(repo, b"nothing", "first") == known(repo, b"nothing", "before") == set()
    assert known(repo, b"nothing", "second") == {*A, *B}


def test_sessions_are_remembered_within_bounds(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xetuploads, "MAX_SESSIONS", 2)
    repo.send(A)
    repo.send_shard(file_entries([Piece(A, 0, 1)]))
    for session in ("1", "2", "3"):
        known(repo, b"nothing", session)
    assert known(repo, b"nothing", "1") and not known(repo, b"nothing", "3")


def test_an_answer_lists_so_many_chunks(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xetuploads, "MAX_ANSWER_CHUNKS", len(A) + len(B) - 1)
    repo.send(A, B)
    repo.send_shard(file_entries([Piece(B, 0, 2), Piece(A, 0, 3)]))
    assert known(repo, B[0]) == {*B}
    monkeypatch.setattr(xetuploads, "MAX_ANSWER_CHUNKS", 1)
    assert known(repo, B[0]) == {*B}  # the first xorb always
    monkeypatch.setattr(xetuploads, "MAX_ANSWER_CHUNKS", len(A) + len(B))
    assert known(repo, B[0]) == {*A, *B}


def test_an_answer_looks_for_so_many_files(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one goes on from there: what was seen to be here is not looked for again."""
    repo.send(A, B)
    files = [file_entries([Piece(xorb, at, at + 1)]) for xorb in (A, B) for at in range(len(xorb))]
    repo.send_shard(*files, file_entries([Piece(A, 0, 3), Piece(B, 0, 2)]))
    repo.contents.spool.drop(hashlib.sha256(WHOLE_A + b"".join(B)).hexdigest())
    monkeypatch.setattr(xetuploads, "MAX_LOOKUPS", 4)
    assert known(repo, b"nothing", "1") == {*A}
    assert known(repo, b"nothing", "2") == {*A, *B}


def test_what_is_gone_is_not_answered(repo: Repository) -> None:
    repo.send(A, B)
    repo.send_shard(file_entries([Piece(A, 0, 3), Piece(B, 0, 1)]))
    assert known(repo, A[0]) == {*A, *B}
    repo.contents.spool.drop(hashlib.sha256(WHOLE_A + B[0]).hexdigest())
    assert known(repo, A[0]) == {*A, *B}  # for an hour it is not looked at again
    repo.now += SWEEP_SECONDS
    assert known(repo, A[0]) == {*B}  # a chunk of B is in no file, so its body waits
    assert not repo.send_xorb(*xorb_of(B))


# ------------------------------------------------------------------ any order of anything


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_whatever_comes_and_goes_a_file_is_right_or_refused(rng: random.Random) -> None:
    xorbs = [
        [bytes([n, i]) * rng.randrange(1, 9) for i in range(rng.randrange(1, 5))] for n in range(3)
    ]
    contents: list[bytes] = []
    with repository() as repo:
        for _ in range(12):
            match rng.randrange(5):
                case 0:
                    repo.send(rng.choice(xorbs))
                case 1 if contents:
                    gone = hashlib.sha256(rng.choice(contents)).hexdigest()
                    repo.contents.spool.drop(gone)
                    repo.contents.versions.pop(gone, None)
                case 2 if contents and repo.contents.spool.has(
                    hashlib.sha256(contents[-1]).hexdigest()
                ):
                    repo.commit(contents[-1])
                case _:
                    pieces = []
                    for _ in range(rng.randrange(1, 4)):
                        xorb = rng.choice(xorbs)
                        start = rng.randrange(len(xorb))
                        pieces.append(Piece(xorb, start, rng.randrange(start, len(xorb)) + 1))
                    content = b"".join(chunk for piece in pieces for chunk in piece.chunks)
                    try:
                        repo.send_shard(file_entries(pieces))
                    except XetLost:
                        continue
                    assert repo.content(content) == content
                    contents.append(content)


def test_a_large_file_takes_no_memory_of_its_own(repo: Repository) -> None:
    xorb = [RNG.randbytes(128 << 10) for _ in range(64)]
    repo.send(xorb)
    file = file_entries([Piece(xorb, 0, 64)] * 8)
    tracemalloc.start()
    repo.send_shard(file)
    repo.send_xorb(*xorb_of([*xorb, b"x"]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25 << 20  # the test's own body of 8 MiB, twice
