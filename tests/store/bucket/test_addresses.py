"""Addresses and options of buckets: what opens, what is refused, and that no secret is taken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mvcd.errors import AuthError, Failure, UsageError
from mvcd.store.bucket import addresses, options
from mvcd.store.bucket.addresses import SCHEMES, is_bucket, open_blobs
from mvcd.store.bucket.directory import DirectoryBlobs
from tests.support.answering import Answer, answering

PAGE = Path(addresses.__file__).with_name("PROVIDERS.md")
HOME = {"HOME": "/nonexistent"}


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mvc")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mvc-secret")
    monkeypatch.setenv("HOME", "/nonexistent")


@pytest.mark.parametrize(
    ("url", "given", "shown"),
    [
        ("s3://models", {}, "s3://models"),
        ("s3://models/team/one/", {}, "s3://models/team/one"),
        ("S3://models//team", {}, "s3://models/team"),
        ("gs://models/team", {"anonymous": "yes"}, "gs://models/team"),
        ("az://models/team", {"account": "ours", "anonymous": "yes"}, "az://models/team"),
        (
            "s3://my.bucket-1/a=b,c",
            {"region": "eu-west-1", "bulk-delete": "no"},
            "s3://my.bucket-1/a=b,c",
        ),
    ],
)
def test_each_kind_opens(url, given, shown):
    blobs = open_blobs(url, given)
    assert blobs.url == shown
    blobs.close()


def test_a_directory_opens(tmp_path):
    (tmp_path / "a b").mkdir()
    blobs = open_blobs(f"bucket+file://{tmp_path}/a%20b", {})
    assert isinstance(blobs, DirectoryBlobs)
    blobs.put("x", b"1")
    assert (tmp_path / "a b" / "x").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("s3://a", True),
        ("GS://a", True),
        ("bucket+file:///a", True),
        ("grpc://a", False),
        ("/a", False),
    ],
)
def test_addresses_of_buckets_are_known(url, bucket):
    assert is_bucket(url) == bucket


@pytest.mark.parametrize(
    "url",
    [
        "s3:models", "http://models", "s3://", "s3://a", "s3:///models", "s3://mod els", "s3://models/a b",
        "s3://models/../a", "s3://models/./a", "bucket+file://host/a", "bucket+file://", "bucket+file:///",
        "s3://models/%41",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError):
        open_blobs(url, {})


@pytest.mark.parametrize(
    "url",
    ["s3://key:SECRET@models/a", "s3://SECRET@models", "s3://models?key=SECRET", "s3://models/a#SECRET",
     "s3://key%3ASECRET%40models"],
)  # fmt: skip
def test_a_secret_in_an_address_is_refused_and_not_shown(url):
    with pytest.raises(UsageError) as caught:
        open_blobs(url, {})
    assert caught.value.kind == "secret-in-address"
    assert "SECRET" not in f"{caught.value} {caught.value.cause} {caught.value.help}"


@pytest.mark.parametrize(
    "name", ["secret-access-key", "secret_access_key", "access-key-id", "sas-token", "password"]
)
def test_a_secret_among_the_options_is_refused_and_not_shown(name):
    with pytest.raises(UsageError) as caught:
        open_blobs("s3://models", {name: "SECRET"})
    assert caught.value.kind == "secret-in-address"
    assert "SECRET" not in f"{caught.value} {caught.value.cause}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "objects.example.org"), ("endpoint", "ftp://a"), ("endpoint", "https://a?b"),
        ("endpoint", "https://me:SECRET@a"), ("region", ""), ("region", "a b"), ("ca", ""), ("etags", "none"),
        ("encryption", "rot13"), ("anonymous", "perhaps"), ("colour", "red"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(name, value):
    with pytest.raises(UsageError) as caught:
        open_blobs("s3://models", {name: value})
    assert (
        name in str(caught.value) or value in str(caught.value) or name == "ca" or "SECRET" in value
    )
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
def test_the_environment_names_the_endpoint(variable):
    with answering(lambda method, path: Answer(404)) as told:
        blobs = open_blobs(
            "s3://models", {}, {**HOME, variable: told.url, "AWS_ACCESS_KEY_ID": "x"}
        )
        with pytest.raises(Exception, match="does not answer as a bucket does"):
            blobs.get("refs")
        assert told.calls == ["GET /models/refs"]
        blobs.close()


def test_an_endpoint_that_is_not_encrypted_has_to_be_meant():
    plain = {"endpoint": "http://objects.example.org"}
    with pytest.raises(UsageError, match="is not encrypted") as caught:
        open_blobs("s3://models", plain)
    assert "AWS_ALLOW_HTTP=true" in str(caught.value.help)
    open_blobs("s3://models", {**plain, "allow-http": "yes"}).close()
    open_blobs("s3://models", plain, {**HOME, "AWS_ALLOW_HTTP": "true"}).close()


def test_keys_of_a_profile_are_used(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "keys").write_text("[team]\naws_access_key_id=AKIATEAM\naws_secret_access_key=B\n")
    environment = {**HOME, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")}
    with answering(lambda method, path: Answer(200, b"", {"ETag": '"1"'})) as told:
        blobs = open_blobs("s3://models", {"endpoint": told.url, "profile": "team"}, environment)
        blobs.create("refs", b"x")
        assert "Credential=AKIATEAM/" in told.headers[0]["authorization"]
        blobs.close()


def test_a_profile_that_needs_boto3_says_what_helps(tmp_path, monkeypatch):
    (tmp_path / "config").write_text("[profile sso]\nsso_session = ours\n")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(AuthError, match="needs boto3") as caught:
        open_blobs(
            "s3://models", {"profile": "sso"}, {**HOME, "AWS_CONFIG_FILE": str(tmp_path / "config")}
        )
    assert "pip install boto3" in str(caught.value.help)
    assert "export-credentials --profile sso" in str(caught.value.help)


def test_anonymous_calls_are_not_signed():
    with answering(lambda method, path: Answer(404)) as told:
        blobs = open_blobs("s3://models", {"endpoint": told.url, "anonymous": "yes"})
        with pytest.raises(Exception, match="does not answer"):
            blobs.get("refs")
        assert "authorization" not in {name.lower() for name in told.headers[0]}
        blobs.close()


ABSENT = """
import sys
sys.modules["obstore"] = None
from mvcd.errors import Failure
from mvcd.store.bucket.addresses import open_blobs
try:
    open_blobs("s3://models", {})
