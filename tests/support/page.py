"""`mvc ui` as a process of its own, and a client that sends what it is told and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Self

from tests.support.httpanswer import Answer

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 60


class Served:
    """A served repository. `let_in` opens the door; until then nobody has the cookie."""

    def __init__(
        self, root: Path, *, port: int = 0, verb: Sequence[str] = (), runtime: Path | None = None
    ) -> None:
        """`verb`: another command than `mvc ui` that ends with a page, and prints other lines before.
        `runtime`: where a daemon may be that it talks to."""
        environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}"}
        environment |= {
            "MVC_RUNTIME_DIR": str(runtime or root / ".no-daemon"),
            "MVC_CONFIG": "",
            "DISPLAY": "",
        }
        words = verb or ("ui", "--no-browser", "--port", str(port))
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mvc", *words],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "")
        self.address = next(line.strip() for line in lines if line.startswith("http://"))
        self.origin, _, self.token = self.address.partition("/#token=")
        self.port = int(self.origin.rpartition(":")[2])
        self.cookie = ""

    def let_in(self) -> Self:
        answer = self.post("/api/v1/session", {"token": self.token})
        assert answer.status == 200, answer
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return self

    def open(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[HTTPConnection, HTTPResponse]:
        """A request whose answer is still to be read. `_` in a header's name stands for `-`."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        said = {"Cookie": self.cookie} if self.cookie else {}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, said)
        return connection, connection.getresponse()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection, found = self.open(method, path, body, **headers)
        answer = Answer.of(found)
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def api(self, path: str) -> Any:
        """The document at a path of the interface, which has to be there."""
        answer = self.get("/api/v1" + path)
        assert answer.status == 200, answer
        return answer.json

    def post(self, path: str, body: object) -> Answer:
        """As the page does it."""
        return self.ask("POST", path, json.dumps(body).encode(), X_MVC="1", Origin=self.origin)

    def act(self, verb: str, **fields: object) -> Answer:
        return self.post(f"/api/v1/r/{verb}", fields)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(START_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
