"""A team's repositories as the wire sees them, without a wire."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from mvcd.errors import Conflict, Failure, MissingObject, NoRepository
from mvcd.objects.version import Version
from mvcd.store.api import RefUpdate
from mvcd.team import auditlog
from mvcd.team.host import TeamHost, TeamRepository
from mvcd.team.records import Quota
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.host import Access, Caller, Judgement, Update
from tests.store.objects import Kind, plain
from tests.team.acts import BY, NOW, put_version


@pytest.fixture
def host(root: Root) -> Iterator[TeamHost]:
    root.create_repository(BY, "r")
    root.accounts.add_user(BY, "ada")
    root.accounts.set_grant(BY, "ada", Scope("r", Role.WRITE))
    root.accounts.set_certificate(BY, "ada.example.org", "ada")
    host = TeamHost(root, lambda: NOW)
    yield host
    host.close()


def opened(host: TeamHost, action: Access = Access.UPDATE) -> TeamRepository:
    return host.open("r", Caller("unix:", certificate=("ada.example.org",)), action)


def update(hosted: TeamRepository, *updates: RefUpdate, force: bool = False) -> Judgement:
    def missing(ids):
        return [id for id, here in zip(ids, hosted.store.has(ids), strict=True) if not here]

    names = frozenset(u.name for u in updates if force)
    asked = Update(updates, names, "Ada <ada@x>", "push", "00" * 16)
    judgement = hosted.check_update(asked, missing)
    with hosted.store.session() as session:
        session.commit(updates, operation=judgement.operation, audit=judgement.audit)
    return judgement


def test_stores_stay_open_between_calls(host: TeamHost) -> None:
    first, second = opened(host), opened(host)
    assert first.store is second.store
    assert first.store.packs.cached, "what one pulls, others do too"
    assert (first.principal, first.role, first.repo_id) == ("ada", "write", first.store.id)


def test_a_removed_repository_is_gone_at_the_next_call(host: TeamHost) -> None:
    before = opened(host).store
    host.root.remove_repository(BY, "r")
    with pytest.raises(NoRepository):
        opened(host)
    host.root.create_repository(BY, "r")
    assert opened(host).store is not before


def test_which_refs_are_seen(host: TeamHost) -> None:
    hosted = opened(host)
    names = [
        "heads/main",
        "tags/x",
        "saved/1",
        "workspaces/1/head",
        "auto/a/b",
        "remotes/o/heads/m",
    ]
    assert [n for n in names if hosted.visible(n)] == ["heads/main", "tags/x", "auto/a/b"]
    host.root.accounts.remove_grant(BY, "ada", "r")
    host.root.accounts.set_grant(BY, "ada", Scope("r", Role.WRITE, "auto/**"))
    assert [n for n in names if opened(host).visible(n)] == ["auto/a/b"]


def test_what_was_pushed_has_to_be_whole(host: TeamHost) -> None:
    hosted = opened(host)
    with hosted.store.session() as session:
        orphan = Version((put_version(hosted.store),), 2)
        absent = Version((orphan.id,), 3)
        session.put(*plain(absent.encode(), Kind.VERSION))
        session.commit()
    with pytest.raises(MissingObject):
        update(hosted, RefUpdate("heads/main", None, absent.id))
    with pytest.raises(MissingObject):
        update(hosted, RefUpdate("heads/main", None, orphan.id))
    assert hosted.store.refs() == {}
    assert hosted.store.audit_head().sequence == 0


def test_quota_of_a_principal(host: TeamHost) -> None:
    host.root.accounts.set_quota(BY, Quota("r", "ada", 1000))
    hosted = opened(host)
    version = put_version(hosted.store)
    hosted.check_put(600)
    with pytest.raises(Failure) as caught:
        hosted.check_put(401)
    assert (caught.value.kind, caught.value.cause) == ("quota", "600 of 1,000 bytes")
    update(hosted, RefUpdate("heads/main", None, version))
    hosted.check_put(400)
    again = TeamHost(host.root, lambda: NOW)  # what a ref names is remembered by the audit log
    with pytest.raises(Failure):
        opened(again).check_put(401)
    again.close()


def test_quota_of_a_repository(host: TeamHost) -> None:
    put_version(opened(host).store)
    used = opened(host).store.stats().pack_bytes
    host.root.accounts.set_quota(BY, Quota("**", None, used + 500))
    hosted = opened(host)
    hosted.check_put(500)
    with pytest.raises(Failure, match="this repository"):
        hosted.check_put(1)


def test_the_audit_log_replayed_gives_the_refs(host: TeamHost) -> None:
    """Whoever won which race: each row's old value is the one that the row before it left."""
    versions = [put_version(opened(host).store, message=str(n)) for n in range(4)]
    refused = []

    def push_some(seed: int) -> None:
        source = random.Random(seed)
        for _ in range(12):
            hosted = opened(host)
            name = f"heads/{source.choice('abc')}"
            old, new = hosted.store.ref(name), source.choice([*versions, None])
            try:
                update(hosted, RefUpdate(name, old, new), force=True)
            except Conflict:
                refused.append(name)

    threads = [threading.Thread(target=push_some, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    store = opened(host).store
    assert auditlog.verify(store).ok
    refs: dict[str, str | None] = {}
    rows = list(auditlog.entries(store))
    assert len(rows) == 48 - len(refused)
    for row in rows:
        ((name, old, new),) = row.detail["refs"]
        assert refs.get(name) == old
        refs[name] = new
    found = {name: value.hex() for name, value in store.refs("heads/").items()}
    assert found == {name: value for name, value in refs.items() if value is not None}
