"""Questions over history at the command line: what people see, and what programs read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvc import ExpressionError, Repo
from tests.support.commandline import AUTHOR, Mvc, write

RUNS = ((0.1, 0.5), (0.1, 0.72), (0.05, 0.91), (0.05, 0.9), (0.01, 0.7))


@pytest.fixture(scope="module")
def runs_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs")
    repo = Repo.init(directory, author=AUTHOR)
    repo.add(".")
    for number, (lr, acc) in enumerate(RUNS, 1):
        write(
            directory,
            {
                "params.yaml": f"lr: {lr}\nmodel: tiny\n",
                "metrics.json": json.dumps({"val_acc": acc}),
                "state.txt": "bad" if number > 3 else "good",
            },
        )
        repo.commit(f"run {number}")
    repo.close()
    return directory


@pytest.fixture
def runs(mvc: Mvc, work: Path, runs_template: Path) -> Path:
    import shutil

    shutil.copytree(runs_template, work, dirs_exist_ok=True)
    return work


def messages(text: str) -> list[str]:
    return [line.rsplit("run ", 1)[1] for line in text.splitlines()]


def without_ids(text: str) -> str:
    """Ids and times are of no one's choosing."""
    import re

    return re.sub(r"\b[0-9a-f]{10}\b", "#" * 10, text.replace("just now", "NOW"))


def test_log_where(mvc: Mvc, runs: Path) -> None:
    assert messages(mvc("log", "--oneline", "--where", "val_acc>0.7 and lr<=0.05").out) == [
        "4",
        "3",
    ]
    found = mvc("log", "--json", "--where", "lr = 0.01").json["versions"]
    assert [v["number"] for v in found] == [5]
    assert messages(mvc("log", "--oneline", "--best", "val_acc", "-n", "2").out) == ["3", "4"]
    assert messages(mvc("log", "--oneline", "--best", "val_acc", "--min", "-n", "1").out) == ["1"]
    assert messages(mvc("log", "--oneline", "--touching", "lr").out) == ["5", "3", "1"]
    assert mvc("log", "--max", code=2).err.startswith("error: --max and --min belong to --best")


def test_a_mistake_is_pointed_at(mvc: Mvc, runs: Path) -> None:
    assert mvc("log", "--where", "lr<1 and val_ac>0.9", code=2).err == (
        "error: no version has 'val_ac'\n"
        "    lr<1 and val_ac>0.9\n"
        "             ^^^^^^\n"
        "help: did you mean val_acc?\n"
    )
    error = json.loads(mvc("--json", "log", "--where", "lr<", code=2).err)
    assert (error["kind"], error["start"], error["expression"]) == ("expression", 3, "lr<")
    long = mvc("log", "--where", "lr<1 and " * 20 + "lr<", code=2).err.splitlines()
    assert max(map(len, long[:3])) <= 80
    assert long[2].endswith("^")


def test_compare(mvc: Mvc, runs: Path) -> None:
    assert without_ids(mvc("compare", "v1", "v3").out) == (
        "version                lr  val_acc  message\n"
        "v1       ##########   0.1      0.5  run 1\n"
        "v3       ##########  0.05     0.91  run 3\n"
        "1 column alike in all left out  (--full shows them)\n"
    )
    assert mvc("compare", "v2..HEAD", "--sort", "val_acc", "--reverse", "--md").out == (
        "| version | lr | val\\_acc | message |\n"
        "| --- | --: | --: | --- |\n"
        "| v3 | 0.05 | 0.91 | run 3 |\n"
        "| v4 | 0.05 | 0.9 | run 4 |\n"
        "| v5 | 0.01 | 0.7 | run 5 |\n"
    )
    rows = mvc(
        "compare", "--where", "val_acc<0.8", "--columns", "lr,mod*", "--csv"
    ).out.splitlines()
    assert rows[0] == "version,id,time,author,lr,model,message"
    assert [row.split(",")[-1] for row in rows[1:]] == ["run 5", "run 2", "run 1"]
    table = mvc("--json", "compare", "--branch", "main", "--full").json
    assert [c["key"] for c in table["columns"]] == ["lr", "model", "val_acc"]
    assert table["versions"][0]["values"] == {"lr": 0.01, "model": "tiny", "val_acc": 0.7}
    assert mvc("compare", code=2).err.startswith("error: nothing to compare")


