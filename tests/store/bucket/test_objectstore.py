"""Buckets over obstore: the contract in memory, and over HTTP what errors, silence and lost replies come to."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mvcd.errors import (
    AuthError,
    Failure,
    IntegrityError,
    MvcError,
    NotPermitted,
    RemoteUnreachable,
    UsageError,
)
from mvcd.store.bucket import objectstore
from mvcd.store.bucket.addresses import open_blobs
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, Blobs, InDoubt, Tag
from mvcd.store.bucket.objectstore import memory_blobs
from tests.store.bucket.contract import BlobsContract
from tests.support.answering import Answer, Told, answering, error

KEYS = {
    "AWS_ACCESS_KEY_ID": "mvc",
    "AWS_SECRET_ACCESS_KEY": "mvc-secret",
    "AWS_REGION": "us-east-1",
}
DONE = Answer(200, b"", {"ETag": '"1"'})
TAG = Tag('"0"')


class TestMemory(BlobsContract):
    @pytest.fixture
    def blobs(self):
        blobs = memory_blobs("test")
        yield blobs
        blobs.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in {**KEYS, "HOME": "/nonexistent"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(objectstore, "PATIENCE_SECONDS", 0.5)


class _Served:
    """A bucket at a server that answers as it is told."""

    def __init__(self, told: Told, **options: str) -> None:
        self.told = told
        self.blobs = open_blobs("s3://bucket/at", {"endpoint": told.url, **options})

    def __enter__(self):
        return self.told, self.blobs

    def __exit__(self, *error):
        self.blobs.close()


CALLS: dict[str, Callable[[Blobs], object]] = {
    "get": lambda blobs: blobs.get("refs"),
    "get_ranges": lambda blobs: blobs.get_ranges("refs", [(0, 5)]),
    "list": lambda blobs: list(blobs.list("packs/")),
    "put": lambda blobs: blobs.put("packs/a", b"x"),
    "delete": lambda blobs: blobs.delete(["packs/a"]),
    "create": lambda blobs: blobs.create("refs", b"x"),
    "swap": lambda blobs: blobs.swap("refs", b"x", TAG),
}
CONDITIONAL = ("create", "swap")
HARMLESS = tuple(name for name in CALLS if name not in CONDITIONAL)

REFUSALS = [
    (error(404, "NoSuchBucket"), Failure, "no-such-bucket", "aws s3 mb s3://bucket --endpoint-url http"),
    (error(403, "InvalidAccessKeyId"), AuthError, "credentials", "aws configure"),
    (error(403, "SignatureDoesNotMatch"), AuthError, "credentials", "aws configure"),
    (error(400, "ExpiredToken"), AuthError, "credentials", "aws configure"),
    (error(403, "AccessDenied", "no"), AuthError, "permission", "ask for s3:GetObject"),
    (error(403, "RequestTimeTooSkewed"), AuthError, "clock", "timedatectl set-ntp true"),
    (
        error(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-1</Region>"),
        UsageError, "wrong-region", "export AWS_REGION=eu-west-1",
    ),
    (error(403, "QuotaExceeded"), Failure, "disk-full", None),
    (error(501, "NotImplemented"), NotPermitted, "no-conditional-writes", "use a store"),
    (Answer(404, b"<html>not here</html>"), RemoteUnreachable, "not-a-bucket", "AWS_ENDPOINT_URL"),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("answer, kind, code, help", REFUSALS, ids=[r[2] for r in REFUSALS])
def test_each_refusal_is_told_at_once(answer, kind, code, help, call):
    with answering(lambda method, path: answer) as told, _Served(told) as (_, blobs):
        with pytest.raises(MvcError) as caught:
            CALLS[call](blobs)
        assert (type(caught.value), caught.value.kind) == (kind, code)
        assert help is None or help in str(caught.value.help)
        assert caught.value.cause
        assert len(told.calls) == 1


@pytest.mark.parametrize("call", HARMLESS)
@pytest.mark.parametrize(
    "first", [Answer(cut=True), error(503, "SlowDown"), error(500, "InternalError")]
)
def test_a_harmless_call_is_made_again(first, call):
    listing = b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
    good = {
        "get": Answer(200, b"hello", {"ETag": '"1"', "Last-Modified": "Sun, 29 Nov 2026 17:00:00 GMT"}),
        "get_ranges": Answer(
            206, b"hello",
            {"ETag": '"1"', "Content-Range": "bytes 0-4/5", "Last-Modified": "Sun, 29 Nov 2026 17:00:00 GMT"},
        ),
        "list": Answer(200, listing),
        "delete": Answer(200, b"<DeleteResult><Deleted><Key>at/packs/a</Key></Deleted></DeleteResult>"),
        "put": DONE,
    }[call]  # fmt: skip
    answers = itertools.chain([first, first], itertools.repeat(good))
    with answering(lambda method, path: next(answers)) as told, _Served(told) as (_, blobs):
        CALLS[call](blobs)
        assert len(told.calls) == 3


def test_a_store_without_tags_is_not_waited_for():
    with (
        answering(lambda method, path: Answer(200)) as told,
        _Served(told) as (_, blobs),
    ):
        with pytest.raises(RemoteUnreachable) as caught:
            blobs.put("packs/a", b"hello")
        assert caught.value.kind == "not-a-bucket"
        with pytest.raises(InDoubt):  # it was written, for all that is known
            blobs.create("refs", b"hello")
        assert len(told.calls) == 2


@pytest.mark.parametrize("name", ["runs/a//b", "runs/../b"])
def test_a_name_that_cannot_be_listed_is_told_at_once(name: str) -> None:
    listing = (
        "<ListBucketResult><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents>"
        f"<Key>at/{quote(name)}</Key><LastModified>2026-11-29T17:00:00.000Z</LastModified>"
        "<ETag>1</ETag><Size>1</Size></Contents></ListBucketResult>"
    )
    with (
        answering(lambda method, path: Answer(200, listing.encode())) as told,
        _Served(told) as (_, blobs),
    ):
        with pytest.raises(Failure, match="cannot be listed") as caught:
            list(blobs.list("runs/"))
        assert caught.value.kind == "foreign-name" and len(told.calls) == 1


@pytest.mark.parametrize("call", HARMLESS)
def test_patience_ends(impatient, call):
    with (
        answering(lambda method, path: error(503, "SlowDown", "later")) as told,
        _Served(told) as (_, blobs),
    ):
        began = time.monotonic()
        with pytest.raises(RemoteUnreachable, match="cannot be reached") as caught:
            CALLS[call](blobs)
        assert "503 SlowDown later" in str(caught.value.cause)
        assert len(told.calls) > 1
        assert time.monotonic() - began < 10


DOUBTS = {
    "connection cut": Answer(cut=True),
    "500": error(500, "UnknownError"),
    "503": error(503, "SlowDown"),
    "400 RequestTimeout": error(400, "RequestTimeout"),
    "200 without a tag": Answer(200),
}


@pytest.mark.parametrize("call", CONDITIONAL)
@pytest.mark.parametrize("answer", DOUBTS.values(), ids=DOUBTS)
def test_a_conditional_write_of_unknown_outcome_is_made_once_and_told(answer, call):
    with answering(lambda method, path: answer) as told, _Served(told) as (_, blobs):
        with pytest.raises(InDoubt):
            CALLS[call](blobs)
        assert len(told.calls) == 1


@pytest.mark.parametrize("call", CONDITIONAL)
def test_one_call_too_many_in_a_second_is_made_again(call):
    answers = iter([error(429, "rateLimitExceeded"), error(429, "SlowDown"), DONE])
    with answering(lambda method, path: next(answers)) as told, _Served(told) as (_, blobs):
        assert CALLS[call](blobs) == '"1"'
        assert len(told.calls) == 3


@pytest.mark.parametrize("call", CONDITIONAL)
@pytest.mark.parametrize(
    "answer",
    [
        error(412, "PreconditionFailed"),
        error(409, "ConditionalRequestConflict"),
        error(404, "NoSuchKey"),
    ],
    ids=["412", "409", "404"],
)
def test_a_conditional_write_that_came_too_late_is_told_at_once(answer, call):
    with answering(lambda method, path: answer) as told, _Served(told) as (_, blobs):
        with pytest.raises(BlobChanged):
            CALLS[call](blobs)
        assert len(told.calls) == 1


@pytest.mark.parametrize(("etags", "sent"), [("quoted", '"0"'), ("unquoted", "0")])
def test_conditions_are_sent_as_the_store_wants_them(etags, sent):
    with answering(lambda method, path: DONE) as told, _Served(told, etags=etags) as (_, blobs):
        blobs.create("refs", b"x")
        blobs.swap("refs", b"x", TAG)
        sendings = [{name.lower(): value for name, value in each.items()} for each in told.headers]
        assert sendings[0]["if-none-match"] == "*"
        assert sendings[1]["if-match"] == sent


def test_encryption_is_asked_for_at_each_write():
    options = {"encryption": "aws:kms", "kms-key": "key-1"}
    with answering(lambda method, path: DONE) as told, _Served(told, **options) as (_, blobs):
        blobs.create("refs", b"x")
        blobs.put("packs/a", b"x")
        for each in told.headers:
            sent = {name.lower(): value for name, value in each.items()}
            assert sent["x-amz-server-side-encryption"] == "aws:kms"
            assert sent["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"


SOME = ("get", "get_ranges", "put", "create")


@pytest.mark.parametrize("call", SOME)
def test_where_nobody_listens_is_told_within_three_seconds(call):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        blobs = open_blobs("s3://bucket", {"endpoint": endpoint})
        began = time.monotonic()
        with pytest.raises(RemoteUnreachable, match="cannot be reached") as caught:
            CALLS[call](blobs)
        assert time.monotonic() - began < 3
        assert caught.value.cause == f"nobody listens at {endpoint}"
        assert caught.value.help == f"curl -sv {endpoint}"
        blobs.close()


@pytest.mark.parametrize("call", SOME)
def test_a_host_that_is_silent_is_told_within_three_seconds(call):
    """A listener whose queue is full answers no more, like a host behind a wall."""
    with ExitStack() as ends:
        listener = ends.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = ends.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        blobs = open_blobs("s3://bucket", {"endpoint": endpoint})
        began = time.monotonic()
        with pytest.raises(RemoteUnreachable) as caught:
            CALLS[call](blobs)
        assert time.monotonic() - began < 3
        assert caught.value.cause == f"{endpoint} does not answer in time"
        blobs.close()


@pytest.mark.parametrize(
    ("endpoint", "cause"),
    [
        ("https://nowhere.invalid", "no such host"),
        ("https://127.0.0.1:{port}", "does not speak TLS"),
    ],
)
def test_a_wrong_endpoint_is_told_within_three_seconds(endpoint, cause):
    with answering(lambda method, path: DONE) as told:
        blobs = open_blobs(
            "s3://bucket", {"endpoint": endpoint.format(port=told.url.rpartition(":")[2])}
        )
        began = time.monotonic()
        with pytest.raises(RemoteUnreachable) as caught:
            blobs.get("refs")
        assert time.monotonic() - began < 3
        assert cause in str(caught.value.cause)
        assert caught.value.help
        blobs.close()


def test_no_key_anywhere_is_told(monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name)
    denied = Answer(403, b"no role")
    with answering(lambda method, path: denied) as told:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", told.url)
        blobs = open_blobs("s3://bucket", {"endpoint": "http://127.0.0.1:9"})
        for call in CALLS.values():
            with pytest.raises(AuthError, match="no key") as caught:
                call(blobs)
            assert "aws configure" in str(caught.value.help)
        blobs.close()


def test_a_body_that_ends_early_is_asked_for_again():
    meta = {"ETag": '"1"', "Last-Modified": "Sun, 29 Nov 2026 17:00:00 GMT"}
    answers = iter([Answer(200, b"hel", meta, short=True), Answer(200, b"hello", meta)])
    with answering(lambda method, path: next(answers)) as told, _Served(told) as (_, blobs):
        assert blobs.get("refs") == (b"hello", '"1"')


def test_absent_and_short_objects_are_told_apart_from_errors():
    with (
        answering(lambda method, path: error(404, "NoSuchKey")) as told,
        _Served(told) as (_, blobs),
        pytest.raises(BlobAbsent),
    ):
        blobs.get("refs")
    with (
        answering(lambda method, path: error(416, "InvalidRange")) as told,
        _Served(told) as (_, blobs),
        pytest.raises(IntegrityError, match="ends before"),
    ):
        blobs.get_ranges("refs", [(10, 20)])


INTERRUPTED = """
import sys
from mvcd.store.bucket.addresses import open_blobs
blobs = open_blobs("s3://bucket", {"endpoint": sys.argv[1]})
print("asking", flush=True)
try:
    blobs.get("refs")
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interrupt_is_heard_while_a_store_is_silent():
    with answering(lambda method, path: Answer(hang=True)) as told:
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, told.url], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        while not told.calls:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert (out.split(), process.returncode) == (["asking", "interrupted"], 0)


