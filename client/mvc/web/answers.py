"""What the interface answers, asked without a server, less what is this machine's and not the repository's."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match

from mvc.api.errors import MvcError
from mvc.web.app import routed
from mvc.web.site import Site

_PATH = re.compile(r"(?<![\w.:/~])(?:~|[A-Za-z]:)?[\\/](?:[^\s\\/'\"]+[\\/])+(?=[^\s\\/'\"])")
"""The directories of an absolute path that stands in a text."""
_USER = re.compile(r"(?<=://)[^/@\s]+@")
_TELLING = frozenset({"command", "detail"})
"""Fields in which paths of the machine may be that the repository was used on."""


class Answers:
    """Asks the routes of a site, one after the other."""

    def __init__(self, site: Site) -> None:
        self._app, self._site = routed(), site
        self._root = site.repo.root
        self._written_root = json.dumps(self._root)[1:-1]
        self._name = self._root.rstrip("/").rpartition("/")[2]

    def document(self, address: str) -> Any:
        """The document at an address below /api/v1; None where the answer is an error."""
        text = self.text(address)
        return None if text is None else json.loads(text)

    def text(self, address: str) -> str | None:
        """The same as JSON in ASCII, or what is text itself."""
        response = self._ask(address)
        if response is None or response.status_code != 200:
            return None
        if isinstance(response, StreamingResponse):
            return asyncio.run(_read(response)).decode()
        text = bytes(response.body).decode()
        if response.media_type != "application/json" or not self._may_tell(text):
            return text
        found = cleaned(json.loads(text), self._root, self._name)
        return json.dumps(found, allow_nan=False, separators=(",", ":"))

    def _may_tell(self, text: str) -> bool:
        """Whether places of the machine may be in a document: most have none, which a look at their text tells
        sooner than one at each of their values."""
        return self._written_root in text or any(f'"{name}":' in text for name in _TELLING)

    def _ask(self, address: str) -> Response | None:
        path, _, query = address.partition("?")
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/api/v1" + path,
            "query_string": query.encode(),
            "headers": [],
            "app": self._app,
            "state": {"site": self._site},
        }
        for route in self._app.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                try:
                    answered: Response = found["endpoint"](Request({**scope, **found}))
                except MvcError:
                    return None
                return answered
        raise ValueError(f"no route answers {address}")


def cleaned(value: Any, root: str, name: str, *, telling: bool = False) -> Any:
    """A document without the places of this machine: the workspace at `root` is called by its name, other
    directories not at all. `telling`: such stand in texts."""
    if isinstance(value, str):
        text = value.replace(root, name)
        return _USER.sub("", _PATH.sub("\u2026/", text)) if telling else text
    if isinstance(value, list):
        return [cleaned(one, root, name, telling=telling) for one in value]
    if isinstance(value, dict):
        return {
            key: cleaned(one, root, name, telling=telling or key in _TELLING)
            for key, one in value.items()
        }
    return value


async def _read(response: StreamingResponse) -> bytes:
    pieces = [
        piece.encode() if isinstance(piece, str) else bytes(piece)
        async for piece in response.body_iterator
    ]
    return b"".join(pieces)
