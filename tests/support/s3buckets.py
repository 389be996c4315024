"""Buckets at an endpoint that speaks S3, made without any other library."""

from __future__ import annotations

import os
from dataclasses import dataclass

import obstore
import obstore.exceptions
from obstore.store import S3Store

from mvcd.store.bucket.addresses import open_blobs
from mvcd.store.bucket.blobs import Blobs


@dataclass(frozen=True)
class Endpoint:
    """A store that runs on this machine, with the keys of one of its users."""

    url: str
    access_key: str = "mvc"
    secret_key: str = "mvc-secret"

    def environment(self) -> dict[str, str]:
        """The variables that lead to it, for `open_blobs` and for processes; HOME has no profile."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "HOME": "/nonexistent",
        }

    def make_bucket(self) -> str:
        """Makes a bucket and answers its name. The store takes the path of an object in it for the name."""
        name = f"mvc-{os.urandom(6).hex()}"
        maker = S3Store(
            "any",
            endpoint=self.url,
            access_key_id=self.access_key,
            secret_access_key=self.secret_key,
            region="us-east-1",
            virtual_hosted_style_request=True,
            client_options={"allow_http": True},
        )
        try:
            obstore.put(maker, name, b"", use_multipart=False)
        except obstore.exceptions.GenericError as error:
            if "MissingEtag" not in str(error):  # a bucket has none
                raise
        return name

    def blobs(self, bucket: str, prefix: str = "some/prefix", **options: str) -> Blobs:
        """Opens a bucket as `mvc` does. Keys go by the environment, which the library reads itself."""
        address = f"s3://{bucket}/{prefix}".rstrip("/")
        return open_blobs(address, {"endpoint": self.url, **options})
