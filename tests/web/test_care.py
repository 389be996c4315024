"""What takes how many bytes, what is largest, what collection and retention would free; pruning."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mvc import Repo
from mvcd.objects.version import Trigger
from mvcd.repo.change import commit
from tests.support.commandline import write
from tests.support.page import Served
from tests.web.conftest import VERSIONS


def test_bytes_of_each_version_are_those_of_mvc_du(page: Served, said: Callable[..., Any]) -> None:
    found = page.api("/r/stored")["versions"]
    assert len(found) == VERSIONS
    told = {v["version"]: [v["stored"], v["unique"]] for v in said("du")["versions"]}
    assert found == told


def test_the_largest_come_first(page: Served) -> None:
    found = page.api("/r/largest/v3?limit=4")
    sizes = [file["size"] for file in found["files"]]
    assert found["files"][0]["path"] == "model.safetensors"
    assert len(sizes) == 4 and sizes == sorted(sizes, reverse=True)
    assert [one["bytes"] for one in found["tensors"]] == [128] * 4
    assert page.get("/api/v1/r/largest/v99").status == 404


def test_without_rules_nothing_is_pruned_and_it_is_said_why(page: Served) -> None:
    found = page.api("/r/freeable")
    assert found["gc"] == {"objects": 0, "bytes_freed": 0}
    assert found["prune"]["kind"] == "no-rules" and found["prune"]["help"]
    refused = page.act("prune")
    assert (refused.status, refused.json["kind"]) == (409, "no-rules")


def test_what_the_rules_let_go_is_shown_and_pruned(own: Repo, serve: Callable[..., Served]) -> None:
    root = Path(own.root)
    write(root, {"mvc.toml": "[retention]\nkeep_last = 1\n"})
    for number in range(3):
        write(root, {"model.bin": random.Random(number).randbytes(20_000)})
        own.add(".")
        commit.commit(own._core, "saved by itself", context=own._context(), trigger=Trigger.AUTO)
    page = serve(root).let_in()
    told = page.api("/r/freeable")["prune"]
    assert [one["number"] for one in told["pruned"]] == [2, 3]
    assert told["bytes_freed"] > 40_000 and told["rules"] == "keep_last 1"
    assert page.act("prune", dry_run=True).json["pruned"] == told["pruned"]
    assert own.show("v2").pruned is None
    done = page.act("prune")
    assert done.status == 200 and [one["number"] for one in done.json["pruned"]] == [2, 3]
    assert own.show("v2").pruned is not None
    assert page.api("/r/freeable")["prune"]["pruned"] == []
    assert page.act("undo", number=done.json["operation"]).status == 200
    assert own.show("v2").pruned is None
