"""Reports: what is written, what never is, and how it comes to be there."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mvc import Repo
from mvc.cli.main import cli
from mvc.cli.page_shapes import shapes
from mvc.web.report import MANIFEST, literal, write_report, written
from tests.support.commandline import AUTHOR, write
from tests.support.page import Served
from tests.web.conftest import HOSTILE_TEXT, VERSIONS

SCRIPT = re.compile(rb"mvcReport\('([a-z0-9-]+)', ('(?:[^'\\]|\\.)*')\);\n")
HOSTILE = [
    "</script><script>alert(1)</script>", "'); alert(1); ('", "\\", "\\'", "\u2028\u2029", "\u202e", "\x00\n\r",
    "<!--", "]]>", "\ud800", "\U0001f600", "__proto__", "constructor",
]  # fmt: skip


def run_cli(words: Sequence[str]) -> Result:
    """The command line in this process, which does not stay where `-C` takes it."""
    with contextlib.chdir(os.curdir):
        return CliRunner().invoke(cli, words)


def export(root: Path, to: Path, *words: str) -> Any:
    result = run_cli(["-C", str(root), "--json", "ui", "--export", str(to), *words])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def document(path: Path) -> Any:
    """What a script of a report hands the page."""
    match = SCRIPT.fullmatch(path.read_bytes())
    assert match is not None, path
    assert match[1].decode() == path.stem
    return json.loads(ast.literal_eval(match[2].decode("ascii")))


def content(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def report(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report") / "out"
    export(made, directory, "--tensors")
    return directory


def version_of(report: Path, number: int) -> tuple[str, Any]:
    id = next(v[0] for v in document(report / "data/report.js")["versions"] if v[1] == number)
    return id, document(report / f"data/v-{id[:20]}.js")


# -------------------------------------------------------------------- what is in it


def test_it_says_what_the_interface_says(report: Path, page: Served) -> None:
    whole = document(report / "data/report.js")
    assert len(whole["versions"]) == VERSIONS and not whole["partly"]
    for address in ("/r/stages", "/r/names", "/r/catalogue"):
        found = whole["answers"][address]
        assert found == page.api(address), address
    id, kept = version_of(report, 5)
    shown = kept["answers"]["v?changes=values"]
    parent = shown["parents"][0]
    assert shown == page.api(f"/r/v/{id}?changes=values")
    assert kept["answers"]["lineage"] == page.api(f"/r/lineage/{id}")
    assert kept["answers"]["files?component=data"] == page.api(f"/r/files/{id}?component=data")
    assert kept["answers"][f"diff {parent}"] == {
        **page.api(f"/r/diff/{parent}/{id}"),
        "measured": True,
    }
    lines = kept["answers"][f"diff {parent}/tensors"].splitlines()
    assert json.loads(lines[-1]) == {"finished": True}
    rows = [row for name in whole["rows"] for row in document(report / f"data/{name}.js")]
    assert rows == page.api("/r/versions?all=1")["versions"]


def test_lines_of_metrics_are_those_of_the_interface(report: Path, page: Served) -> None:
    whole = document(report / "data/report.js")
    for metric in ("val.loss", "epoch"):
        kept = document(report / f"data/{whole['series'][metric]}.js")
        (series,) = page.api(f"/r/series?metric={metric}")["series"]
        points = [
            (whole["versions"][at][0], step, value) for at, step, value in kept["lines"]["HEAD"]
        ]
        assert points == [(p["version"], p["step"], p["value"]) for p in series["points"]]


def test_names_of_versions_lead_to_them(report: Path, made: Path) -> None:
    names = document(report / "data/report.js")["names"]
    with Repo.open(made) as repo:
        for name in ("HEAD", "main", "v1.0", "production"):
            assert names[name] == repo.resolve(name), name


def test_the_same_state_gives_the_same_bytes(report: Path, made: Path, tmp_path: Path) -> None:
    export(made, tmp_path / "again", "--tensors")
    assert content(tmp_path / "again") == content(report)


def test_the_manifest_names_every_file(report: Path) -> None:
    found = json.loads((report / MANIFEST).read_text())
    assert found["kind"] == "report"
    assert set(found["files"]) | {MANIFEST} == content(report).keys()


# -------------------------------------------------------------------- what never is


def test_places_of_the_machine_are_not_in_it(report: Path, made: Path) -> None:
    for path, data in content(report).items():
        assert str(made).encode() not in data, path
        assert str(made.parent).encode() not in data, path
    assert document(report / "data/report.js")["answers"]["/repos"]["repos"][0]["root"] == made.name
    assert document(report / "data/report.js")["answers"]["/r/storage"]["disk"]["free"] is None


def test_paths_in_commands_and_operations_lose_their_directories(own: Repo, tmp_path: Path) -> None:
    from mvc.web.answers import cleaned

    told = {
        "command": [
            "/usr/bin/python3",
            "train.py",
            "--data=/home/ada/x/iris.csv",
            "a/b/c.py",
            "~/k/v",
        ],
        "detail": "pushed to ssh://ada:pw@host/home/x from /home/ada/x",
        "message": "see /home/ada/notes.txt",
        "root": f"{own.root}/sub",
    }
    assert cleaned(told, own.root, "iris") == {
        "command": ["\u2026/python3", "train.py", "--data=\u2026/iris.csv", "a/b/c.py", "\u2026/v"],
        "detail": "pushed to ssh://host/home/x from \u2026/x",
        "message": "see /home/ada/notes.txt",
        "root": "iris/sub",
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_text(text: str) -> None:
    found = literal(written({text: text}))
    assert b"<" not in found and found.isascii()
    match = SCRIPT.fullmatch(b"mvcReport('x', '%s');\n" % found)
    assert match is not None
    assert json.loads(ast.literal_eval(match[2].decode("ascii"))) == {text: text}


def test_hostile_texts_are_in_scripts_alone(report: Path) -> None:
    _, kept = version_of(report, 3)
    assert kept["answers"]["v?changes=values"]["message"] == HOSTILE_TEXT
    for path, data in content(report).items():
        if path.startswith("data/"):
            assert SCRIPT.fullmatch(data), path
            assert b"<" not in data, path
        else:
            assert b"title='taken'" not in data, path


def test_pictures_are_what_they_begin_as(own: Repo, tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"rest"
    root = Path(own.root)
    for name, data in (
        ("plot.png", png),
        ("README.md", b"---\nlicense: mit\n---\n![p](plot.png)\n"),
    ):
        (root / name).write_bytes(data)
    own.add(".")
    own.commit("with a picture")
    own.tag("good", "HEAD")
    (root / "plot.png").write_bytes(b"<html><script>alert(1)</script>")
    own.commit("no picture")
    own.tag("bad", "HEAD")
    write_report(own, shapes(), os.fspath(tmp_path / "out"))
    models = document(tmp_path / "out/data/report.js")["answers"]["/r/catalogue"]["models"]
    assert [(m["model"], m["license"], m["picture"]) for m in models] == [
        ("bad", "mit", None), ("good", "mit", "plot.png"),
    ]  # fmt: skip
    found = [path for path in content(tmp_path / "out") if path.startswith("pictures/")]
    assert found == [models[1]["picture_address"]] and found[0].endswith(".png")


# -------------------------------------------------------------------- which versions


def test_the_newest_and_all_that_were_published(made: Path, tmp_path: Path) -> None:
    found = export(made, tmp_path / "out", "--last", "2")
    whole = document(tmp_path / "out/data/report.js")
    assert [v[1] for v in whole["versions"]] == [7, 6, 5] and found["versions"] == 3
    assert whole["partly"]
    assert {v["version"] for v in whole["answers"]["/r/storage"]["versions"]} == {
        v[0] for v in whole["versions"]
    }
    assert whole["answers"]["/repos"]["repos"][0]["report"]["last"] == 2


def test_versions_that_meet_a_condition(made: Path, tmp_path: Path) -> None:
    export(made, tmp_path / "out", "--where", "lr > 0.05")
    assert [v[1] for v in document(tmp_path / "out/data/report.js")["versions"]] == [5, 3, 2, 1]
    result = run_cli(["-C", str(made), "ui", "--export", str(tmp_path / "none"), "--where", "lr >"])
    assert result.exit_code == 2 and not (tmp_path / "none").exists()


def test_a_repository_without_versions(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Repo.init(tmp_path / "empty", author=AUTHOR).close()
    assert export(tmp_path / "empty", tmp_path / "out")["versions"] == 0


# -------------------------------------------------------------------- where to


def test_an_earlier_report_is_replaced_and_nothing_else(own: Repo, tmp_path: Path) -> None:
    root, to = Path(own.root), tmp_path / "deep" / "out"
    export(root, to)
    before = content(to)
    write(root, {"metrics.json": '{"val_acc": 0.75}'})
    own.commit("second")
    export(root, to)
    assert content(to).keys() > before.keys() - {"index.html"}
    assert [path.name for path in to.parent.iterdir()] == ["out"]
    (to / "notes.txt").write_text("mine")
    result = run_cli(["-C", str(root), "--json", "ui", "--export", str(to)])
    said = json.loads(result.stderr)["error"] if "error" in result.stderr else {}
    assert result.exit_code == 1 and "notes.txt" in result.stderr, said
    assert (to / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("there", ["file", "link", "other", "half"])
def test_what_is_no_report_stays(own: Repo, tmp_path: Path, there: str) -> None:
    to = tmp_path / "out"
    if there == "file":
        to.write_text("x")
    elif there == "link":
        to.symlink_to(tmp_path)
    else:
        to.mkdir()
        (to / (MANIFEST if there == "half" else "x")).write_text("{}")
    before = sorted(os.listdir(tmp_path))
    result = run_cli(["-C", own.root, "ui", "--export", str(to)])
    assert result.exit_code == 1, result.output
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    "words",
    [("--last", "3"), ("--where", "a>1"), ("--tensors",), ("--export", "x", "--port", "80"),
     ("--export", "x", "--no-browser"), ("--export", "x", "--last", "0")],
)  # fmt: skip
def test_options_that_say_nothing_together_are_refused(
    made: Path, words: tuple[str, ...], said: Callable[..., Any]
) -> None:
    assert run_cli(["-C", str(made), "ui", *words]).exit_code == 2


def test_a_repository_that_moves_meanwhile_is_told_as_of_one_moment(own: Repo) -> None:
    with own.steady():
        before = own.show("v1").refs
        own.tag("later", "v1")
        assert own.show("v1").refs == before
        assert own.tensors("v1") == {}
    assert "tag: later" in own.show("v1").refs