def test_blame(mvc: Mvc, runs: Path) -> None:
    assert without_ids(mvc("blame", "val_acc", "model").out) == (
        "val_acc  0.9 -> 0.7\n"
        "    v5 ########## (HEAD -> main)\n"
        "    NOW  Ada Lovelace <ada@example.org>\n"
        "    run 5\n"
        "\n"
        "model  + tiny\n"
        "    v1 ##########\n"
        "    NOW  Ada Lovelace <ada@example.org>\n"
        "    run 1\n"
        "    unchanged in 4 versions since\n"
    )
    (path,) = mvc("--json", "blame", "state.txt").json["blame"]
    assert (path["kind"], path["version"]["number"], path["unchanged"]) == ("path", 4, 1)
    assert "did you mean val_acc" in mvc("blame", "val_ac", code=1).err


def test_bisect_by_hand_and_back(mvc: Mvc, runs: Path) -> None:
    assert mvc("bisect", code=1).err.startswith("error: no bisection is under way")
    first = mvc("bisect", "start", "HEAD", "v1").out
    assert without_ids(first) == (
        "3 versions left to test, about 2 steps\n"
        "    v3 ########## run 3\n"
        "mvc bisect good, bad or skip  says what it is\n"
    )
    mvc("bisect", "good")
    done = mvc("bisect", "bad").out
    assert done.startswith("First bad version  v4")
    assert [line.split()[2] for line in mvc("bisect", "log").out.splitlines()] == [
        "bad", "good", "good", "bad",
    ]  # fmt: skip
    assert mvc("bisect", "reset").out == "Back at main\n"
    assert (runs / "state.txt").read_text() == "bad"
    assert mvc("status", "--json").json["head"]["ref"] == "main"


def test_bisect_run(mvc: Mvc, runs: Path) -> None:
    mvc("bisect", "start", "HEAD", "v1")
    ran = mvc("--json", "bisect", "run", "grep", "-q", "good", "state.txt")
    assert ran.json["first_bad"]["message"] == "run 4"
    mvc("bisect", "reset")
    mvc("bisect", "start", "HEAD", "v1")
    stopped = mvc("bisect", "run", "sh", "-c", "exit 128", code=1)
    assert "the run stops here" in stopped.err
    skipped = mvc("bisect", "run", "sh", "-c", "exit 125", code=1).out
    assert "Only skipped versions are left" in skipped


def test_bisect_metric(mvc: Mvc, runs: Path) -> None:
    assert without_ids(mvc("bisect", "--metric", "val_acc<0.8", "--good", "v3").out) == (
        "val_acc<0.8 became true in\n"
        "    v5 ########## (HEAD -> main) run 5\n"
        "and was not in\n"
        "    v4 ########## run 4\n"
    )
    assert mvc("-C", ".", "--json", "bisect", "--metric", "lr<0", code=1).json["first"] is None


def test_the_same_from_python(runs: Path) -> None:
    repo = Repo.open(runs)
    assert [v.number for v in repo.find("val_acc>0.8")] == [4, 3]
    best = repo.best("val_acc")
    assert best is not None
    assert (best.number, repo.blame("lr").version.number) == (3, 5)
    assert [row.cells for row in repo.compare("v1", "v3", columns="lr").rows] == [(0.1,), (0.05,)]
    turned = repo.bisect("val_acc<0.8", good="v3").first
    assert turned is not None
    assert turned.number == 5
    assert [p.value for p in repo.series("val_acc")[0].points] == [acc for _, acc in RUNS]
    with pytest.raises(ExpressionError):
        list(repo.find("val_acc >"))
    repo.close()


def test_plot(mvc: Mvc, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert mvc("plot", "val_acc").out == (Path(__file__).parent / "data" / "plot.txt").read_text()
    series = mvc("--json", "plot", "val_acc", "lr").json["series"]
    assert [(s["metric"], len(s["points"])) for s in series] == [("val_acc", 5), ("lr", 5)]
    for name, start in (("a.png", b"\x89PNG"), ("b.html", b"<!doctype html>")):
        assert mvc("plot", "val_acc", "lr", "-o", name).out == f"Drawn as {name}\n"
        assert (runs / name).read_bytes().startswith(start)
    assert "did you mean val_acc?" in mvc("plot", "val_ac", code=2).err
    assert "records a step" in mvc("plot", "lr", "--x", "step", code=1).err
    assert mvc("plot", "lr", "-o", "a.pdf", code=2).err.endswith("help: -o picture.png\n")


def test_plot_overlays_branches(mvc: Mvc, runs: Path) -> None:
    mvc("switch", "-c", "wide", "v3")
    write(runs, {"metrics.json": '{"val_acc": 0.99, "step": 7}'})
    mvc("commit", "-m", "wide")
    plot = mvc(
        "plot", "val_acc", "--branch", "main", "--branch", "wide", "--log", "--x", "time"
    ).out
    first, *rest = plot.splitlines()
    assert first == "val_acc  a main 0.7  b wide 0.99"
    body = "".join(rest)
    assert "b" in body
    assert "a" in body
    assert "step" not in mvc("plot", "val_acc", "--x", "step").err
