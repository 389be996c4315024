"""What an HTTP server answered, whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """What came back; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, found: HTTPResponse) -> Self:
        """Reads the answer to its end."""
        return cls(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())

    @property
    def json(self) -> Any:
        return json.loads(self.body)
