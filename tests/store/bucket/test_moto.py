"""The contract over moto's S3: a real process, real HTTP, and both kinds of tags honoured."""

from __future__ import annotations

import pytest

from mvcd.store.bucket.probe import probe
from tests.store.bucket.contract import BlobsContract
from tests.support import motoserver
from tests.support.s3buckets import Endpoint

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def endpoint():
    with motoserver.running() as found:
        yield found


@pytest.fixture(scope="module")
def bucket(endpoint: Endpoint) -> str:
    return endpoint.make_bucket()


@pytest.fixture(autouse=True)
def environment(monkeypatch, endpoint):
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)


def test_it_passes_the_probe(endpoint, bucket):
    assert probe(f"s3://{bucket}/below", {"endpoint": endpoint.url}).options == {}


class TestMoto(BlobsContract):
    @pytest.fixture(params=["quoted", "unquoted"])
    def etags(self, request):
        return request.param

    @pytest.fixture
    def blobs(self, endpoint, bucket, etags):
        blobs = endpoint.blobs(bucket, etags=etags)
        yield blobs
        blobs.close()

    @pytest.fixture
    def again(self, endpoint, bucket, etags):
        opened = []

        def again():
            opened.append(endpoint.blobs(bucket, etags=etags))
            return opened[-1]

        yield again
        for each in opened:
            each.close()
