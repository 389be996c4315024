"""Real server processes: `mvcd serve` with whatever options, its log read line by line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from mvcd.monitor import Silent
from mvcd.repo.records.results import Context
from mvcd.store.api import RefUpdate
from mvcd.sync.push import push
from mvcd.team.auditlog import By
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.client import Patience, RemotePeer
from tests.support.workspace import Bench

SOURCES = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(SOURCES), str(SOURCES / "client")]),
}
SECONDS = 30.0
QUICK = Patience(first=0.01, most=0.1, total=2.0)
BY = By("test", 1_700_000_000_000_000)
CONTEXT = Context(author="Ada <ada@example.org>", time_us=1_700_000_000_000_000)


class Server:
    """Serves when the constructor returns; `said` is what it printed, `log` its lines so far. It has as many
    `descriptors` as told, and can raise them no further. `seconds` are those in which it has to be ready."""

    def __init__(
        self,
        *options: object,
        descriptors: int | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
    ) -> None:
        limit = "" if descriptors is None else f"ulimit -n {descriptors} && "
        self.process = subprocess.Popen(
            ["sh", "-c", limit + 'exec "$@"', "sh", sys.executable, "-m", "mvcd.daemon", "serve",
             "--log-format", "json", *map(str, options)],
            env={**ENVIRONMENT, **(environment or {})}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.log: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(seconds)
        serving = next((line for line in self.log if line["message"] == "serving"), None)
        if serving is None:
            raise AssertionError("".join(self.raw))
        self.listen = str(serving["listen"])
        self.http = serving["http"]
        self.hub = serving["hub"]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.raw.append(line)
            if line.startswith("{"):
                self.log.append(json.loads(line))
                if self.log[-1]["message"] == "serving":
                    self._ready.set()
        self._ready.set()

    def calls(self) -> list[dict[str, Any]]:
        return [line for line in self.log if line["message"] == "call"]

    def peer(self, repo: str, token: str | None = None, **options: Any) -> RemotePeer:
        url = f"grpc://{self.listen}/{repo}"
        return RemotePeer(self.listen, repo, url, token=token, **{"patience": QUICK, **options})

    def stop(self) -> int:
        """Its exit code; what it printed is in `said` then."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        with self.process.stdout, self.process.stderr:
            self.said = self.process.stdout.read()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.stop()


def team(path: Path, *repositories: str) -> str:
    """A server directory with these repositories and a user "ada" who may write; her token."""
    with Root.create(path) as root:
        root.accounts.add_user(BY, "ada")
        root.accounts.set_grant(BY, "ada", Scope(role=Role.WRITE))
        for name in repositories:
            root.create_repository(BY, name)
        return root.accounts.add_token(BY, "ada")[0]


def push_branch(bench: Bench, peer: RemotePeer, branch: str) -> bytes:
    """Pushes HEAD's version as a branch; its id."""
    id = bench.repo.resolve("HEAD")
    refs = peer.refs()
    push(bench.repo._core.store, peer, [id], [], monitor=Silent())
    update = RefUpdate(f"heads/{branch}", refs.get(f"heads/{branch}"), bytes(id))
    peer.update_refs([update], force=frozenset(), author=CONTEXT.author, detail=f"push {branch}")
    return bytes(id)