except Failure as error:
    print(error.kind, error.help)
"""


def test_without_the_library_the_extra_is_named():
    done = subprocess.run(
        [sys.executable, "-c", ABSENT], capture_output=True, text=True, check=True
    )
    assert done.stdout == "missing-extra pip install 'mvcd[s3]'\n"


def test_nothing_is_loaded_for_a_directory(tmp_path):
    code = (
        "import sys; from mvcd.store.bucket.addresses import open_blobs;"
        f"open_blobs('bucket+file://{tmp_path}', {{}}); print('obstore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_file_of_certificates_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        open_blobs("s3://models", {"ca": str(tmp_path / "none")})


def test_what_cannot_be_opened_is_told_in_our_words(tmp_path, monkeypatch):
    key = tmp_path / "tls.key"
    key.write_text("no certificate\n")
    with pytest.raises(UsageError) as caught:
        open_blobs("s3://models", {"ca": str(key), "endpoint": "https://h"})
    assert caught.value.cause == f"{key} holds no certificate in PEM"
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for url, given, name in (
        ("az://models", {}, "AZURE_STORAGE_ACCOUNT_NAME"),
        ("s3://models", {}, "AWS_SECRET_ACCESS_KEY"),
        ("s3://models", {"encryption": "sse-c"}, "AWS_SSE_CUSTOMER_KEY_BASE64"),
    ):
        if given:
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mvc-secret")
        with pytest.raises(UsageError, match="cannot be opened") as caught:
            open_blobs(url, given)
        assert name in caught.value.help


def test_a_file_in_the_place_of_a_directory(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match="is no directory") as caught:
        open_blobs(f"bucket+file://{tmp_path}/file", {})
    assert caught.value.cause == "a file has that name"


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(Failure, match="is no directory"):
        open_blobs(f"bucket+file://{tmp_path}/none", {})


def test_the_page_has_every_scheme_and_every_option():
    text = PAGE.read_text()
    assert [name for name in SCHEMES if f"`{name}://" not in text] == []
    section = text[text.index("## Options") : text.index("## Environment")]
    assert [name for name in options.NAMES if f"| `{name}` |" not in section] == []
