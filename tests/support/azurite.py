"""Azurite, Microsoft's stand-in for Azure Blob Storage: a process of this machine, in memory.

It comes from npm (`npm install -g azurite`), and nothing installs it here. Account and key are those that every
Azurite has (https://learn.microsoft.com/azure/storage/common/storage-connect-azurite).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

from tests.support.listening import listening

PROGRAM = "azurite-blob"
INSTALL = "npm install -g azurite"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_VERSION = "2023-11-03"


def missing() -> bool:
    """Whether the program is not there."""
    return shutil.which(PROGRAM) is None


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Runs it until the block ends; yields the endpoint of the account."""
    command = [
        PROGRAM, "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry",
    ]  # fmt: skip
    with listening(command, r"listens on (http://[0-9.:]+)", folder) as url:
        yield f"{url}/{ACCOUNT}"


def make_container(endpoint: str, name: str) -> None:
    """Makes a container, with a call that is signed as "Authorize with Shared Key" of the documentation
    says."""
    host, _, _ = endpoint.removeprefix("http://").partition("/")
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
    signed = "\n".join(
        [
            "PUT", *[""] * 11,
            *(f"{header}:{value}" for header, value in headers.items()),
            f"/{ACCOUNT}/{ACCOUNT}/{name}", "restype:container",
        ]
    )  # fmt: skip
    digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    connection = http.client.HTTPConnection(host)
    connection.request("PUT", f"/{ACCOUNT}/{name}?restype=container", headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 201, f"{answer.status} {text}"
