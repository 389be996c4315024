"""`mvc run` and `mvc reproduce`, with real commands."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mvc
from mvcd.errors import CorruptObject
from mvcd.repo.history.runs import NAME, RunRecord
from tests.support.commandline import Mvc

TRAIN = """
import json, os, pathlib, random, sys
random.seed(int(os.environ.get("MVC_SEED", "1")))
lines = pathlib.Path("data/x.csv").read_text().split()
pathlib.Path("model.bin").write_bytes(random.randbytes(100))
old = pathlib.Path("counter.txt")
if old.exists():
    old.write_text(str(int(old.read_text()) + 1))
loss = len(lines) + random.random()
if "unsure" in sys.argv:
    loss += random.SystemRandom().random()
json.dump({"loss": loss}, open("metrics.json", "w"))
sys.exit(3 if "fail" in sys.argv else 0)
"""


@pytest.fixture
def repo(tmp_path: Path) -> mvc.Repo:
    root = tmp_path / "w"
    (root / "data").mkdir(parents=True)
    (root / "train.py").write_text(TRAIN)
    (root / "data" / "x.csv").write_text("1\n2\n")
    (root / "counter.txt").write_text("1")
    repo = mvc.Repo(root, author="Ada <ada@example.org>")
    repo.add(".")
    repo.commit("base")
    return repo


def train(*words: str) -> list[str]:
    return [sys.executable, "train.py", *words]


def test_a_run_is_one_version_and_comes_out_the_same_again(repo: mvc.Repo) -> None:
    result = repo.run(train(), seed=5)
    assert result.status == 0 and result.commit is not None and result.commit.number == 2
    assert repo.show().provenance.command == tuple(train())
    assert repo.status().clean
    again = repo.reproduce()
    assert again.ok and again.directory is None
    assert {(f.path, f.same) for f in again.files} == {
        ("model.bin", True), ("metrics.json", True), ("counter.txt", True),
    }  # fmt: skip
    assert [m.within for m in again.metrics] == [True]
    assert Path(repo.root, "counter.txt").read_text() == "2"


def test_chance_is_reported(repo: mvc.Repo) -> None:
    repo.run(train("unsure"))
    again = repo.reproduce()
    assert not again.ok
    assert {f.path for f in again.files if not f.same} == {"metrics.json"}
    assert repo.reproduce(tolerance=10).ok


def test_the_directory_stays_where_it_was_asked_for(repo: mvc.Repo, tmp_path: Path) -> None:
    repo.run(train(), seed=1)
    again = repo.reproduce(into=tmp_path / "fresh")
    assert again.ok and (tmp_path / "fresh" / "model.bin").read_bytes()
    with pytest.raises(mvc.Failure, match="not empty"):
        repo.reproduce(into=tmp_path / "fresh")


def test_what_was_never_saved_is_named_as_lost(repo: mvc.Repo) -> None:
    Path(repo.root, "counter.txt").write_text("41")
    Path(repo.root, "data", "x.csv").write_text("1\n2\n3\n")
    repo.run(train(), seed=1)
    again = repo.reproduce()
    assert again.lost == ("counter.txt",)
    assert {f.path: f.same for f in again.files}["metrics.json"], "the edited input was saved"


def test_a_command_that_fails_saves_nothing(repo: mvc.Repo) -> None:
    result = repo.run(train("fail"))
    assert (result.status, result.commit) == (3, None)
    assert repo.show().number == 1
    kept = repo.run(train("fail"), keep_failed=True)
    assert kept.status == 3 and kept.commit is not None
    assert repo.reproduce().lost == ("counter.txt",), "the failed run before changed it"


def test_another_environment_is_told(repo: mvc.Repo) -> None:
    repo.run(train(), env={"LEARNING": "slow"})
    assert repo.reproduce(env={"LEARNING": "fast"}).environment == (("LEARNING", "slow", "fast"),)


def test_versions_of_other_making_have_no_run(repo: mvc.Repo) -> None:
    with pytest.raises(mvc.Failure) as caught:
        repo.reproduce("v1")
    assert caught.value.kind == "no-run"
    with pytest.raises(mvc.Failure, match="was not found"):
        repo.run(["no such command"])


def test_an_interrupt_leaves_no_half_version(repo: mvc.Repo) -> None:
    script = "import sys, time; open('half', 'w').close(); print('on', flush=True); time.sleep(60)"
    words = [sys.executable, "-m", "mvc", "run", "--", sys.executable, "-c", script]
    process = subprocess.Popen(
        words, cwd=repo.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    assert repo.show().number == 1
    assert not Path(repo.root, NAME).exists()


def test_on_the_command_line(repo: mvc.Repo, mvc: Mvc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.root)
    done = mvc("run", "--seed", "3", "--", *train())
    assert done.code == 0 and "v2" in done.out
    assert json.loads(mvc("reproduce", "-y", "--json").out)["ok"] is True
    shown = mvc("reproduce", "-y").out
    assert "reproduced  3 of 3 outputs equal" in shown
    assert mvc("run", "--", *train("fail"), code=3).out == ""
    shutil.rmtree(Path(repo.root, "data"))
    assert mvc("reproduce", "-y", "v2").code == 0, "the workspace does not matter"


def test_nothing_runs_that_nobody_saw(
    repo: mvc.Repo, mvc: Mvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone brings its commands; in a script or a cron job there is nobody to ask."""
    monkeypatch.chdir(repo.root)
    mvc("run", "--", *train())
    refused = mvc("reproduce", code=2)
    assert "train.py" in refused.err and "mvc reproduce -y HEAD" in refused.err
    assert refused.out == ""


def test_git_runs_nothing_of_a_workspace(
    repo: mvc.Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Plain files make a bare repository of git's, whose settings name programs; a version may hold them."""
    outer = Path(repo.root)
    monkeypatch.delenv("GIT_CEILING_DIRECTORIES", raising=False)
    subprocess.run(["git", "init", "-q", str(outer.parent)], check=True)
    owned = tmp_path / "owned"
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare")], check=True)
    shutil.copytree(tmp_path / "bare", outer, dirs_exist_ok=True)
    core = "[core]\n bare = false\n worktree = .\n[user]\n name = planted\n"
    (outer / "config").write_text(f'{core}[filter "x"]\n clean = touch {owned}\n')
    (outer / ".gitattributes").write_text("* filter=x\n")
    from mvc.api import context

    found = context.git_settings(str(outer), "user.name", "filter.")
    assert "filter.x.clean" not in found and found.get("user.name") != "planted"
    assert not owned.exists()


@given(
    st.builds(
        RunRecord,
        st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1).map(
            tuple
        ),
        st.just("a/b"),
        st.dictionaries(st.text(), st.text()),
        st.none() | st.integers(),
        st.floats(0, 1e9),
        st.integers(0, 255),
        st.none() | st.lists(st.text(st.characters(exclude_characters="\0"))).map(tuple),
        st.none(),
        st.dictionaries(st.text(), st.text()),
    )
)
def test_records_come_back(record: RunRecord) -> None:
    try:
        data = record.encode()
    except UnicodeEncodeError:
        return
    assert RunRecord.decode(data) == record


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"schema_version": 2}'],
    ids=["empty", "list", "no keys", "bytes", "deep", "newer"],
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptObject):
        RunRecord.decode(data)


@pytest.mark.parametrize("where", ["/etc", "../x", "a/../../b"])
def test_a_record_cannot_lead_outside(where: str) -> None:
    with pytest.raises(CorruptObject):
        RunRecord.decode(RunRecord(("x",), where).encode())
