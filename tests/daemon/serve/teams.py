"""A small team in a root of any kind, and all that can be said of one, for comparing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from mvcd.daemon.serve.copyroot import RootPlace, copy_root
from mvcd.monitor import Silent
from mvcd.store.api import RefUpdate, Store
from mvcd.store.stores import is_bucket
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.records import ProtectionRule, Quota
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.team.usage import UPDATED
from tests.daemon.serve.servers import BY
from tests.store.objects import delta, plain, revisions, some

REPOSITORIES = ("iris", "team/models", "team/empty")


def place(address: object) -> RootPlace:
    """An address with caches that go with who opens it."""
    return RootPlace.of(str(address), {})


def opened(address: object) -> Root:
    found = place(address)
    if is_bucket(found.address):
        return BucketRoot.open(found.address)
    return Root.open(found.address)


def copied(source: object, target: object, **options: Any) -> list[str]:
    """Copies a root; the names of its stores."""
    made = copy_root(place(source), place(target), monitor=Silent(), **options)
    return [store.path for store in made]


def make_team(address: object) -> str:
    """A root with accounts of every sort, and repositories with deltas and logs longer than a bucket's state
    holds; a token of its user "ada"."""
    where = str(address)
    root = BucketRoot.create(where) if is_bucket(where) else Root.create(where)
    with root:
        accounts = root.accounts
        accounts.add_user(BY, "ada")
        accounts.set_grant(BY, "ada", Scope(role=Role.WRITE))
        accounts.set_rule(BY, ProtectionRule(refs="heads/main"))
        accounts.set_quota(BY, Quota("**", "ada", 1 << 30))
        for name in REPOSITORIES:
            root.create_repository(BY, name)
        for seed, name in enumerate(REPOSITORIES[:2]):
            with root.open_repository(name) as store:
                fill(store, seed)
        secret, _ = accounts.add_token(BY, "ada")
    return secret


def fill(store: Store, seed: int) -> None:
    chain = revisions(seed, 4)
    with store.session() as session:
        for id, encoded, _ in some(seed, 60):
            session.put(id, encoded)
        base, whole = plain(chain[0])
        session.put(base, whole)
        for older, newer in pairwise(chain):
            session.put(*delta(newer, older))
        session.commit([RefUpdate("heads/main", None, bytes(base))], operation=b"made")
    row = replace(BY, who="ada").row(
        UPDATED, {"repo": "", "refs": [], "bytes": 1000, "filler": "x" * 60_000}
    )
    for number in range(6):
        with store.session() as session:
            update = RefUpdate(f"tags/{number}", None, bytes(base))
            session.commit([update], operation=b"o" * 60_000 + bytes([number]), audit=row)


def told(store: Store) -> dict[str, Any]:
    """All that a store says of itself, but for what is its own place's."""
    store.salvage()
    return {
        "id": store.id,
        "changes": store.changes(),
        "objects": [(id, info.kind, info.raw_size) for id, info in store.ids()],
        "refs": {n: v for n, v in store.refs().items() if not n.startswith("repositories/")},
        "operations": list(store.operations()),
        "audit": list(store.audit()),
        "head": store.audit_head(),
        "damage": list(store.check()),
    }


def whole(address: object) -> dict[str, dict[str, Any]]:
    """What `told` says of each store of a root. The accounts' number of changes is its own."""
    with opened(address) as root:
        found = {"": told(root.store)}
        del found[""]["changes"]
        for hosted in root.accounts.repositories():
            with root.open_repository(hosted.name) as store:
                found[hosted.name] = {**told(store), "hosted": (hosted.id, hosted.created_us)}
    return found


def bucket(path: Path) -> str:
    return f"bucket+file://{path}"
