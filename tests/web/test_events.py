"""Operations as they happen: within a second, in order, and again after a lost connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest

from mvc import Repo
from mvc.web.events import PING_SECONDS, kind_of
from tests.support.commandline import write
from tests.support.page import Served

Event = dict[str, str]


def told(answer: HTTPResponse) -> Iterator[Event]:
    """Events of a stream: their fields, and `comment`."""
    event: Event = {}
    for line in iter(answer.readline, b""):
        text = line.decode().rstrip("\n")
        if not text:
            yield event
            event = {}
            continue
        name, _, value = text.partition(": ")
        event[name or "comment"] = value


def save(repo: Repo, value: float) -> int:
    write(Path(repo.root), {"metrics.json": json.dumps({"val_acc": value})})
    repo.commit(f"at {value}")
    return next(repo.operations()).number


def test_a_save_is_told_within_a_second_and_replayed(
    own: Repo, serve: Callable[..., Served]
) -> None:
    page = serve(Path(own.root)).let_in()
    connection, answer = page.open("GET", "/api/v1/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    stream = told(answer)
    begun = next(stream)
    number = save(own, 0.7)
    saved = time.monotonic()
    event = next(stream)
    assert time.monotonic() - saved < 1.0
    assert (event["id"], event["event"]) == (str(number), "version")
    assert json.loads(event["data"])["verb"] == "commit"
    assert int(begun["id"]) == number - 1
    connection.close()

    numbers = [save(own, 0.8), save(own, 0.9)]
    own.tag("best")
    for headers, query in (({"Last_Event_ID": str(number)}, ""), ({}, f"?after={number}")):
        connection, answer = page.open("GET", f"/api/v1/events{query}", **headers)
        stream = told(answer)
        next(stream)
        events = [next(stream) for _ in range(3)]
        assert [int(event["id"]) for event in events] == [*numbers, numbers[-1] + 1]
        assert [event["event"] for event in events] == ["version", "version", "ref"]
        connection.close()
    assert page.get("/api/v1/events", Last_Event_ID="x").status == 400


def test_kinds_say_what_moved(own: Repo) -> None:
    own.promote("v1", "production")
    own.annotate("v1", {"a": "b"})
    own.branch("wide")
    kinds = [kind_of(operation) for operation in own.operations()]
    assert kinds[:3] == ["version", "ref", "stage"]


@pytest.mark.thorough
def test_a_quiet_stream_says_that_it_lives(own: Repo, serve: Callable[..., Served]) -> None:
    page = serve(Path(own.root)).let_in()
    connection, answer = page.open("GET", "/api/v1/events")
    stream = told(answer)
    next(stream)
    start = time.monotonic()
    assert next(stream) == {"comment": "ping"}
    assert PING_SECONDS - 1 < time.monotonic() - start < PING_SECONDS + 5
    connection.close()
