"""A server of the Hub in this process, on a real socket, and plain HTTP to it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from mvcd.daemon.serve.hubserver import hub_server
from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.metrics import ServerMetrics
from mvcd.team.auditlog import By
from mvcd.team.host import TeamHost
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from tests.support.httpanswer import Answer

BY = By("operator", 1_700_000_000_000_000)
SECONDS = 30.0


class Clock:
    """Microseconds since 1970, one more at each look."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


class HubSide:
    """Users ada (write on team/*, admin on lab/*) and bob (read on team/open), with a token each."""

    def __init__(self, path: Path, *, users: bool = True) -> None:
        """Without `users` they are there already, and their tokens are the caller's to know."""
        self.root = Root.create(path)
        self.tokens: dict[str, str] = {}
        if users:
            self.user(
                "ada",
                ("team/*", Role.WRITE),
                ("datasets/team/*", Role.WRITE),
                ("lab/*", Role.ADMIN),
            )
            self.user("bob", ("team/open", Role.READ))
        self.host = TeamHost(self.root, Clock())
        self.metrics = ServerMetrics("0", 0.0)
        self.server = hub_server(Listen("127.0.0.1", 0), self.host, None, self.metrics)
        self.server.start()
        self.token: str | None = self.tokens.get("ada")

    def user(self, name: str, *grants: tuple[str, Role]) -> None:
        self.root.accounts.add_user(BY, name)
        for repos, role in grants:
            self.root.accounts.set_grant(BY, name, Scope(repos, role))
        self.tokens[name] = self.root.accounts.add_token(BY, name)[0]

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """`body` is sent as it is where it is bytes, else as JSON."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.listen.port, timeout=SECONDS
        )
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return Answer.of(answer)
        finally:
            connection.close()

    def create(self, repo: str = "team/iris", type: str = "model") -> Answer:
        space, _, name = repo.rpartition("/")
        return self.call(
            "POST", "/api/repos/create", {"name": name, "organization": space, "type": type}
        )

    def commit(
        self, lines: Sequence[tuple[str, Mapping[str, Any]]], *, repo: str = "team/iris", query: str = "",
        parent: str | None = None, rev: str = "main",
    ) -> Answer:  # fmt: skip
        header: dict[str, Any] = {"summary": "A commit", "description": ""}
        if parent is not None:
            header["parentCommit"] = parent
        found = [("header", header), *lines]
        body = b"".join(json.dumps({"key": k, "value": v}).encode() + b"\n" for k, v in found)
        return self.call("POST", f"/api/models/{repo}/commit/{rev}{query}", body)

    def batch(
        self,
        *contents: bytes,
        operation: str = "upload",
        repo: str = "team/iris",
        agent: str = "hf_hub/2",
    ) -> Answer:
        objects = [{"oid": sha256(data), "size": len(data)} for data in contents]
        asked = {"operation": operation, "transfers": ["basic"], "objects": objects}
        path = f"/{repo}.git/info/lfs/objects/batch"
        return self.call("POST", path, asked, {"User-Agent": agent})

    def upload(self, data: bytes, *, repo: str = "team/iris") -> Answer:
        """By the address that a batch names, and without a token."""
        actions = self.batch(data, repo=repo).json["objects"][0]["actions"]
        token, self.token = self.token, None
        try:
            return self.call("PUT", where(actions["upload"]["href"]), data)
        finally:
            self.token = token

    def end(self) -> None:
        self.server.end(1.0)
        self.host.close()
        self.root.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()


def where(url: str) -> str:
    """Path and query of an address."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def regular(path: str, data: bytes) -> tuple[str, Mapping[str, Any]]:
    content = base64.b64encode(data).decode()
    return "file", {"path": path, "content": content, "encoding": "base64"}


def large(path: str, data: bytes) -> tuple[str, Mapping[str, Any]]:
    return "lfsFile", {"path": path, "algo": "sha256", "oid": sha256(data), "size": len(data)}
