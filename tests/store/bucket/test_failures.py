"""What the texts of the library's errors say, for stores that are not here to say it: of Google and of
Azure."""

from __future__ import annotations

import pytest

from mvcd.errors import AuthError, Failure, RemoteUnreachable
from mvcd.store.bucket.failures import BucketPlace, Reply, refusal

GOOGLE = BucketPlace("gs", "models", "gs://models/team")
AZURE = BucketPlace("az", "models", "az://models/team")
HERE = BucketPlace("s3", "models", "s3://models/team", "http://h:9000")
TOKEN = (
    "Generic GCS error: Error performing token request: Error performing GET "
    "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token in 14ms - "
)
ANSWERED = "Error performing PUT https://h/p in 1ms - Server returned non-2xx status code: "


@pytest.mark.parametrize(
    "end", ["HTTP error: error sending request kind: Connect", "status code: 403 Forbidden: no"]
)
def test_who_gives_out_keys_is_not_the_store(end):
    reply = Reply.read(TOKEN + end)
    assert (reply.unsent or reply.status == 403, reply.answered, reply.passing) == (
        True,
        False,
        False,
    )
    error = refusal(reply, GOOGLE, "read")
    assert (type(error), error.kind, error.help) == (
        AuthError,
        "credentials",
        "gcloud auth application-default login",
    )


@pytest.mark.parametrize(
    ("place", "text", "kind", "code", "help"),
    [
        (GOOGLE, "404 Not Found: <Error><Code>NoSuchBucket</Code></Error>", Failure, "no-such-bucket",
         "gcloud storage buckets create gs://models"),
        (AZURE, "404 Not Found: <Error><Code>ContainerNotFound</Code></Error>", Failure, "no-such-bucket",
         "az storage container create --name models"),
        (GOOGLE, "403 Forbidden: <Error><Code>AccessDenied</Code></Error>", AuthError, "permission",
         "ask for the role Storage Object User on models"),
        (AZURE, "403 Forbidden: <Error><Code>AuthorizationPermissionMismatch</Code></Error>", AuthError,
         "permission", "ask for the role Storage Blob Data Contributor on models"),
        (AZURE, "403 Forbidden: <Error><Code>AuthenticationFailed</Code></Error>", AuthError, "credentials",
         "az login, or export AZURE_STORAGE_ACCOUNT_KEY"),
        (AZURE, "503 x: <Error><Code>ServerBusy</Code></Error>", RemoteUnreachable, "remote-unreachable",
         "run the command again when the store has recovered"),
    ],
)  # fmt: skip
def test_each_refusal_has_the_command_of_its_store(place, text, kind, code, help):
    error = refusal(Reply.read(ANSWERED + text), place, "write")
    assert (type(error), error.kind, error.help) == (kind, code, help)


def test_what_broke_before_the_request_was_sent_is_told_apart():
    timeout = (
        "HTTP error\nkind: Timeout, source: hyper_util::client::legacy::Error(\n    Connect,\n"
    )
    assert Reply.read(timeout).unsent
    assert not Reply.read("HTTP error\nkind: Timeout, source: TimedOut").unsent
    assert not Reply.read(ANSWERED + "503 x").unsent


def test_what_may_pass_and_what_will_not():
    passing = ["500 x", "503 x", "429 <Code>SlowDown</Code>", "400 <Code>RequestTimeout</Code>"]
    assert all(Reply.read(ANSWERED + text).passing for text in passing)
    lasting = ["501 x", "507 x", "404 x", "403 x", "400 <Code>InvalidArgument</Code>"]
    assert not any(Reply.read(ANSWERED + text).passing for text in lasting)
    assert not Reply.read("invalid peer certificate: UnknownIssuer, kind: Connect").passing


def test_an_answer_that_no_bucket_gives_is_not_asked_for_again():
    said = "Generic S3 error: Unable to extract metadata from headers: ETag Header missing from response"
    reply = Reply.read(f"{said}\n\nGeneric {{ source: Metadata {{ source: MissingEtag }} }}")
    assert (reply.answered, reply.unsent, reply.passing) == (False, False, False)
    error = refusal(reply, HERE, "write")
    assert error.kind == "not-a-bucket" and "ETag Header missing" in str(error.cause)


def test_where_tls_is_spoken_to_a_plain_endpoint_the_error_thinks_of_it():
    text = (
        "error sending request\nkind: Request, Error( SendRequest, hyper::Error( IncompleteMessage"
    )
    error = refusal(Reply.read(text), HERE, "read")
    assert "https://" in str(error.help)


REFUSED_BY = """HTTP error: error sending request
    kind: Connect, Error( Connect, ConnectError(
        "tcp connect error",
        127.0.0.1:3128,
        Os { code: 111 }"""


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "http_proxy"])
def test_a_proxy_that_is_not_there_is_named(variable, monkeypatch):
    assert "nobody listens at http://h:9000" in str(
        refusal(Reply.read(REFUSED_BY), HERE, "read").cause
    )
    monkeypatch.setenv(variable, "http://proxy.example.org:3128")
    error = refusal(Reply.read(REFUSED_BY), HERE, "read")
    assert variable in str(error.cause) and "NO_PROXY" in str(error.help)
    monkeypatch.setenv(variable, "http://proxy.example.org:8080")
    assert "nobody listens at http://h:9000" in str(
        refusal(Reply.read(REFUSED_BY), HERE, "read").cause
    )
