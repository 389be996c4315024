"""The contract over Azurite, which speaks as Azure Blob Storage does. Without it the tests skip."""

from __future__ import annotations

import pytest

from mvcd.errors import AuthError, Failure
from mvcd.store.bucket.addresses import open_blobs
from mvcd.store.bucket.probe import probe
from tests.store.bucket.contract import BlobsContract
from tests.support import azurite

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(azurite.missing(), reason=f"no {azurite.PROGRAM}: {azurite.INSTALL}"),
]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory):
    with azurite.running(tmp_path_factory.mktemp("azurite")) as found:
        azurite.make_container(found, "models")
        yield found


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", azurite.KEY)


@pytest.fixture
def options(endpoint):
    return {"endpoint": endpoint, "account": azurite.ACCOUNT}


class TestAzurite(BlobsContract):
    @pytest.fixture
    def opened(self, options):
        made = []

        def opened():
            made.append(open_blobs("az://models/some/prefix", options))
            return made[-1]

        yield opened
        for each in made:
            each.close()

    @pytest.fixture
    def blobs(self, opened):
        return opened()

    @pytest.fixture
    def again(self, opened):
        return opened


def test_it_passes_the_probe(options):
    assert probe("az://models/below", options).options == {}


def test_a_container_that_is_not_there(options):
    blobs = open_blobs("az://none", options)
    for call in (
        lambda: blobs.get("refs"),
        lambda: blobs.create("refs", b""),
        lambda: list(blobs.list("")),
    ):
        with pytest.raises(Failure, match="no bucket none") as caught:
            call()
        assert "az storage container create --name none" in str(caught.value.help)
    blobs.close()


def test_a_wrong_key(options, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    blobs = open_blobs("az://models", options)
    for call in (lambda: blobs.get("refs"), lambda: blobs.create("refs", b"")):
        with pytest.raises(AuthError):
            call()
    blobs.close()
