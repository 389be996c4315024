"""Annotations on a team server: who may write them there, who reads them, and what the audit log says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mvcd.errors import AuthError
from mvcd.repo.records.annotations import name_of, texts_of
from mvcd.repo.records.refs import NOTES
from mvcd.team import auditlog
from mvcd.team.host import TeamHost
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.server import make_server
from tests.support.memory import in_memory
from tests.sync.people import Pair, Person
from tests.team.acts import BY, NOW


@dataclass
class Team:
    root: Root
    pair: Pair
    url: str

    def person(self, name: str, role: Role, refs: str = "**") -> Person:
        """Someone with this role who has cloned what is there."""
        self.root.accounts.add_user(BY, name)
        self.root.accounts.set_grant(BY, name, Scope("r", role, refs))
        token, _ = self.root.accounts.add_token(BY, name)
        self.pair.ada.repo._core.secret = lambda _: {"token": token}
        made, _ = self.pair.ada.clone_of(str(self.pair.ada.root), self.pair.scratch / name)
        made.repo._core.secret = lambda _: {"token": token}
        made.repo.add_remote("team", self.url)
        return made


@pytest.fixture
def team() -> Iterator[Team]:
    with in_memory() as scratch, Root.create(Path(scratch) / "server") as root:
        root.create_repository(BY, "r")
        host = TeamHost(root, lambda: NOW)
        served = make_server(host)
        port = served.server.add_insecure_port("127.0.0.1:0")
        served.server.start()
        with Pair(Path(scratch)) as pair:
            pair.ada.save({"x.txt": "1"})
            yield Team(root, pair, f"grpc://127.0.0.1:{port}/r")
        served.stop(1.0)
        host.close()


def note(person: Person, **texts: str | None) -> None:
    person.repo.annotate("v1", texts, context=person.context())


def texts(person: Person) -> dict[str, str]:
    return texts_of(person.repo.store, person.repo.resolve("v1"))


def test_writers_write_and_readers_read(team: Team) -> None:
    eve, bob, rob = (
        team.person("eve", Role.WRITE),
        team.person("bob", Role.WRITE),
        team.person("rob", Role.READ),
    )
    eve.push("main", remote="team")
    note(eve, accuracy="0.91")
    note(bob, run="17")
    eve.push("main", remote="team")
    bob.push("main", remote="team")
    for person in (eve, bob, rob):
        person.fetch("team")
        assert texts(person) == {"accuracy": "0.91", "run": "17"}
    note(rob, accuracy="1.0")
    with pytest.raises(AuthError, match="rob may not do this"):
        rob.push("main", remote="team")
    with team.root.open_repository("r") as store:
        assert len(store.refs(NOTES)) == 2
        rows = [e for e in auditlog.entries(store) if e.action == "ref.update"]
    name = name_of(eve.repo.resolve("v1"), "accuracy")
    (told,) = [e for e in rows if [change[0] for change in e.detail["refs"]] == [name]]
    assert told.who == "eve"
    for person in (eve, bob, rob):
        person.repo.close()


def test_who_may_push_the_branch_and_no_annotation_is_warned(team: Team) -> None:
    eve = team.person("eve", Role.WRITE, refs="heads/*")
    note(eve, accuracy="0.91")
    said: list[str] = []
    eve.repo._core.monitor.warn = said.append  # type: ignore[method-assign]
    done = eve.push("main", remote="team")
    assert [move.name for move in done.moved] == ["heads/main"]
    assert len(said) == 1 and said[0].startswith("annotations stay here: eve may not do this in r")
    assert texts(eve) == {"accuracy": "0.91"}
    with pytest.raises(AuthError):
        eve.push("main", remote="team")
    eve.repo.close()
