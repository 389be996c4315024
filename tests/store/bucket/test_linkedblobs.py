"""A bucket read by links: what comes, and what is told when a link gives nothing."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from mvcd.errors import (
    AuthError,
    Failure,
    IntegrityError,
    MvcError,
    NotPermitted,
    RemoteUnreachable,
    UsageError,
)
from mvcd.store.bucket import httpget
from mvcd.store.bucket.addresses import open_blobs
from mvcd.store.bucket.blobs import BlobAbsent, Tag
from mvcd.store.bucket.links import Link, LinkDocument, encode_links
from tests.support.answering import Answer, Told, answering, error

DATA = random.Random(1).randbytes(300_000)
SECRET = "X-Amz-Signature=0123456789abcdef"


class Store:
    """Answers by path; what is not told otherwise is `DATA`, whole whatever range was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}

    def __call__(self, _: str, path: str) -> Answer:
        return self.answers.get(path.partition("?")[0], Answer(200, DATA))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def told(store: Store) -> Iterator[Told]:
    with answering(store) as found:
        yield found


@pytest.fixture
def document(told: Told) -> Callable[..., LinkDocument]:
    def made(path: str = "/one", *, seconds: float = 1000) -> LinkDocument:
        links = {"packs/a": Link(f"{told.url}{path}?{SECRET}", len(DATA))}
        return LinkDocument(
            "s3://b/p", ("main",), int(time.time() + seconds), {"refs": b"state"}, links
        )

    return made


@pytest.fixture
def file(tmp_path: Path, document: Callable[..., LinkDocument]) -> Path:
    path = tmp_path / "some.links"
    path.write_bytes(encode_links(document()))
    return path


def quiet(failed: BaseException | None) -> None:
    """No error, nor what led to it, names the address."""
    while failed is not None:
        parts = [str(failed), getattr(failed, "cause", ""), getattr(failed, "help", "")]
        assert SECRET not in " ".join(map(str, parts))
        failed = failed.__cause__ or (None if failed.__suppress_context__ else failed.__context__)


def refused(file: Path, call: Callable[..., object]) -> MvcError:
    with (
        pytest.raises(MvcError) as caught,
        closing(open_blobs(f"links://{file}", {})) as blobs,
    ):
        call(blobs)
    quiet(caught.value)
    return caught.value


def read(blobs: object) -> Sequence[bytes]:
    return blobs.get_ranges("packs/a", [(5, 10), (100_000, 300_000)])  # type: ignore[attr-defined]


def test_objects_come_whole_and_in_ranges(file: Path) -> None:
    blobs = open_blobs(f"links://{file}", {})
    assert blobs.read_only and not blobs.sealed
    data, tag = blobs.get("refs")
    assert data == b"state" and blobs.get_changed("refs", tag) is None
    assert blobs.get_changed("refs", Tag("other")) == (data, tag)
    assert blobs.get_ranges("refs", [(1, 3)]) == [b"ta"]
    assert blobs.get("packs/a")[0] == DATA
    assert read(blobs) == [DATA[5:10], DATA[100_000:]]
    assert [(one.name, one.size_bytes) for one in blobs.list("")] == [
        ("packs/a", 300_000),
        ("refs", 5),
    ]
    for absent in (lambda: blobs.get("packs/b"), lambda: blobs.get_ranges("packs/b", [(0, 1)])):
        with pytest.raises(BlobAbsent):
            absent()
    for short in (("packs/a", (299_999, 300_001)), ("refs", (4, 6))):
        with pytest.raises(IntegrityError, match="ends before"):
            blobs.get_ranges(short[0], [short[1]])
    blobs.close()


def test_nothing_is_written(file: Path) -> None:
    blobs = open_blobs(f"links://{file}", {})
    for call in (
        lambda: blobs.put("a", b""), lambda: blobs.create("a", b""), lambda: blobs.swap("a", b"", Tag("")),
        lambda: blobs.delete(["a"]), lambda: blobs.signed(["a"], 1),
    ):  # fmt: skip
        with pytest.raises(NotPermitted, match="can only be read"):
            call()
    blobs.close()


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("seconds", [-1, 1000])
def test_a_link_that_is_refused_is_told_with_the_command_that_helps(
    file: Path, store: Store, document: Callable[..., LinkDocument], status: int, seconds: int
) -> None:
    file.write_bytes(encode_links(document(seconds=seconds)))
    store.answers["/one"] = error(status, "SomethingIsWrong", f"of ?{SECRET}")
    found = refused(file, read)
    assert isinstance(found, AuthError)
    assert found.kind == ("links-expired" if seconds < 0 else "links-refused")
    assert f"mvc remote presign s3://b/p main --to {file}" in str(found.help)
    assert ("good until" if seconds < 0 else "SomethingIsWrong") in str(found.cause)


