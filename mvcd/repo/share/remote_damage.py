"""Healing of what a remote knows to be damaged, by who pushes to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blake3 import blake3

from mvcd.errors import AuthError, NotPermitted
from mvcd.repo.core.core import Core
from mvcd.repo.records.refs import version_named
from mvcd.store.api import RefUpdate
from mvcd.store.peer import Peer
from mvcd.sync.push import heal as heal_there


@dataclass(frozen=True, slots=True)
class RemoteDamage:
    """Objects that a remote knows to be damaged before a push of refs: these to these values."""

    core: Core
    peer: Peer
    wanted: Mapping[str, bytes | None]
    known: int

    def heal(self, theirs: Mapping[str, bytes], author: str, *, moving: bool) -> None:
        """Sends what is damaged there as far as the refs reach it that are to be pushed. `moving`: some of them
        move afterwards, which makes it durable. Raises what the peer raises."""
        if not self.known or (moving and self._in_vain()):
            return
        named = [version_named(n, value) for n, value in self.wanted.items() if value is not None]
        heads = list(dict.fromkeys(id for id in named if id is not None))
        try:
            sent = heal_there(self.core.store, self.peer, heads, monitor=self.core.monitor)
            if sent.objects and not moving:
                _make_durable(self.peer, self.wanted, theirs, author)
        except (AuthError, NotPermitted):
            pass  # who may not write there heals nothing; if refs are to move, their update says so

    def left(self) -> int:
        """How many are left after all that was pushed is durable."""
        if not self.known:
            return 0
        left = self.peer.hello().damaged
        self.core.store.cache_put({self._tried: left.to_bytes(8)})
        return left

    def _in_vain(self) -> bool:
        """Whether a push of these refs has tried before and left as many: each save of a daemon is pushed, and
        must not ask about all that there is each time."""
        (tried,) = self.core.store.cache_get([self._tried])
        return tried == self.known.to_bytes(8)

    @property
    def _tried(self) -> bytes:
        names = "\n".join([self.peer.told().repo_id, *sorted(self.wanted)])
        return b"healing/there/" + blake3(names.encode()).digest()


def _make_durable(
    peer: Peer, wanted: Mapping[str, bytes | None], theirs: Mapping[str, bytes], author: str
) -> None:
    """Moves one of the refs to where it is."""
    for name, value in wanted.items():
        if value is not None and theirs.get(name) == value:
            same = [RefUpdate(name, value, value)]
            peer.update_refs(same, force=frozenset(), author=author, detail=f"heal {name}")
            return
