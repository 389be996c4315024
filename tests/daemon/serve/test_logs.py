from __future__ import annotations

import json
import logging

from mvcd.daemon.serve.logs import JsonLines, TextFormatter


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("mvcd", logging.INFO, "", 0, message, None, None)
    made.created, made.msecs = 1_700_000_000.25, 250.0
    made.fields = fields
    return made


def test_json_has_one_object_a_line() -> None:
    line = JsonLines().format(record("call", repo="team/é\n", ms=1.5, principal=None))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "message": "call",
        "repo": "team/é\n",
        "ms": 1.5,
        "principal": None,
    }


def test_text_is_one_line_that_no_name_can_break() -> None:
    line = TextFormatter().format(record("call", repo="a\nb", method="Put", principal=None))
    assert line == '2023-11-14T22:13:20.250Z I call repo="a\\nb" method=Put'
    assert "\x1b" not in TextFormatter().format(record("\x1b[2J"))