def test_a_store_that_says_expired_is_believed_whatever_our_clock_says(
    file: Path, store: Store
) -> None:
    store.answers["/one"] = error(403, "AccessDenied", "Request has expired")
    assert refused(file, read).kind == "links-expired"


def test_what_was_collected_since_is_told(file: Path, store: Store) -> None:
    store.answers["/one"] = error(404, "NoSuchKey")
    found = refused(file, read)
    assert isinstance(found, RemoteUnreachable) and found.kind == "links-outdated"


def test_a_file_that_was_replaced_is_seen(
    file: Path, store: Store, document: Callable[..., LinkDocument]
) -> None:
    """By who reads on with links that have expired meanwhile, and by who looks."""
    blobs = open_blobs(f"links://{file}", {})
    assert read(blobs)
    store.answers["/one"] = error(403, "AccessDenied", "Request has expired")
    file.write_bytes(encode_links(document("/two")))
    assert read(blobs) == [DATA[5:10], DATA[100_000:]]
    blobs.close()


def test_a_document_behind_an_address_comes_only_if_it_has_changed(
    file: Path, store: Store, told: Told, document: Callable[..., LinkDocument]
) -> None:
    file.write_text(f"{told.url}/document?{SECRET}\n")
    store.answers["/document"] = Answer(200, encode_links(document()), {"ETag": '"1"'})
    blobs = open_blobs(f"links://{file}", {})
    assert blobs.get("refs")[0] == b"state"
    store.answers["/document"] = Answer(304, b"", {"ETag": '"1"'})
    assert blobs.get("refs")[0] == b"state"
    asked = [{k.lower(): v for k, v in one.items()} for one in told.headers]
    assert [one.get("if-none-match") for one in asked] == [None, '"1"']
    store.answers["/document"] = error(403, "AccessDenied", "Request has expired")
    with pytest.raises(AuthError) as caught:
        blobs.get("refs")
    assert caught.value.kind == "links-expired"
    quiet(caught.value)
    blobs.close()


def test_a_link_that_leads_elsewhere_is_not_followed(file: Path, store: Store, told: Told) -> None:
    store.answers["/one"] = Answer(302, b"", {"Location": f"{told.url}/two"})
    assert "302" in str(refused(file, read).cause)


def test_an_address_that_is_not_encrypted_is_refused(
    file: Path, document: Callable[..., LinkDocument]
) -> None:
    made = document()
    link = Link(f"http://store.example.org/a?{SECRET}", 5)
    file.write_bytes(
        encode_links(
            LinkDocument(made.bucket, made.asked, made.expires_s, made.objects, {"packs/a": link})
        )
    )
    found = refused(file, read)
    assert found.kind == "insecure" and "store.example.org" in str(found)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"ftp://host/?" + SECRET.encode(), b"http://[?x"]
)
def test_a_file_of_something_else_is_told(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert isinstance(refused(file, lambda blobs: blobs.get("refs")), UsageError)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = refused(tmp_path / "none", lambda blobs: blobs.get("refs"))
    assert isinstance(found, Failure) and found.kind == "no-such-bucket"


def test_what_passes_is_tried_again(
    file: Path, store: Store, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpget, "_PAUSES_SECONDS", (0.001, 0.001))
    store.answers["/one"] = error(503, "SlowDown")
    found = refused(file, read)
    assert isinstance(found, RemoteUnreachable) and "503 SlowDown" in str(found.cause)
    assert len(told.calls) == 3
    store.answers["/one"] = Answer(cut=True)
    assert isinstance(refused(file, read), RemoteUnreachable)


def test_nobody_listens(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpget, "_PAUSES_SECONDS", (0.001,))
    file.write_text(f"http://127.0.0.1:9/document?{SECRET}")
    found = refused(file, lambda blobs: blobs.get("refs"))
    assert isinstance(found, RemoteUnreachable) and "127.0.0.1" in str(found)


def test_certificates_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(UsageError, match="certificates"):
        open_blobs(f"links://{file}", {"ca": os.devnull + "/none"})
