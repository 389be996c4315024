"""JSON documents: the shapes are a promise, so they are spelled out here field by field."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mvc.cli.documents import scalar
from tests.support.commandline import AUTHOR, SECOND, Mvc, write

ID = re.compile(r"[0-9a-f]{64}")
COMPONENTS = ["architecture", "weights", "hyperparameters", "data", "results"]


def shape(value: Any) -> Any:
    """A document with its leaves replaced by the names of their types."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value[:1]]
    if isinstance(value, str) and ID.fullmatch(value):
        return "id"
    return type(value).__name__


def test_commit(mvc: Mvc, saved: Path) -> None:
    write(saved, {"data/train.csv": "x,y\n5,6\n"})
    document = mvc("commit", "-m", "third", "--json").json
    part = {"changed": "bool", "files": "int", "bytes": "int"}
    assert shape(document) == {
        "schema_version": "int", "version": "id", "number": "int", "branch": "str",
        "started_branch": "bool", "files": "int", "bytes_total": "int", "bytes_changed": "int",
        "bytes_new": "int", "bytes_stored": "int",
        "components": dict.fromkeys(COMPONENTS, part), "skipped": [], "unsaved": [], "links_out": [],
        "unfound_bases": [], "dubious": [],
        "signer": "NoneType",
    }  # fmt: skip
    assert (document["schema_version"], document["number"], document["files"]) == (1, 3, 6)
    assert document["bytes_changed"] == len("x,y\n5,6\n")
    assert [c for c, p in document["components"].items() if p["changed"]] == ["data"]
    assert document["components"]["data"] == {"changed": True, "files": 2, "bytes": 16}
    assert sum(p["bytes"] for p in document["components"].values()) == document["bytes_total"]


def test_status(mvc: Mvc, saved: Path) -> None:
    assert mvc("status", "--json").json["clean"] is True
    write(saved, {"new.bin": "x", "model.py": "changed\n"})
    (saved / "metrics.json").unlink()
    document = mvc("status", "--json").json
    change = {"path": "str", "component": "str", "bytes": "int"}
    assert shape(document) == {
        "schema_version": "int", "head": {"ref": "str", "version": "id", "number": "int"},
        "clean": "bool", "added": [change], "modified": [change], "deleted": [change], "renamed": [],
        "untracked": [], "tracked": ["str"], "skipped": [], "left_out": [], "unknown_settings": [],
        "remotes": [],
    }  # fmt: skip
    assert document["head"]["ref"] == "main"
    assert document["clean"] is False
    assert document["deleted"] == [
        {"path": "metrics.json", "component": "results", "bytes": len(SECOND["metrics.json"])}
    ]
    assert document["added"] == [{"path": "new.bin", "component": "weights", "bytes": 1}]


def test_status_before_the_first_version_and_on_an_old_one(mvc: Mvc, saved: Path) -> None:
    mvc("checkout", "v1")
    assert mvc("status", "--json").json["head"]["ref"] is None
    mvc("checkout", "v0")
    head = mvc("status", "--json").json["head"]
    assert (head["number"], bool(ID.fullmatch(head["version"]))) == (0, True)


def test_log(mvc: Mvc, saved: Path) -> None:
    document = mvc("log", "--json").json
    new, old = document["versions"]
    assert list(document) == ["schema_version", "versions"]
    assert shape({**new, "hyperparameters": {}, "metrics": {}}) == {
        "version": "id", "number": "int", "parents": ["id"], "time": "str", "author": "str",
        "message": "str", "trigger": "str", "refs": ["str"], "hyperparameters": {}, "metrics": {},
        "pruned": "NoneType", "annotations": {},
    }  # fmt: skip
    assert new["parents"] == [old["version"]]
    assert (new["number"], new["author"], new["trigger"]) == (2, AUTHOR, "manual")
    assert new["hyperparameters"] == {"epochs": 3, "lr": 0.05}
    assert new["metrics"] == {"val.accuracy": 0.75, "val.loss": "NaN"}
    assert datetime.fromisoformat(new["time"]).tzinfo is not None


def test_diff(mvc: Mvc, saved: Path) -> None:
    (saved / "data" / "train.csv").rename(saved / "data" / "old.csv")
    mvc("commit", "-m", "third")
    document = mvc("diff", "v1", "v3", "--json").json
    assert list(document["components"]) == COMPONENTS
    assert document["components"]["data"] == {
        "changed": True, "listed": True, "added": ["data/more.csv"], "modified": [], "deleted": [],
        "renamed": [["data/train.csv", "data/old.csv"]], "moved": [],
    }  # fmt: skip
    assert document["components"]["weights"]["changed"] is False
    assert document["hyperparameters"] == {
        "lr": {"old": 0.1, "new": 0.05, "diff": -0.05, "percent": -50.0}
    }
    nothing = {"diff": None, "percent": None, "better": None}
    assert document["metrics"] == {
        "val.accuracy": {"old": 0.5, "new": 0.75, "diff": 0.25, "percent": 50.0, "better": True},
        "val.loss": {"old": None, "new": "NaN", **nothing},
    }
    assert document["totals"]["data"] == {
        "old": {"files": 1, "bytes": 8}, "new": {"files": 2, "bytes": 16},
    }  # fmt: skip
    assert document["data"] == {
        "tables": [{
            "path": "data/more.csv", "format": "csv", "old": None,
            "new": {
                "rows": 1, "problem": None,
                "columns": [{"name": n, "type": None, "summary": None} for n in "xy"],
            },
            "columns_added": [], "columns_removed": [], "columns_retyped": [], "columns_reordered": False,
            "shards": None,
        }],
        "images": {}, "duplicates": [], "repeated": 0, "overlaps": [],
            "near_overlaps": [], "not_looked_at": 0, "not_listed": 0,
    }  # fmt: skip
    assert document["architecture"] == {
        "models": [], "config": {}, "environment": [], "packages_differ": False,
        "source": [{"path": "model.py", "lines_added": 1, "lines_removed": 1}],
    }  # fmt: skip
    assert document["tensors"] == {}
    assert ID.fullmatch(document["old"]) and ID.fullmatch(document["new"])
    assert mvc("diff", "--json").json["new"] is None


