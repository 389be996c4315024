"""Every verb from end to end, as a person uses it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commandline import FIRST, SECOND, Mvc, write


def test_the_first_steps(mvc: Mvc, work: Path) -> None:
    write(work, FIRST)
    assert mvc("init").out.startswith(f"New repository in {work.resolve()}, on branch main\n")
    assert "Nothing is under care yet" in mvc("status").out
    assert mvc("commit", "-m", "x", code=1).err.startswith("error: nothing is tracked yet\n")
    assert mvc("add", ".").out.startswith("Tracking everything here\n")
    assert mvc("add", "model.py").out == "Under care already\n"
    status = mvc("status").out.splitlines()
    assert status[0] == "On branch main, no versions yet"
    assert "  added     weights         model.safetensors" in status
    assert mvc("commit", "-m", "first").out.startswith("[main] v1 ")
    assert "Nothing changed since v1" in mvc("status").out
    assert mvc("commit", "-m", "again", code=1).err.startswith("error: nothing to commit\n")
    assert mvc("commit", "-m", "again", "--allow-empty").out.startswith("[main] v2 ")


def test_init_elsewhere(mvc: Mvc, work: Path, tmp_path: Path) -> None:
    mvc("init", "new/place", "--store", str(tmp_path / "store"))
    assert (tmp_path / "store" / "packs").is_dir()
    assert mvc("-C", "new", "-C", "place", "status").out.startswith("On branch main")
    assert Path.cwd() == work / "new" / "place"
    assert mvc("init", code=1).err.startswith("error: ")


def test_directory_option_after_the_verb(
    mvc: Mvc, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert mvc("log", "--oneline", "-n", "1", "-C", str(saved)).out.endswith(" second\n")
    assert mvc("-C", "/nowhere", "log", code=2).err.startswith("error: cannot change to /nowhere")


def test_paths_are_relative_to_where_we_stand(mvc: Mvc, saved: Path) -> None:
    os.chdir(saved / "data")
    assert mvc("cat", "v1:train.csv").out == "x,y\n1,2\n"
    assert mvc("ls", "HEAD", ".").out == "data/more.csv\ndata/train.csv\n"
    write(saved, {"data/train.csv": "gone\n"})
    mvc("restore", "HEAD", "train.csv")
    assert (saved / "data" / "train.csv").read_text() == FIRST["data/train.csv"]


def test_untrack(mvc: Mvc, work: Path) -> None:
    write(work, FIRST)
    mvc("init")
    mvc("add", "model.py", "data")
    assert mvc("untrack", "model.py").out == "No longer tracking model.py\n"
    assert mvc("untrack", "model.py", code=1).err.startswith(
        "error: model.py is not a tracked path"
    )
    mvc("commit", "-m", "data only")
    assert mvc("ls").out == "data/train.csv\n"


def test_status_shows_changes_and_can_tell_by_its_code(mvc: Mvc, saved: Path) -> None:
    mvc("status", "--exit-code")
    write(saved, {"model.py": "layers = 8\n", "extra.pt": "x"})
    (saved / "metrics.json").unlink()
    out = mvc("status", "--exit-code", code=1).out.splitlines()
    assert out[1:4] == [
        "  modified  architecture    model.py",
        "  added     weights         extra.pt",
        "  deleted   results         metrics.json",
    ]
    assert mvc("status", "-q").out.splitlines() == out[1:4]


def test_messages(mvc: Mvc, saved: Path) -> None:
    def message() -> str:
        return str(mvc("log", "-n", "1", "--json").json["versions"][0]["message"])

    mvc("commit", "--allow-empty", "-m", "subject", "-m", "body")
    assert message() == "subject\n\nbody"
    mvc("commit", "--allow-empty", "-F", "-", input="from stdin\n")
    assert message() == "from stdin"
    assert mvc("commit", "--allow-empty", code=2).err.startswith("error: a message is needed")
    assert mvc("commit", "--allow-empty", "-m", " ", code=2).err.startswith(
        "error: the message is empty"
    )
    mvc("commit", "-m", "x", "-F", "-", code=2)
    mvc("commit", "--allow-empty", "-m", "x", "--author", "Grace <g@example.org>")
    assert mvc("log", "-n1", "--json").json["versions"][0]["author"] == "Grace <g@example.org>"


def test_links_that_lead_out_are_named_once_but_not_at_length(mvc: Mvc, saved: Path) -> None:
    for number in range(7):
        (saved / f"link{number}").symlink_to("/etc/passwd")
    done = mvc("commit", "-m", "links", "--json")
    warnings = done.err.splitlines()
    assert warnings[0].startswith(
        "warning: link0 is saved as a link; what it leads to, /etc/passwd, "
    )
    assert warnings[5:] == ["warning: 2 more links lead out of the workspace"]
    assert len(done.json["links_out"]) == 7
    assert mvc("commit", "--allow-empty", "-m", "again").err == ""


def test_saved_in_part_has_a_code_of_its_own(mvc: Mvc, saved: Path) -> None:
    for number in range(7):
        (saved / os.fsdecode(b"%d\xff\x1b[31m" % number)).write_text("x")
    os.mkfifo(saved / "a-fifo")
    done = mvc("commit", "--allow-empty", "-m", "in part", "--json", code=3)
    warnings = done.err.splitlines()
    assert warnings[0].startswith("warning: skipped 0\\xff")
    assert warnings[5:] == ["warning: 3 more are skipped; mvc status names them"]
    assert len(done.json["unsaved"]) == 7
    assert len(done.json["skipped"]) == 8
    assert "  0\\xff\\x1b[31m: " in mvc("status").out
    assert mvc("run", "--", "true", code=3).out.startswith("[main] v4 ")
    assert mvc("run", "--keep-failed", "--", "false", code=1).out.startswith("[main] v5 ")
    assert mvc("log", "--oneline", "-n", "1").out.startswith("v5 ")


def test_what_no_version_could_hold_is_skipped_without_ado(mvc: Mvc, saved: Path) -> None:
    os.mkfifo(saved / "a-fifo")
    done = mvc("commit", "--allow-empty", "-m", "whole", code=0)
    assert done.err == "warning: skipped a-fifo: a fifo\n"


def test_the_log_in_its_shapes(mvc: Mvc, saved: Path) -> None:
    full = mvc("log").out.splitlines()
    assert full[0].startswith("v2 ") and full[0].endswith(" (HEAD -> main)")
    age = r"just now|[0-9]+ min ago"  # the template is as old as this run of the tests
    assert re.fullmatch(rf"({age})  Ada Lovelace <ada@example.org>", full[1].strip())
    assert full[2:5] == ["    second", "    val.accuracy 0.75  val.loss nan", ""]
    assert [line.split(" ", 2)[2] for line in mvc("log", "--oneline").out.splitlines()] == [
        "(HEAD -> main) second", "first",
    ]  # fmt: skip
    table = [line.split() for line in mvc("log", "--metrics").out.splitlines()]
    assert table[0] == ["version", "val.accuracy", "val.loss", "message"]
    assert [row[:1] + row[2:] for row in table[1:]] == [
        ["v2", "0.75", "nan", "second"], ["v1", "0.5", "-", "first"],
    ]  # fmt: skip
    assert mvc("log", "-n", "1", "--oneline", "HEAD~1").out.endswith(" first\n")
    assert mvc("log", "--component", "weights", "--oneline").out.endswith(" first\n")
    assert mvc("log", "nothing", code=1).err.startswith("error: no version is named 'nothing'\n")


def test_an_empty_log(mvc: Mvc, work: Path) -> None:
    mvc("init")
    assert mvc("log").out.startswith("No versions yet.")
    assert mvc("log", "-q").out == ""
    assert mvc("log", "--json").json["versions"] == []


def test_log_of_all_branches(mvc: Mvc, saved: Path) -> None:
    mvc("checkout", "v1")
    assert mvc("log", "--oneline").out.count("\n") == 1
    assert mvc("log", "--oneline", "--all").out.count("\n") == 2


def test_show(mvc: Mvc, saved: Path) -> None:
    out = mvc("show").out
    lines = [line.split() for line in out.splitlines()]
    assert ["data", "2", "files", "16", "B", "+1"] in lines
    assert ["weights", "1", "file", "16", "B"] in lines
    assert ["lr", "0.05"] in lines and ["val.accuracy", "0.75"] in lines
    assert "+5" not in out and "+1" in mvc("show", "v1").out
    assert mvc("show", "v0").out.endswith("\n    The empty version, before the first.\n")
    mvc("show", "nothing", code=1)


def test_the_diff_screen(mvc: Mvc, saved: Path) -> None:
    head, gap, *lines = mvc("diff", "v1", "v2").out.splitlines()
    assert head.startswith("v1 ") and " -> v2 " in head and gap == ""
    assert lines == [
        "architecture     1 modified",
        "  ~ model.py   +1 -1",
        "weights          unchanged",
        "hyperparameters  1 modified",
        "  ~ params.yaml",
        "    lr  0.1  ->  0.05  -0.05  -50.0 %",
        "data             1 added",
        "  + data/more.csv   1 row, 2 columns",
        "results          1 modified",
        "  ~ metrics.json",
        "    val.accuracy  0.5  ->  0.75  +0.25  +50.0 %  better",
        "    val.loss        -  ->  nan",
    ]
    assert mvc("diff", "v1..v2").out == mvc("diff", "v1", "v2").out == mvc("diff", "v1..").out
    assert mvc("diff").out.endswith(" -> workspace\nNo differences\n")


def test_diff_by_exit_code_component_and_patch(mvc: Mvc, saved: Path) -> None:
    mvc("diff", "--exit-code")
    assert mvc("diff", "v1", "--exit-code", "-q", code=1).out == ""
    mvc("diff", "v1", "--exit-code", "--component", "weights")
    patch = mvc("diff", "v1", "v2", "-p", "--component", "architecture").out.splitlines()
    assert patch[-4:] == ["+++ b/model.py", "@@ -1 +1 @@", "-layers = 2", "+layers = 3"]
    mvc("diff", "v1..v2", "v2", code=2)


def test_a_long_diff_is_cut_unless_asked_for(mvc: Mvc, saved: Path) -> None:
    write(saved, {f"data/{n:02}.csv": f"{n}\n" for n in range(30)})
    assert "  + data/*.csv   30 files" in mvc("diff").out.splitlines()
    assert "  + data/29.csv   1 row, 1 column" in mvc("diff", "-v").out.splitlines()
    write(saved, {f"src/{n:02}/x.py": f"{n}\n" for n in range(30)})
    assert "    ... 22 more (-v)" in mvc("diff").out.splitlines()


def test_checkout_there_and_back(mvc: Mvc, saved: Path) -> None:
    out = mvc("checkout", "HEAD~1").out
    assert out.startswith("On an old version, at v1 ")
    assert not (saved / "data" / "more.csv").exists()
    assert mvc("checkout", "main").out.startswith("On branch main, at v2 ")
    assert (saved / "model.py").read_text() == SECOND["model.py"]
    assert mvc("checkout", "v0").out.startswith("At the empty version v0, before the first\n")
    assert {p.name for p in saved.iterdir()} == {".mvc"}
    mvc("checkout", "v1", "-b", "side")
    assert mvc("branch").out.splitlines()[1].startswith("* side v1 ")


def test_numbers_lead_forward_from_an_old_version_too(mvc: Mvc, saved: Path) -> None:
    mvc("checkout", "v1")
    assert "at v2 " in mvc("checkout", "v2").out
    mvc("checkout", "v0")
    mvc("checkout", "v1")
    write(saved, {"model.py": "layers = 7\n"})
    mvc("commit", "-m", "another v2")
    assert mvc("log", "v2", "-n", "1", "--oneline").out.endswith(" another v2\n"), (
        "HEAD's line first"
    )
    mvc("checkout", "v1")
    assert "several versions" in mvc("checkout", "v2", code=1).err


def test_unsaved_work_is_never_lost(mvc: Mvc, saved: Path) -> None:
    write(saved, {"model.py": "precious\n"})
    error = mvc("checkout", "v1", code=1).err
    assert "unsaved work in model.py" in error and "help: mvc commit" in error
    assert "mvc undo" in mvc("checkout", "v1", "--force").out
    assert (saved / "model.py").read_text() == FIRST["model.py"]
    mvc("undo")
    assert (saved / "model.py").read_text() == "precious\n"


def test_one_component_back(mvc: Mvc, saved: Path) -> None:
    mvc("checkout", "v1", "--component", "hyperparameters")
    assert (saved / "params.yaml").read_text() == FIRST["params.yaml"]
    assert (saved / "model.py").read_text() == SECOND["model.py"]
    assert mvc("status", "--json").json["head"]["number"] == 2
    mvc("restore", "v2", "--component", "hyperparameters")
    mvc("status", "--exit-code")


def test_restore_single_paths(mvc: Mvc, saved: Path) -> None:
    mvc("restore", "v1", "model.py", "params.yaml")
    assert (saved / "model.py").read_text() == FIRST["model.py"]
    mvc("restore", "--source", "HEAD", "model.py")
    assert (saved / "model.py").read_text() == SECOND["model.py"]
    mvc("restore", "HEAD", ".")
    mvc("status", "--exit-code")
    mvc("restore", code=2)
    mvc("restore", "v1", code=2)
    assert "v1 has no nothing.py" in mvc("restore", "v1", "nothing.py", code=1).err


def test_rollback_and_undo(mvc: Mvc, saved: Path) -> None:
    assert mvc("rollback", "v1", "-m", "worse").out.startswith("[main] v3 ")
    assert (saved / "model.py").read_text() == FIRST["model.py"]
    assert "[rollback]" in mvc("log", "-n", "1").out
    mvc("undo")
    assert (saved / "model.py").read_text() == SECOND["model.py"]
    log = mvc("op", "log", "-n", "2").out.splitlines()
    assert "undo" in log[0] and "rollback v3 worse" in log[1]
    number = log[0].split()[0]
    mvc("undo", number)
    assert (saved / "model.py").read_text() == FIRST["model.py"]
    mvc("undo", "1", code=1)


def test_branches(mvc: Mvc, saved: Path) -> None:
    assert mvc("branch", "side", "v1").out.startswith("Branch side at v1\n")
    assert [line[:6] for line in mvc("branch").out.splitlines()] == ["* main", "  side"]
    mvc("switch", "side")
    assert (saved / "model.py").read_text() == FIRST["model.py"]
    mvc("switch", "-c", "third", "main")
    mvc("branch", "-m", "side", "aside")
    assert mvc("branch", "-d", "aside").out.startswith("Deleted branch aside (was v1, ")
    assert mvc("switch", "nowhere", code=1).err.startswith("error: there is no branch 'nowhere'\n")
    mvc("switch", "main", "v1", code=2)
    mvc("branch", "a", "v1", "c", code=2)
    mvc("branch", "v3", code=2)


def test_tags(mvc: Mvc, saved: Path) -> None:
    assert mvc("tag", "best", "v1", "-m", "so far").out == "Tagged v1 as best\n"
    assert mvc("tag").out.split()[:2] == ["best", "v1"]
    assert "(tag: best)" in mvc("log").out
    assert mvc("tag", "best", code=1).err.startswith("error: tag 'best' exists\n")
    assert mvc("cat", "best:model.py").out == FIRST["model.py"]
    assert mvc("tag", "-d", "best").out.startswith("Deleted tag best (was v1, ")
    assert mvc("tag").out == ""
    mvc("tag", "-m", "nothing", code=2)


def test_ls_and_cat(mvc: Mvc, saved: Path) -> None:
    assert mvc("ls", "v1", "--component", "data").out == "data/train.csv\n"
    assert mvc("ls", "HEAD", "-l").out.splitlines()[0] == "     11 B  architecture     model.py"
    assert mvc("cat", "model.py", "--rev", "v1").out == FIRST["model.py"]
    assert mvc("cat", ":model.py").out == SECOND["model.py"]
    assert "HEAD has no nothing" in mvc("cat", "nothing", code=1).err
    binary = subprocess.run(
        [sys.executable, "-m", "mvc", "cat", "model.safetensors"], capture_output=True
    )
    assert binary.stdout == FIRST["model.safetensors"]


def test_gc(mvc: Mvc, saved: Path) -> None:
    assert mvc("gc", "-n").out.startswith("Would free 0 B")
    write(saved, {"big.bin": os.urandom(300_000)})
    mvc("commit", "-m", "a mistake")
    mvc("undo")
    mvc("checkout", "main", "--force")
    freed = mvc("gc", "--expire-operations", "0s", "--json").json
    assert freed["bytes"] >= 0
    mvc("verify")
    mvc("gc", "--expire-operations", "5 years", code=2)


def test_settings(mvc: Mvc, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mvc("config", "set", "user.name", "Grace")
    assert mvc("config", "get", "user.name").out == "Grace\n"
    assert "user.name = Grace\n" in mvc("config", "list").out
    mvc("config", "unset", "user.name")
    mvc("config", "get", "user.name", code=1)
    assert mvc("config", "list", "--user", code=1).err.endswith("help: unset MVC_CONFIG\n")
    monkeypatch.setenv("MVC_CONFIG", str(tmp_path / "mine" / "config.toml"))
    mvc("config", "set", "--user", "user.email", "g@example.org")
    assert mvc("config", "list", "--user").out == "user.email = g@example.org\n"


def test_check_ignore(mvc: Mvc, saved: Path) -> None:
    (saved / ".mvcignore").write_text("*.bin\n")
    assert mvc("check-ignore", "a.bin", "b.pyc", "model.py").out.splitlines() == [
        "a.bin  .mvcignore:1  *.bin",
        "b.pyc  built in      *.pyc",
    ]
    assert mvc("check-ignore", "model.py", code=1).out == ""


def test_doctor_verify_version(mvc: Mvc, saved: Path) -> None:
    assert all(line.startswith("ok ") for line in mvc("doctor").out.splitlines())
    assert mvc("doctor", "-q").out == ""
    assert mvc("verify").out.startswith("ok  2 versions, ")
    assert "not read" in mvc("verify", "--quick").out
    assert mvc("verify", "-q").out == ""
    assert mvc("version").out.startswith("mvc ")


def test_completion_knows_verbs_and_options(mvc: Mvc) -> None:
    assert "_MVC_COMPLETE=bash_complete" in mvc("completion", "bash").out
    environment = {**os.environ, "_MVC_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mvc"], capture_output=True, text=True,
        env=environment | {"COMP_WORDS": "mvc che"},
    )  # fmt: skip
    assert [line.split(",")[1] for line in done.stdout.split()] == ["checkout", "check-ignore"]


def test_names_of_files_cannot_steer_the_terminal(mvc: Mvc, saved: Path) -> None:
    write(saved, {"evil\x1b[31m.py": "x"})
    assert "evil\\x1b[31m.py" in mvc("status").out
    mvc("commit", "-m", "a \x1b]0;title\x07 message")
    for words in (
        ["log"],
        ["log", "--oneline"],
        ["log", "--metrics"],
        ["show"],
        ["op", "log"],
        ["ls"],
    ):
        assert "\x1b" not in mvc(*words).out


def test_the_demo_runs_and_keeps_what_it_made(mvc: Mvc, work: Path) -> None:
    ran = mvc("demo", "--keep", "kept", "--iterations", "5", "--json")
    assert ran.json["bytes_stored"] < ran.json["bytes_copies"]
    assert len(ran.json["versions"]) == 6
    assert ran.json["deployed"] == ran.json["versions"][0]["version"]
    diff = mvc("-C", "kept", "diff", "v2", "v5", "--json").json
    assert all(part["changed"] for part in diff["components"].values())
    assert diff["hyperparameters"] and diff["metrics"] and diff["tensors"]
    assert mvc("demo", "--keep", ".", code=2).err.startswith("error: . is not empty")


def test_workspaces(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    root = tmp_path / "side"
    added = mvc("workspace", "add", "../side", "v1").out.splitlines()
    assert added[0] == f"New workspace in {root}"
    assert added[1].startswith("On an old version, at v1 ")
    rows = mvc("workspace", "list").out.splitlines()
    assert rows[0].startswith(f"*  {saved}")
    assert "(no branch)" in rows[1]
    listed = mvc("workspace", "list", "--json").json["workspaces"]
    assert [(w["root"], w["current"], w["there"]) for w in listed] == [
        (str(saved), True, True), (str(root), False, True),
    ]  # fmt: skip
    write(root, {"params.yaml": "lr: 1\n"})
    assert "would be lost" in mvc("workspace", "remove", "../side", code=1).err
    mvc("workspace", "remove", "--keep-files", "../side")
    assert (root / "params.yaml").read_text() == "lr: 1\n"
    assert mvc("-C", str(root), "status", code=10).err


def test_explain(mvc: Mvc, saved: Path) -> None:
    write(saved, {"checkpoint/optimizer.pt": "x", "checkpoint/notes.md": "y"})
    assert mvc("explain", "checkpoint").out.splitlines() == [
        "checkpoint/notes.md",
        "  part   data",
        "  rule   notes, a licence",
        "checkpoint/optimizer.pt",
        "  part   weights, training state",
        "  rule   .pt is a suffix of weights",
        "  not understood  no format that is read: compared by its bytes",
    ]
    assert mvc("explain", "v1:model.py").out.splitlines()[:2] == [
        "v1:model.py",
        "  part   architecture",
    ]
    rows = mvc("explain").out.splitlines()
    assert rows[0] == "architecture" and "weights, training state" in rows
    document = mvc("explain", "checkpoint/optimizer.pt", "v1:model.py", "--json").json
    assert [(f["path"], f["rev"], f["component"], f["state"]) for f in document["files"]] == [
        ("checkpoint/optimizer.pt", None, "weights", True), ("model.py", "v1", "architecture", False),
    ]  # fmt: skip
    assert "has no nowhere" in mvc("explain", "nowhere", code=1).err
