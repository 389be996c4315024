"""Every verb from end to end, as a person uses it."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvc import Repo
from mvc.cli.options import OPERATIONS_KEPT
from mvcd.objects.version import Trigger
from mvcd.repo.care import gc
from mvcd.repo.change import commit
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


def test_bases_that_lead_nowhere_are_named(mvc: Mvc, saved: Path) -> None:
    lines = "".join(f'"tunes/{n}.*" = "gone{n}:."\n' for n in range(7))
    write(saved, {"mvc.toml": f"[bases]\n{lines}"})
    for number in range(7):
        write(saved, {f"tunes/{number}.safetensors": save({"w": np.full(64, number, "f4")})})
    done = mvc("commit", "-m", "tunes", "--json")
    warnings = done.err.splitlines()
    assert warnings[0] == (
        'warning: no base by [bases] in mvc.toml, "tunes/0.*" = "gone0:.": no version is named '
        "'gone0': no branch, tag, stage or id is called so (help: mvc log)"
    )
    assert warnings[5:] == ["warning: 2 more lines of [bases] lead to no base"]
    assert [found["line"] for found in done.json["unfound_bases"]][6] == '"tunes/6.*" = "gone6:."'
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
    assert ["lr", "0.05", "was", "0.1"] in lines and ["val.accuracy", "0.75"] in lines
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
    mvc("switch", "-c", "fourth")
    (saved / "model.py").write_text("x = 4\n")
    mvc("commit", "-m", "only here")
    mvc("switch", "main")
    said = mvc("branch", "-d", "--force", "fourth").out
    assert "mvc undo  brings it back; what only it had stays until " in said
    assert "mvc gc --expire-operations 0s  frees that now" in said
    assert OPERATIONS_KEPT // timedelta(microseconds=1) == gc.KEEP_OPERATIONS_US
    mvc("tag", "later")  # the newest operation always stays
    assert mvc("gc", "--expire-operations", "0s", "--json").json["objects"] > 0
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


def test_names_of_other_people(mvc: Mvc, saved: Path) -> None:
    refused = mvc("tag", "v1", code=2).err.splitlines()
    assert refused[:2] == ["error: 'v1' alone cannot name a tag", "cause: v1 is version 1"]
    assert refused[2].startswith("help: mvc tag tags/v1  ")
    assert mvc("tag", "tags/v1").out == "Tagged v2 as tags/v1\n"
    for name in ("model@v1", "feature/#12", "x y", "été", "a:b"):
        mvc("tag", name, "v1")
    shown = [line.split()[0] for line in mvc("tag", "-l").out.splitlines()]
    assert shown == ["a%3Ab", "feature/#12", "model@v1", "tags/v1", "x%20y", "été"]
    tags = mvc("tag", "--json").json["tags"]
    assert [t["rev"] for t in tags] == shown
    assert [t["name"] for t in tags] == ["a:b", "feature/#12", "model@v1", "v1", "x y", "été"]
    for tag in tags:
        assert mvc("show", tag["rev"], "--json").json["version"] == tag["version"]
        assert f"tag: {tag['rev']}" in mvc("show", tag["rev"], "--json").json["refs"]
    assert mvc("cat", "a%3Ab:model.py").out == mvc("cat", "x y:model.py").out == FIRST["model.py"]
    told = mvc("show", "v1")
    assert told.out.startswith("v1 ")
    assert told.err == "warning: v1 is not the tag of that name, which is written tags/v1\n"
    mvc("branch", "heads/v2")
    assert mvc("switch", "heads/v2").out.startswith("On branch ")
    assert "* heads/v2" in mvc("branch").out
    assert mvc("tag", "-d", "x%20y").out.startswith("Deleted tag x%20y ")
    mvc("tag", "-l", "name", code=2)


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


def test_digests_that_other_programs_check(mvc: Mvc, saved: Path) -> None:
    write(saved, {"a\\b\nc": "odd", "empty": ""})
    (saved / "link").symlink_to("model.py")
    mvc("commit", "-m", "third")
    for digest, program in (("sha256", "sha256sum"), ("md5", "md5sum")):
        listed = mvc("ls", "--digest", digest).out
        check = [program, "-c", "--strict"]
        done = subprocess.run(check, input=listed, capture_output=True, text=True, cwd=saved)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 8, "all but the link"
        changed = listed.replace(listed[:4], "0000" if listed[:4] != "0000" else "1111", 1)
        assert subprocess.run(
            check, input=changed, capture_output=True, text=True, cwd=saved
        ).returncode
    hashed = subprocess.run(
        ["git", "hash-object", "model.py"], capture_output=True, text=True, cwd=saved
    )
    assert (
        mvc("ls", "HEAD", "model.py", "--digest", "git-sha1").out.split()[0]
        == hashed.stdout.strip()
    )
    (file,) = mvc("ls", "HEAD", "link", "--digest", "md5", "--json").json["files"]
    assert file["digests"] == {"md5": hashlib.md5(b"model.py").hexdigest()}
    mvc("ls", "-l", "--digest", "sha256", code=2)
    mvc("ls", "--digest", "sha512", code=2)


def test_gc(mvc: Mvc, saved: Path) -> None:
    assert mvc("gc", "-n").out.startswith("Would free 0 B")
    assert mvc("optimize").out.startswith("Nothing to gain: 1 pack ")
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
    lines = mvc("doctor").out.splitlines()
    assert all(line.startswith(("ok ", "     help: mvc ")) for line in lines)
    assert mvc("doctor", "-q").out == ""
    assert mvc("verify").out.startswith("ok  2 versions, ")
    assert "not read" in mvc("verify", "--quick").out
    assert mvc("verify", "-q").out == ""
    assert (
        "of which 25 %, chosen anew each time, were re-hashed"
        in mvc("verify", "--sample", "25%").out
    )
    assert mvc("verify", "--sample", "0.5", "--json").json["sample"] == 0.5
    for share in ("0", "2", "150%", "much"):
        assert "is no share of the content" in mvc("verify", "--sample", share, code=2).err
    assert mvc("version").out.startswith("mvc ")


def test_completion_knows_verbs_and_options(mvc: Mvc) -> None:
    assert "_MVC_COMPLETE=bash_complete" in mvc("completion", "bash").out
    environment = {**os.environ, "_MVC_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mvc"], capture_output=True, text=True,
        env=environment | {"COMP_WORDS": "mvc che"},
    )  # fmt: skip
    assert [line.split(",")[1] for line in done.stdout.split()] == [
        "che",
        "checkout",
        "cherry-pick",
        "check-ignore",
    ]


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


def test_a_place_for_the_demo_has_to_be_an_empty_bucket(mvc: Mvc, work: Path) -> None:
    (work / "bucket" / "mine").mkdir(parents=True)
    (work / "bucket" / "mine" / "file").write_bytes(b"")
    url = f"bucket+file://{work.resolve()}/bucket"
    full = mvc("demo", "--store", url, code=2)
    assert f"{url} is not empty: name a place in it, {url}/mvc-demo" in full.err
    assert "is not the address of a bucket" in mvc("demo", "--store", "bucket", code=2).err
    assert (work / "bucket" / "mine" / "file").exists()


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


def test_du_shows_what_is_big_first(mvc: Mvc, saved: Path) -> None:
    write(saved, {"data/large.bin": random.Random(1).randbytes(200_000)})
    mvc("commit", "-m", "third")
    lines = mvc("du").out.splitlines()
    assert lines[0].endswith("on disk")
    assert lines[1].startswith("  needed by versions  ")
    assert max(map(len, lines)) <= 80
    assert [line.split()[-1] for line in lines if line.startswith("195 KiB")][:1] == ["data"]
    assert lines[-1].endswith("are free; there is too little history to tell how fast it grows")
    by = mvc("du", "--by", "version").out.splitlines()
    assert by[0].split() == ["files", "stored", "unique", "version"]
    assert by[1].split()[6] == "v3"
    assert len(mvc("du", "--by", "version", "-n", "2").out.splitlines()) == 4
    assert mvc("du", "data").out.splitlines()[1].endswith("data/large.bin")
    assert mvc("du", "--by", "path").out.splitlines()[1].endswith("data/")
    assert {line.split()[-1] for line in mvc("du", "--by", "component").out.splitlines()} >= {
        "data"
    }
    assert "main, 3 versions" in mvc("du", "--by", "branch").out
    assert "no version has a file" in mvc("du", "nowhere", code=1).err
    assert "exclude each other" in mvc("du", "--by", "branch", "data", code=2).err


def test_du_tells_what_the_operation_log_holds(mvc: Mvc, saved: Path) -> None:
    mvc("switch", "-c", "try")
    write(saved, {"data/large.bin": random.Random(1).randbytes(200_000)})
    mvc("commit", "-m", "tried")
    mvc("switch", "main")
    mvc("branch", "-d", "try", "--force")
    document = mvc("du", "--json").json
    log = document["keepers"][-1]
    assert (log["kind"], log["versions"]) == ("operations", 1)
    assert 200_000 < log["unique"] < 202_000
    assert datetime.fromisoformat(document["log_until"]).tzinfo is not None
    shown = mvc("du").out
    assert re.search(r"19\d KiB by the operation log only, until \d{4}-\d\d-\d\d\n", shown), shown
    assert "operation log only, 1 version" in shown


def test_prune_says_what_goes_and_versions_say_that_they_went(mvc: Mvc, saved: Path) -> None:
    assert "has no [retention] table" in mvc("prune", code=1).err
    write(saved, {"mvc.toml": "[retention]\nkeep_last = 1\n"})
    assert mvc("prune").out.splitlines() == ["No version goes"], "both were saved by hand"
    with Repo(saved) as repo:
        for number in range(4):
            write(saved, {"model.bin": random.Random(number).randbytes(50_000)})
            commit.commit(
                repo._core, "saved by itself", context=repo._context(), trigger=Trigger.AUTO
            )
    told = mvc("prune", "-n").out.splitlines()
    assert [line.split()[0] for line in told[:3]] == ["v3", "v4", "v5"]
    assert re.fullmatch(r"3 versions would lose content that takes 14\d KiB; records stay", told[3])
    assert told[4] == "Automatic versions that stay: 1 by keep_last"
    assert mvc("prune", "-n", "--json").json["operation"] is None
    done = mvc("prune").out.splitlines()
    assert done[3] == told[3].replace("would lose", "lose")
    assert done[5].startswith("mvc undo brings it back until ")
    shown = mvc("show", "v4").out
    assert re.search(r"^pruned   just now by keep_last 1$", shown, re.MULTILINE)
    assert re.search(
        r"^content  still here, kept until .*; no remote is known to have it$", shown, re.MULTILINE
    )
    assert "[pruned] saved by itself" in mvc("log", "--oneline").out
    assert "pruned just now by keep_last 1" in mvc("log").out
    assert [bool(v["pruned"]) for v in mvc("log", "--json").json["versions"]] == [
        False,
        *[True] * 3,
        False,
        False,
    ]
    mvc("undo")
    assert "pruned" not in mvc("show", "v4").out
    mvc("prune", "-q")
    mvc("tag", "later")
    assert mvc("gc", "--expire-operations", "0s").out.startswith("Freed 14")
    refused = mvc("checkout", "v4", code=1).err
    assert "the content of v4" in refused and "none of these rules keeps it: keep_last 1" in refused
    assert "left out or pruned" in mvc("verify").out
    assert mvc("show", "v4", "--json").json["pruned"]["here"] is False


def test_a_rename_is_one_in_status(mvc: Mvc, saved: Path) -> None:
    mvc("status")  # a copy of a repository has other inodes, which it takes note of
    (saved / "metrics.json").rename(saved / "scores.json")
    assert "  renamed   results         metrics.json -> scores.json\n" in mvc("status").out
    assert mvc("status", "-s").out == "R  metrics.json -> scores.json\n"
    document = mvc("status", "--json").json
    assert document["renamed"] == [
        {"from": "metrics.json", "to": "scores.json", "component": "results"}
    ]
    assert (document["added"], document["deleted"], document["clean"]) == ([], [], False)
    mvc("status", "--exit-code", code=1)
    mvc("commit", "-m", "renamed")
    assert mvc("status", "--json").json["clean"] is True
