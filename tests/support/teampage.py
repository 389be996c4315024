"""`mvcd serve --web` as a process of its own, with accounts of each role and a repository that was pushed to
it."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Self

from tests.support.page import ROOT, START_SECONDS, Answer


class TeamPage:
    """A server over `root`, a directory or the address of a bucket. `tokens` has one by user. `trusting`: whom
    clients trust, where `options` give it a certificate."""

    def __init__(
        self, root: str, beside: Path, *options: str, trusting: ssl.SSLContext | None = None
    ) -> None:
        self._trusting, end = trusting, "" if trusting is None else "s"
        environment = os.environ | {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}",
            "MVC_STATE_DIR": str(beside / "state"),
            "MVC_RUNTIME_DIR": str(beside / "run"),
            "MVC_CONFIG": "",
        }
        words = ("--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--log-format", "json")
        self._log = (beside / "server.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mvcd.daemon", "serve", "--root", root, *words, *options],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            text=True,
        )
        self.told = self._serving()
        self.grpc = f"grpc{end}://{self.told['listen']}"
        self.port = int(self.told["web"].rpartition(":")[2])
        self.origin = f"http{end}://127.0.0.1:{self.port}"
        self.tokens: dict[str, str] = {}

    def _serving(self) -> dict[str, Any]:
        """The line by which it says where it listens."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            for line in self.log().splitlines(keepends=True):
                if line.endswith("}\n") and (row := json.loads(line))["message"] == "serving":
                    found: dict[str, Any] = row
                    return found
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(self.log())

    def log(self) -> str:
        """What the server has said so far."""
        return Path(self._log.name).read_text()

    def open(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[HTTPConnection, HTTPResponse]:
        """A request whose answer is still to be read. `_` in a header's name stands for `-`."""
        where = ("127.0.0.1", self.port)
        connection = HTTPConnection(*where, timeout=START_SECONDS)
        if self._trusting is not None:
            connection = HTTPSConnection(*where, timeout=START_SECONDS, context=self._trusting)
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, said)
        return connection, connection.getresponse()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection, found = self.open(method, path, body, **headers)
        answer = Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        connection.close()
        return answer

    def get(self, user: str | None, path: str, **headers: str) -> Answer:
        """A path of the interface, asked by a user's token."""
        return self.ask("GET", path, None, **self._bearer(user), **headers)

    def post(self, user: str | None, path: str, /, **fields: object) -> Answer:
        """As the page does it, but for the token in a header."""
        body = json.dumps(fields).encode()
        return self.ask("POST", path, body, X_MVC="1", Origin=self.origin, **self._bearer(user))

    def _bearer(self, user: str | None) -> Mapping[str, str]:
        return {} if user is None else {"Authorization": f"Bearer {self.tokens[user]}"}

    def sign_in(self, user: str, **headers: str) -> Answer:
        body = json.dumps({"token": self.tokens[user]}).encode()
        said = {"X_MVC": "1", "Origin": self.origin, **headers}
        return self.ask("POST", "/api/v1/session", body, **said)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(START_SECONDS)
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()
