"""How a server's log looks: one line an event, as JSON for collectors or as text for people.

What is logged is decided where it happens; a record's `fields` are columns of the line. Tokens, messages of
versions and names of files never are among them.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any, TextIO


def configure(stream: TextIO, *, form: str, level: str = "INFO") -> None:
    """`form` is "json" or "text"; lines below `level` are left out."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "fields", None) or {}


def _time(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{k}={_word(v)}" for k, v in _fields(record).items() if v is not None)
        line = f"{_time(record)} {record.levelname[0]} {_printable(record.getMessage())}"
        line = f"{line} {fields}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _word(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text)


def _printable(text: str) -> str:
    """Who chooses a name must not be able to write lines of ours, nor to move a terminal's cursor."""
    return text if text.isprintable() else json.dumps(text)
