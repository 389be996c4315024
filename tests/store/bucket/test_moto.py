"""The contract over moto's S3: a real process, real HTTP, and both kinds of tags honoured."""

from __future__ import annotations

import os

import pytest

from mvcd.store.bucket import objectstore
from mvcd.store.bucket.blobs import BlobAbsent, InDoubt
from mvcd.store.bucket.probe import probe
from tests.store.bucket.contract import BlobsContract, HttpContract
from tests.support import motoserver
from tests.support.proxy import Proxy
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


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("call", ["create", "swap"])
def test_a_lost_reply_leaves_it_in_doubt_and_reading_back_decides(
    endpoint, bucket, call, landed, monkeypatch
):
    """The line breaks after the request, with the reply on its way back; or before the request is whole."""
    monkeypatch.setattr(objectstore, "_SILENCE_SECONDS", 2)
    name = f"doubt-{call}-{landed}"
    with Proxy(int(endpoint.url.rpartition(":")[2])) as proxy:
        blobs = Endpoint(f"http://127.0.0.1:{proxy.port}").blobs(bucket)
        tag = blobs.create(name, b"old") if call == "swap" else None
        proxy.swallowing = landed
        proxy.cut_after(up=None if landed else 300)
        with pytest.raises(InDoubt):
            blobs.swap(name, b"new" * 1000, tag) if tag else blobs.create(name, b"new" * 1000)
        proxy.swallowing = False
        proxy.cut_after()
        try:
            found = blobs.get(name)[0]
        except BlobAbsent:
            found = None
        assert found == (b"new" * 1000 if landed else b"old" if tag else None)
        blobs.close()


def test_reading_goes_on_where_the_line_breaks(endpoint, bucket):
    data = os.urandom(20 << 20)
    with Proxy(int(endpoint.url.rpartition(":")[2])) as proxy:
        blobs = Endpoint(f"http://127.0.0.1:{proxy.port}").blobs(bucket)
        blobs.put("pack", data)
        proxy.cut_after(down=6 << 20)
        assert blobs.get_ranges("pack", [(0, len(data))]) == [data]
        proxy.cut_after(down=6 << 20)
        assert blobs.get("pack")[0] == data
        assert proxy.cuts >= 2
        proxy.cut_after(up=6 << 20)
        blobs.put("other", data)
        assert blobs.get("other")[0] == data
        blobs.close()


class TestMotoOnTheLine(HttpContract):
    pass


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