def test_a_certificate_is_trusted_when_its_authority_is_named(tmp_path, monkeypatch):
    certificate = own_certificate(tmp_path)
    answer = Answer(
        200, b"hello", {"ETag": '"1"', "Last-Modified": "Sun, 29 Nov 2026 17:00:00 GMT"}
    )
    with answering(lambda method, path: answer, certificate=certificate) as told:
        blobs = open_blobs("s3://bucket", {"endpoint": told.url})
        began = time.monotonic()
        with pytest.raises(RemoteUnreachable) as caught:
            blobs.get("refs")
        assert time.monotonic() - began < 3
        assert "is not trusted" in str(caught.value.cause)
        assert "AWS_CA_BUNDLE" in str(caught.value.help)
        blobs.close()
        for given, bundle in (({"ca": certificate}, None), ({}, certificate)):
            if bundle:
                monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
            blobs = open_blobs("s3://bucket", {"endpoint": told.url, **given})
            assert blobs.get("refs")[0] == b"hello"
            blobs.close()


def own_certificate(folder: Path) -> str:
    """A file with a certificate for this machine that its own key has signed, and the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a store")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "store.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return str(path)


def test_google_takes_generations_for_tags(monkeypatch):
    free = '{"disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}'
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", free)
    meta = {
        "ETag": '"e"',
        "x-goog-generation": "5",
        "Last-Modified": "Sun, 29 Nov 2026 17:00:00 GMT",
    }
    with answering(lambda method, path: Answer(200, b"x", meta)) as told:
        blobs = open_blobs("gs://models/at", {"endpoint": told.url})
        assert blobs.create("refs", b"x") == "5"
        assert blobs.get("refs") == (b"x", "5")
        assert blobs.swap("refs", b"y", Tag("5")) == "5"
        blobs.close()
        sent = [each.get("x-goog-if-generation-match") for each in told.headers]
        assert sent == ["0", None, "5"]
        assert told.calls[0] == "PUT /models/at%2Frefs"
