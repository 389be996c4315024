"""Servers without state over one bucket, and a client whose calls go to them in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mvcd.ids import VersionId
from mvcd.monitor import Silent
from mvcd.objects.version import Version
from mvcd.store.api import RefUpdate, Store
from mvcd.sync.push import push
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.roles import Role, Scope
from mvcd.wire.client import Patience, RemotePeer
from tests.daemon.serve.servers import BY, Server
from tests.team.acts import put_version

TURNS = '{"loadBalancingConfig":[{"round_robin":{}}],"methodConfig":[{"name":[{}],"waitForReady":false}]}'
"""gRPC's own way to give each call to another server; one that is gone gets none."""
STEADY = Patience(first=0.02, most=0.3, total=30.0)


def address(bucket: Path) -> str:
    return f"bucket+file://{bucket}"


def spread_team(bucket: Path, *repositories: str) -> str:
    """A root in a bucket with these repositories and a user "ada" who may write; her token."""
    with BucketRoot.create(address(bucket)) as root:
        root.accounts.add_user(BY, "ada")
        root.accounts.set_grant(BY, "ada", Scope(role=Role.WRITE))
        for name in repositories:
            root.create_repository(BY, name)
        return root.accounts.add_token(BY, "ada")[0]


def start(bucket: Path, number: int, *options: object) -> Server:
    """One more server over the bucket, with a cache of its own; it returns when it serves."""
    cache = bucket.parent / f"cache{number}"
    here = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--cache", cache)
    state = {"MVC_STATE_DIR": str(bucket.parent / f"state{number}")}
    return Server("--root", address(bucket), *here, *options, environment=state)


def turning(servers: Sequence[Server], repo: str, token: str, **options: Any) -> RemotePeer:
    """A client whose calls go to one server after the other."""
    target = "ipv4:" + ",".join(server.listen for server in servers)
    more = [("grpc.service_config", TURNS), ("grpc.use_local_subchannel_pool", 1)]
    return RemotePeer(
        target, repo, f"grpc://{servers[0].listen}/{repo}", token=token, options=more,
        **{"patience": STEADY, **options},
    )  # fmt: skip


# -------------------------------------------------------------------- what happened


@dataclass(frozen=True, slots=True)
class Act:
    """One call by somebody: a look that saw `value`, or a move from `before` to `value` that was
    acknowledged."""

    began: float
    ended: float
    value: bytes | None
    before: bytes | None = None
    moved: bool = False


@dataclass
class History:
    """Acts of several threads on one branch. Thread-safe."""

    acts: list[Act] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, peer: RemotePeer, ref: str) -> bytes | None:
        began = time.monotonic()
        value = peer.refs().get(ref)
        with self.lock:
            self.acts.append(Act(began, time.monotonic(), value))
        return value

    def move(
        self, store: Store, peer: RemotePeer, ref: str, parent: bytes | None, text: str
    ) -> bytes:
        """Pushes a new version upon the one that was seen. Raises Conflict, and what a push raises."""
        began = time.monotonic()
        parents = () if parent is None else (VersionId(parent),)
        id = put_version(store, *parents, message=text)
        push(store, peer, [id], list(parents), monitor=Silent())
        update = RefUpdate(ref, parent, bytes(id))
        peer.update_refs([update], force=frozenset(), author="Ada", detail=text)
        with self.lock:
            self.acts.append(Act(began, time.monotonic(), bytes(id), parent, moved=True))
        return bytes(id)

    def check(self, store: Store, last: bytes) -> int:
        """How many moves there were. Fails unless all acts have one order that agrees with time: the parents
        of the last version are that order, and moves that were never acknowledged may be among them."""
        order: list[bytes | None] = [last]
        while order[-1] is not None:
            parents = Version.decode(store.get(VersionId(order[-1]))).parents
            order.append(bytes(parents[0]) if parents else None)
        place = {value: number for number, value in enumerate(reversed(order))}
        moves = [act for act in self.acts if act.moved]
        for act in moves:
            assert place[act.value] == place[act.before] + 1, "an acknowledged move is lost"
        assert len({act.value for act in moves}) == len(moves)
        done = sorted(moves, key=lambda act: act.ended)
        for act in self.acts:
            at = place[act.value]
            earlier = [place[move.value] for move in done if move.ended < act.began]
            assert at >= max(earlier, default=0) + act.moved, (
                "an act saw less than what was done before"
            )
        for look in (act for act in self.acts if not act.moved):
            later = [act for act in self.acts if act.began > look.ended]
            assert all(place[act.value] >= place[look.value] for act in later), "time went back"
        return len(moves)
