from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from mvcd.store.memory_store import MemoryStore
from tests.wire.hosts import calling, serving


def test_waiting_for_a_message_and_for_its_reader_makes_no_task() -> None:
    """gRPC makes three of its own for each call; each costs as much as what most calls look up."""
    served, port = serving(MemoryStore())
    loop = served.server._loop
    made: list[str] = []

    def counted(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **named: Any
    ) -> asyncio.Task[Any]:
        made.append(work.__qualname__)
        return asyncio.Task(work, loop=loop, **named)

    loop.call_soon_threadsafe(loop.set_task_factory, counted)
    peer = calling(port)
    for _ in range(5):
        peer.hello()
    peer.close()
    served.stop(1)
    assert made.count("_handle_exceptions") >= 5, "the calls themselves"
    assert not [name for name in made if name.endswith((".read", ".write"))]
