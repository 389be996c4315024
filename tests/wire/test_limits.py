"""The limits that the protocol page names are those that a server tells and keeps."""

from __future__ import annotations

import re
from pathlib import Path

from mvcd.codec.encoded import MAX_RAW_SIZE
from mvcd.store.frames import MAX_FRAME_RAW_SIZE
from mvcd.store.memory_store import MemoryStore
from mvcd.store.record import MAX_BODY_SIZE
from mvcd.wire import client, server
from mvcd.wire.v1 import remote_pb2 as pb
from tests.wire.hosts import calling, serving

PAGE = Path(__file__).parents[2] / "proto" / "README.md"
UNITS = {None: 1, "KiB": 1 << 10, "MiB": 1 << 20}


def page() -> dict[str, int]:
    """Each row of the table of limits by its first words, in its own units."""
    text = PAGE.read_text(encoding="utf-8").split("## Limits")[1].split("##")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+)(?: (KiB|MiB))?", text, re.MULTILINE)
    return {what: int(number.replace(",", "")) * UNITS[unit or None] for what, number, unit in rows}


def test_the_page_and_hello_agree() -> None:
    with MemoryStore() as store:
        served, port = serving(store)
        peer = calling(port)
        request = pb.HelloRequest(repo="r", protocol_min=1, protocol_max=3)
        limits = peer._stub.Hello(request, timeout=10).limits
        peer.close()
        served.stop(1)
    told = {field.name: value for field, value in limits.ListFields()}
    named = {re.search(r"`(\w+)`\)$", what)[1]: n for what, n in page().items() if "`)" in what}
    assert named == told


def test_the_page_and_the_code_agree() -> None:
    rows = page()
    assert rows["a message, both ways"] == server.MAX_MESSAGE == client.MAX_MESSAGE
    assert rows["raw bytes that the records of one Put declare together"] == MAX_FRAME_RAW_SIZE
    assert rows["raw bytes of one object"] == MAX_RAW_SIZE
    assert rows["a repository's name"] == server.MAX_REPO_NAME
    assert "| 2 MiB + 64 KiB |" in PAGE.read_text(encoding="utf-8")
    assert MAX_BODY_SIZE == (2 << 20) + (64 << 10)
