"""Pruning on a team's page: who may, what is told before, what others see after it, and what search finds."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvc import Repo
from mvc.api.team import TeamServer
from mvcd.objects.version import Trigger
from mvcd.repo.change import commit
from tests.support.commandline import AUTHOR, write
from tests.support.teampage import TeamPage

OPEN = "/team/open/-/api/v1"
SIZE_BYTES = 20_000


def content(number: int) -> bytes:
    return random.Random(number).randbytes(SIZE_BYTES)


@pytest.fixture
def thinned(own_team: TeamPage, tmp_path: Path) -> Iterator[TeamPage]:
    """team/open has four versions; of the automatic ones v2 and v3 may go, v4 is the newest."""
    root = tmp_path / "thin"
    root.mkdir()
    repo = Repo.init(root, author=AUTHOR)
    write(root, {"mvc.toml": '[retention]\nkeep_last = 1\ngrace = "0h"\n', "note.txt": "x"})
    repo.add(".")
    repo.commit("by hand")
    for number in range(2, 5):
        write(root, {"model.bin": content(number)})
        repo.add(".")
        commit.commit(
            repo._core, f"saved by itself {number}", context=repo._context(), trigger=Trigger.AUTO
        )
    repo.add_remote("team", f"{own_team.grpc}/team/open")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVC_TOKEN", own_team.tokens["root"])
        repo.push(remote="team", all=True)
    repo.close()
    yield own_team


def marked(page: TeamPage) -> list[int]:
    """The numbers of the versions that are pruned, as a reader sees them."""
    rows = page.get("reader", f"{OPEN}/r/versions").json["versions"]
    return sorted(row["number"] for row in rows if row["pruned"] is not None)


def test_who_may_prune_is_told_what_goes_and_nobody_else_may(thinned: TeamPage) -> None:
    page = thinned
    told = page.get("reader", f"{OPEN}/r/freeable").json["prune"]
    assert [one["number"] for one in told["pruned"]] == [2, 3]
    for dry in (True, False):
        for user in ("reader", "trainer", "writer"):
            answer = page.post(user, f"{OPEN}/r/prune", dry_run=dry)
            assert (answer.status, answer.json["kind"]) == (403, "scope"), (user, dry)
        for user in ("nobody", "narrow"):
            assert page.post(user, f"{OPEN}/r/prune", dry_run=dry).status == 404
    would = page.post("keeper", f"{OPEN}/r/prune", dry_run=True)
    assert would.json["dry_run"] and would.json["pruned"] == told["pruned"]
    assert marked(page) == []
    assert (
        page.post("keeper", "/team/iris/-/api/v1/r/prune", dry_run=True).json["kind"] == "no-rules"
    )


def test_it_is_recorded_seen_by_all_and_can_be_undone(thinned: TeamPage) -> None:
    page = thinned
    done = page.post("keeper", f"{OPEN}/r/prune").json
    assert [one["number"] for one in done["pruned"]] == [2, 3] and marked(page) == [2, 3]
    row = page.get("root", "/api/v1/admin/audit?repo=team%2Fopen").json["rows"][0]
    assert (row["who"], row["action"]) == ("keeper", "ref.update")
    operation = page.get("reader", f"{OPEN}/r/ops?limit=1").json["operations"][0]
    assert (operation["author"], operation["verb"]) == ("keeper", "prune")
    assert page.get("reader", f"{OPEN}/r/v/v2").json["pruned"]["rule"] == done["rules"]
    assert page.get("reader", f"{OPEN}/r/freeable").json["prune"]["pruned"] == []
    back = page.post("writer", f"{OPEN}/r/undo", number=operation["number"])
    assert back.status == 403 and marked(page) == [2, 3]
    assert page.post("keeper", f"{OPEN}/r/undo", number=operation["number"]).status == 200
    assert marked(page) == []


def test_who_does_not_see_all_refs_is_told_nothing(thinned: TeamPage) -> None:
    page = thinned
    grant = {"user": "nobody", "role": "maintain", "repos": "team/open", "refs": "heads/main"}
    assert page.post("root", "/api/v1/admin/grant", **grant).status == 200
    for dry in (True, False):
        answer = page.post("nobody", f"{OPEN}/r/prune", dry_run=dry)
        assert (answer.status, answer.json["kind"]) == (409, "hidden-refs")
    assert page.get("nobody", f"{OPEN}/r/freeable").json["prune"]["kind"] == "hidden-refs"
    assert marked(page) == []


def test_a_protected_name_binds_pruning_too(thinned: TeamPage) -> None:
    rule = {"refs": "pruned/*", "repos": "team/open", "allow": ["root"]}
    assert thinned.post("root", "/api/v1/admin/rule", **rule).status == 200
    for dry in (True, False):
        answer = thinned.post("keeper", f"{OPEN}/r/prune", dry_run=dry)
        assert (answer.status, answer.json["kind"]) == (403, "protected-ref"), dry
    assert marked(thinned) == []


def test_search_finds_records_of_what_is_gone_and_content_that_is_there(
    thinned: TeamPage, tmp_path: Path
) -> None:
    page = thinned

    def numbers(route: str, asked: str) -> list[int]:
        hits = page.get("reader", f"{route}?{asked}").json["hits"]
        return [hit["number"] for hit in hits if hit.get("repo", "team/open") == "team/open"]

    for route in (f"{OPEN}/r/search", "/api/v1/search"):
        assert numbers(route, f"size={SIZE_BYTES}") == [4, 3, 2]
    assert page.post("keeper", f"{OPEN}/r/prune").status == 200
    with TeamServer(str(tmp_path / "server")) as server:
        assert server.gc("team/open").freed_bytes > 2 * SIZE_BYTES
    for route in (f"{OPEN}/r/search", "/api/v1/search"):
        assert numbers(route, "q=saved") == [4, 3, 2]
        assert numbers(route, "q=model.bin") == [4]
        for number, found in ((4, [4]), (2, [])):
            digest = hashlib.sha256(content(number)).hexdigest()
            assert numbers(route, f"size={SIZE_BYTES}&sha256={digest}") == found
        answer = page.get("reader", f"{route}?q=saved").json
        assert answer["next"] is None and answer["looked"] >= 4
