"""`mvc ui` as a person runs it: an address, a clear refusal, an end."""

from __future__ import annotations

import importlib.util
import json
import signal
import socket
from pathlib import Path

import pytest

from mvc.cli.page_shapes import shapes
from mvc.web import server
from mvcd import extras
from tests.support.commandline import Mvc
from tests.support.page import Served


def test_it_prints_an_address_and_ends_when_told(saved: Path) -> None:
    page = Served(saved)
    try:
        assert page.address.startswith("http://127.0.0.1:") and len(page.token) > 40
        assert page.let_in().api("/repos")["repos"][0]["name"] == saved.name
        connection, stream = page.open("GET", "/api/v1/events")
        page.process.send_signal(signal.SIGINT)
        assert b": begun" in stream.read()  # a stream ends with the server, and does not hold it
        connection.close()
        page.process.wait(60)
    finally:
        page.end()
    assert page.process.returncode == 130


def test_a_taken_port_is_refused(mvc: Mvc, saved: Path) -> None:
    with socket.create_server((server.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        ran = mvc("ui", "--no-browser", "--port", str(port), code=1)
    assert f"cannot listen on 127.0.0.1:{port}" in ran.err and "--port 0" in ran.err
    assert "65536" in mvc("ui", "--port", "65536", code=2).err


def test_without_the_extra_it_says_what_to_install(
    mvc: Mvc, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        extras, "find_spec", lambda name: None if name == "uvicorn" else found(name)
    )
    ran = mvc("ui", "--json", code=1)
    assert json.loads(ran.err)["help"] == "pip install 'mvcd[web]'"
    assert json.loads(ran.err)["kind"] == "needs-extra"


def test_outside_of_a_repository_it_says_so(mvc: Mvc, work: Path) -> None:
    assert "repository" in mvc("ui", "--no-browser", code=10).err


@pytest.mark.thorough
def test_the_demo_ends_with_its_page_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    page = Served(tmp_path, verb=("demo", "--ui", "--iterations", "5"))
    try:
        found = page.let_in().api("/r/versions")["versions"]
        assert [row["number"] for row in found] == [6, 5, 4, 3, 2, 1]
        assert list(tmp_path.glob("mvc-demo-*"))
    finally:
        page.process.send_signal(signal.SIGINT)
        page.process.wait(60)
        page.end()
    assert list(tmp_path.glob("mvc-demo-*")) == []


def test_the_demo_refuses_two_kinds_of_answer(mvc: Mvc, work: Path) -> None:
    assert "exclude each other" in mvc("demo", "--ui", "--json", code=2).err


def test_the_page_gets_every_document() -> None:
    made = shapes()
    assert all(callable(getattr(made, name)) for name in made.__slots__)
