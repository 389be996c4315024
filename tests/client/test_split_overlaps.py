"""What train and test share, on all screens that say it."""

from __future__ import annotations

import random
from pathlib import Path

from tests.support.commandline import Mvc

PAIR = "data/train/a.bin", "data/test/b.bin"


def test_near_equal_files_are_told(mvc: Mvc, work: Path) -> None:
    scan = random.Random(1).randbytes(500_000)
    for path, data in (
        (PAIR[0], b"one" + scan),
        (PAIR[1], b"another" + scan),
        ("data/test/c.bin", b"c"),
    ):
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(data)
    mvc("init")
    mvc("add", "data")
    mvc("commit", "-m", "first")
    said = "1 file shares most bytes between train and test"
    screen = mvc("diff", "v0", "v1").out
    assert f"    {said}\n      {PAIR[0]} ~ {PAIR[1]}  " in screen
    assert said in mvc("diff", "v0", "v1", "--stat").out
    assert f"⚠️ {said}: `{PAIR[0]}` ~ `{PAIR[1]}` (" in mvc("diff", "v0", "v1", "--md").out
    assert said in mvc("card").out
    for shared in (
        mvc("diff", "v0", "v1", "--json").json["data"],
        mvc("card", "--json").json["data_shared"],
    ):
        (near,) = shared["near_overlaps"]
        ((pair, share),) = (example.values() for example in near["examples"])
        assert (near["splits"], near["files"], pair) == (["train", "test"], 1, list(PAIR))
        assert 0.75 < share < 1 and shared["not_looked_at"] == 0 and shared["overlaps"] == []
