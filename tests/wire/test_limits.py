"""The limits that the protocol page names are those that a server tells and keeps."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import Failure
from mvcd.ids import ChunkId, VersionId
from mvcd.monitor import Silent
from mvcd.objects.version import Version
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.wire import limits
from mvcd.wire.v1 import remote_pb2 as pb
from tests.wire.conftest import History
from tests.wire.hosts import CarefulRepository, calling, serving

PAGE = Path(__file__).parents[2] / "proto" / "README.md"
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}
TABLE = {
    "a message, both ways": [limits.MESSAGE_BYTES],
    "records in one Put or GetReply (`frame_bytes`)": [limits.FRAME_BYTES, limits.FRAME_ENDS_BYTES],
    "raw bytes that the records of one Put declare together": [limits.FRAME_RAW_BYTES],
    "raw bytes of one object": [limits.OBJECT_RAW_BYTES, limits.OBJECT_BUT_CHUNK_RAW_BYTES],
    "body of one record": [limits.BODY_BYTES],
    "ids in one Has (`has_ids`)": [limits.HAS_IDS],
    "ids in one Get (`get_ids`)": [limits.GET_IDS],
    "versions in one LogReply, in `heads`, in `haves` (`log_versions`)": [limits.LOG_VERSIONS],
    "updates in one UpdateRefs (`ref_updates`)": [limits.REF_UPDATES],
    "a ref's name, a ref's value": [limits.REF_NAME_BYTES, limits.REF_VALUE_BYTES],
    "a repository's name": [limits.REPO_NAME_CHARACTERS],
    "`author`, `detail`": [limits.TEXT_CHARACTERS],
    "`session`, `request_id`": [limits.ID_BYTES],
}
"""The whole table: each row by its first cell, with the numbers of its second in their order."""


def page() -> dict[str, list[int]]:
    """The table of limits as the page has it; `2 MiB + 64 KiB` is one number."""
    text = PAGE.read_text(encoding="utf-8").split("## Limits")[1].split("##")[0]
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]*\d[^|]*) \|$", text, re.MULTILINE)
    return {what: [number(said) for said in re.findall(r"[\d.,]*\d(?: (?:[KM]iB|\+ \d+))*", cell)]
        for what, cell in rows}  # fmt: skip


def number(said: str) -> int:
    parts = [part.partition(" ") for part in said.split(" + ")]
    return sum(int(float(digits.replace(",", "")) * UNITS[unit]) for digits, _, unit in parts)


def test_the_page_and_hello_agree() -> None:
    with MemoryStore() as store:
        served, port = serving(store)
        peer = calling(port)
        request = pb.HelloRequest(repo="r", protocol_min=1, protocol_max=3)
        limits = peer._stub.Hello(request, timeout=10).limits
        peer.close()
        served.stop(1)
    told = {field.name: value for field, value in limits.ListFields()}
    named = {re.search(r"`(\w+)`\)$", what)[1]: n[0] for what, n in page().items() if "`)" in what}
    assert named == told


def test_the_page_and_the_code_agree() -> None:
    assert page() == TABLE
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"but never fewer than {limits.FEWEST_IDS};" in text


@pytest.fixture
def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[LmdbStore, int]]:
    """A server that takes as little as a server may."""
    for name in ("HAS_IDS", "GET_IDS", "LOG_VERSIONS", "REF_UPDATES"):
        monkeypatch.setattr(limits, name, limits.FEWEST_IDS)
    with LmdbStore.create(tmp_path / "server") as store:
        served, port = serving(store, CarefulRepository)
        yield store, port
        served.stop(1)


def test_a_client_keeps_to_smaller_ones(history: History, strict: tuple[LmdbStore, int]) -> None:
    _, port = strict
    peer = calling(port)
    history.push(peer)
    whole = {id for id, _ in history.store.ids()}
    assert len(whole) > 2 * limits.FEWEST_IDS
    with MemoryStore() as copy, copy.session() as session:
        pull(copy, session, [peer], [history.versions[1]], [], monitor=Silent())
        session.commit()
        assert {id for id, _ in copy.ids()} == whole
    peer.close()


def test_refs_move_together_or_are_refused_here(strict: tuple[LmdbStore, int]) -> None:
    """They are not split: all of them move or none."""
    store, port = strict
    peer = calling(port)
    many = [RefUpdate(f"tags/{n}", None, bytes(32)) for n in range(limits.FEWEST_IDS + 1)]
    with pytest.raises(Failure, match="65 refs") as caught:
        peer.update_refs(many, force=frozenset(), author="", detail="")
    assert caught.value.kind == "too-large" and store.refs() == {}
    peer.close()


def test_a_log_with_more_heads_than_go_into_a_call(strict: tuple[LmdbStore, int]) -> None:
    """A child still comes before its parents, whichever call told of it."""
    store, port = strict
    source = random.Random(5)
    versions: list[VersionId] = []
    parents: dict[VersionId, tuple[VersionId, ...]] = {}
    generations: dict[VersionId, int] = {}
    with store.session() as session:
        for n in range(300):
            above = tuple(source.sample(versions[-40:], min(n, 2)))
            generation = 1 + max((generations[id] for id in above), default=0)
            made = Version(above, generation, author="A <a@b>", message=f"{n}")
            data = made.encode()
            session.put(made.id, Encoded(Codec.RAW, len(data), data))
            versions.append(made.id)
            parents[made.id], generations[made.id] = above, generation
        session.commit()
    heads = list(versions)
    source.shuffle(heads)
    peer = calling(port)
    found = list(peer.log(heads, []))
    assert sorted(found) == sorted(versions)
    at = {id: n for n, id in enumerate(found)}
    assert all(at[id] < at[parent] for id in found for parent in parents[id])
    peer.close()


def test_few_ids_wait_for_no_greeting(strict: tuple[LmdbStore, int]) -> None:
    _, port = strict
    peer = calling(port)
    peer._told = None  # type: ignore[assignment]
    assert (
        peer.has([ChunkId.of(b"%d" % n) for n in range(limits.FEWEST_IDS)])
        == [False] * limits.FEWEST_IDS
    )
    peer.close()