def tensors(**values: list[float]) -> bytes:
    """A safetensors file of F32 vectors."""
    import numpy as np
    from safetensors.numpy import save

    return save({name: np.array(value, np.float32) for name, value in values.items()})


def test_diff_of_tensors(mvc: Mvc, work: Path) -> None:
    write(work, {"m.safetensors": tensors(a=[1], b=[2], c=[3], d=[1, 2])})
    mvc("init")
    mvc("add", ".")
    mvc("commit", "-m", "first")
    write(work, {"m.safetensors": tensors(a=[1], b=[9], d=[1, 2, 3], e=[5])})
    assert mvc("diff", "--json").json["tensors"] == {
        "m.safetensors": {
            "added": ["e"], "removed": ["c"], "changed": ["b"], "reshaped": ["d"],
            "retyped": [], "unchanged": ["a"], "uncompared": [], "renamed": [],
        }
    }  # fmt: skip


def test_verify(mvc: Mvc, saved: Path) -> None:
    document = mvc("verify", "--json").json
    assert shape(document) == {
        "schema_version": "int", "ok": "bool", "objects": "int", "bytes": "int",
        "versions": "int", "absent": "int", "errors": [], "sample": "float",
    }  # fmt: skip
    assert (document["ok"], document["versions"]) == (True, 2)


def test_verify_of_damage_is_14_and_names_whom_it_hurts(mvc: Mvc, saved: Path) -> None:
    write(
        saved, {"model.pkl": random.Random(1).randbytes(256_000)}
    )  # most of a pack, its middle too
    mvc("commit", "-m", "weights")
    for pack in (saved / ".mvc" / "store" / "packs").iterdir():
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 1
        pack.chmod(0o644)
        pack.write_bytes(content)
    document = mvc("verify", "--json", code=14).json
    assert document["ok"] is False
    hurts = [hurt for error in document["errors"] for hurt in error["hurts"]]
    assert {"problem", "where", "object", "hurts"} == set(document["errors"][0])
    assert {"version", "number", "path"} == set(hurts[0])
    assert "damaged" in mvc("verify", code=14).out


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["show"], {"version", "components", "provenance", "changes", "tracked", "metrics"}),
        (["branch"], {"branches"}),
        (["tag"], {"tags"}),
        (["ls"], {"files"}),
        (["cat", "model.py"], {"path", "size", "base64"}),
        (["explain", "model.py"], {"files"}),
        (["op", "log"], {"operations"}),
        (["config", "list"], {"settings"}),
        (["config", "get", "workspace.id"], {"key", "value"}),
        (["config", "set", "user.name", "Ada"], {"key", "value"}),
        (["check-ignore", "x.pyc"], {"paths"}),
        (["doctor"], {"ok", "checks"}),
        (["version"], {"versions"}),
        (["completion", "bash"], {"shell", "script"}),
        (["prompt", "bash"], {"shell", "script"}),
        (["prompt"], {"head"}),
        (
            ["optimize", "-n"],
            {"dry_run", "packs", "packs_rewritten", "bytes_freed", "chunks_turned"},
        ),
        (["gc", "-n"], {"dry_run", "objects", "bytes", "bytes_freed", "objects_kept"}),
        (["du"], {"total", "disk", "versions", "components", "keepers", "forms", "growth"}),
        (["add", "model.py"], {"added", "tracked"}),
        (["untrack", "."], {"untracked", "tracked"}),
        (["checkout", "v1"], {"head", "written", "removed", "bytes_written", "kept", "saved"}),
        (["restore", "v1", "model.py"], {"head", "written", "removed", "bytes_written"}),
        (["switch", "-c", "side"], {"head", "written"}),
        (["rollback", "v1"], {"version", "number", "components"}),
        (["undo"], {"operation"}),
        (["init", "below"], {"root", "store", "branch"}),
        (["branch", "side"], {"branches"}),
        (["tag", "best"], {"tags"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_verb_answers_with_one_document(
    mvc: Mvc, saved: Path, words: list[str], keys: set[str]
) -> None:
    document = mvc("--json", *words).json
    assert document["schema_version"] == 1
    assert keys <= set(document)


def test_json_may_stand_before_or_after_the_verb(mvc: Mvc, saved: Path) -> None:
    assert mvc("--json", "log").json == mvc("log", "--json").json
    assert mvc("op", "log", "--json").json == mvc("--json", "op", "log").json
    assert mvc("op", "--json", "log").json == mvc("--json", "op", "log").json


def test_numbers_that_json_lacks_become_text() -> None:
    values = [float("nan"), float("inf"), float("-inf"), 1.5, 3, True, None, "x"]
    assert [scalar(v) for v in values] == ["NaN", "Infinity", "-Infinity", 1.5, 3, True, None, "x"]
    json.dumps([scalar(v) for v in values], allow_nan=False)
