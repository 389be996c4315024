"""Buckets over obstore: the contract in memory, and what its errors and its weather come to."""

from __future__ import annotations

import pytest

from mvcd.store.bucket.objectstore import memory_blobs
from tests.store.bucket.contract import BlobsContract


class TestMemory(BlobsContract):
    @pytest.fixture
    def blobs(self):
        blobs = memory_blobs("test")
        yield blobs
        blobs.close()
