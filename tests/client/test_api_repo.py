"""mvc.Repo: the sample of the documentation, and what each method promises beyond the engine."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

import mvc
from tests.support.commandline import AUTHOR, FIRST, SECOND, write

pytestmark = pytest.mark.usefixtures("work")


@pytest.fixture
def repo(work: Path) -> mvc.Repo:
    """Two versions; clean."""
    write(work, FIRST)
    repo = mvc.Repo.init(work)
    repo.add(".")
    repo.commit("first")
    write(work, SECOND)
    repo.commit("second")
    return repo


def test_the_sample_runs_as_it_stands(work: Path) -> None:
    assert mvc.__doc__ is not None
    sample = textwrap.dedent(mvc.__doc__.split("\n\n")[1])
    assert sample.startswith("import mvc\nrepo = mvc.Repo('.')\n")
    write(work, {"model.pkl": b"weights"})
    subprocess.run([sys.executable, "-c", sample], check=True, cwd=work)
    repo = mvc.Repo.open(work)
    assert [(v.number, v.message) for v in repo.log("main")] == [(1, "Add initial model")]
    assert repo.head.number == 0, "HEAD~1 of the first version is the empty one"
    assert not (work / "model.pkl").exists()
    repo.checkout("main")
    assert (work / "model.pkl").read_bytes() == b"weights"


def test_repo_opens_what_is_there_and_makes_what_is_not(work: Path) -> None:
    made = mvc.Repo(work)
    (work / "below").mkdir()
    assert mvc.Repo(work / "below").root == made.root == str(work.resolve())


def test_open_makes_nothing(work: Path) -> None:
    with pytest.raises(mvc.NoRepository):
        mvc.Repo.open(work)
    assert list(work.iterdir()) == []


def test_init_refuses_a_second_time(repo: mvc.Repo) -> None:
    with pytest.raises(mvc.Failure, match="already"):
        mvc.Repo.init(repo.root)


def test_a_store_elsewhere(work: Path, tmp_path: Path) -> None:
    repo = mvc.Repo.init(work, store=tmp_path / "store")
    write(work, FIRST)
    repo.add(".")
    repo.commit("first")
    assert repo.store_path == str(tmp_path / "store")
    assert not (work / ".mvc" / "store").exists()
    assert mvc.Repo.open(work).read("model.py") == b"layers = 2\n"


def test_with_holds_the_lock_and_other_processes_wait(repo: mvc.Repo) -> None:
    attempt = "import mvc; mvc.Repo.open(lock_timeout=0).add('model.py')"
    with repo, repo:
        done = subprocess.run([sys.executable, "-c", attempt], capture_output=True, text=True)
        assert done.returncode == 1
        assert "mvcd.errors.Busy" in done.stderr
        repo.commit("inside", allow_empty=True)
    subprocess.run([sys.executable, "-c", attempt], check=True)


def test_an_exception_lets_go_of_the_lock(repo: mvc.Repo) -> None:
    with pytest.raises(ZeroDivisionError), repo:
        1 / 0  # noqa: B018
    other = mvc.Repo.open(repo.root, lock_timeout=0)
    other.commit("afterwards", allow_empty=True)


def test_a_version_says_all_about_itself(repo: mvc.Repo) -> None:
    new, old = repo.log()
    assert (new.number, new.message, new.trigger, new.author) == (2, "second", "manual", AUTHOR)
    assert (len(new.id), new.parents, old.parents) == (64, (old.id,), ())
    assert new.refs == ("HEAD -> main",)
    assert new.time.tzinfo is not None
    assert timedelta(0) <= new.time - old.time < timedelta(minutes=5)
    assert new.hyperparameters == {"lr": 0.05, "epochs": 3}
    assert new.metrics["val.accuracy"] == 0.75
    assert {c.value: r.files for c, r in new.components.items()} == {
        "architecture": 1, "weights": 1, "hyperparameters": 1, "data": 2, "results": 1,
    }  # fmt: skip
    assert new.components[mvc.Component.WEIGHTS] == old.components[mvc.Component.WEIGHTS]
    assert new.files == 6
    assert new.size == sum(f.size for f in repo.ls())
    assert new == repo.show() == repo.show("v2") == repo.show(new.id[:8])


def test_results_are_frozen(repo: mvc.Repo) -> None:
    for value in (repo.show(), repo.status(), repo.diff(), repo.head):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, dataclasses.fields(value)[0].name, None)


def test_one_directory_at_a_time(repo: mvc.Repo, work: Path) -> None:
    assert [(e.path, e.kind) for e in repo.ls(recursive=False)] == [
        ("data", "directory"), ("metrics.json", "file"), ("model.py", "file"),
        ("model.safetensors", "file"), ("params.yaml", "file"),
    ]  # fmt: skip
    assert [e.path for e in repo.ls("v1", "data", recursive=False)] == ["data/train.csv"]
    found = repo.stat(work / "data" / "train.csv", "v1")
    assert (found.size, found.component, found.executable) == (8, mvc.Component.DATA, False)
    assert repo.stat("").kind == repo.stat("data").kind == "directory"
    assert repo.exists("data/more.csv")
    assert not repo.exists("data/more.csv", "v1")
    with pytest.raises(mvc.Failure, match="v1 has no data/more"):
        repo.stat("data/more.csv", "v1")


def test_digests_of_files(repo: mvc.Repo, work: Path) -> None:
    files = {path: (work / path).read_bytes() for path in {**FIRST, **SECOND}}
    sha256 = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    assert repo.file_digests() == sha256
    assert repo.file_digest("model.py") == sha256["model.py"]
    assert repo.file_digest("model.py", "v1") == hashlib.sha256(b"layers = 2\n").hexdigest()
    paths = ["data/more.csv", "data/train.csv", "model.py"]
    md5 = {path: hashlib.md5(files[path]).hexdigest() for path in paths}
    assert repo.file_digests("v2", ["data", work / "model.py"], "md5") == md5
    with pytest.raises(mvc.UsageError, match="no digest is called 'sha-256'"):
        repo.file_digest("model.py", algorithm="sha-256")
    with pytest.raises(mvc.Failure, match="HEAD has no data"):
        repo.file_digest("data")


def test_the_log_is_lazy_and_can_be_narrowed(repo: mvc.Repo) -> None:
    with pytest.raises(mvc.Failure, match="no version is named 'nothing'"):
        repo.log("nothing")
    assert [v.number for v in repo.log(limit=1)] == [2]
    assert [v.number for v in repo.log(component="weights")] == [1]
    assert [v.number for v in repo.log("HEAD~1")] == [1]
    with pytest.raises(mvc.UsageError, match="no component 'wheels'"):
        repo.log(component="wheels")


def test_diff_between_versions_and_with_the_workspace(repo: mvc.Repo, work: Path) -> None:
    assert not repo.diff().changed
    diff = repo.diff("v1", "v2")
    assert (diff.old, diff.new) == (repo.resolve("v1"), repo.resolve("v2"))
    assert diff.components[mvc.Component.DATA].added == ("data/more.csv",)
    assert diff.hyperparameters["lr"] == mvc.ValueChange(0.1, 0.05)
    assert diff.metrics["val.accuracy"].diff == 0.25
    write(work, {"model.py": "layers = 4\n"})
    assert repo.diff().new is None
    assert repo.diff().components[mvc.Component.ARCHITECTURE].modified == ("model.py",)
    assert list(repo.diff(components=["data"]).components) == [mvc.Component.DATA]


def test_patch_shows_lines(repo: mvc.Repo) -> None:
    lines = list(repo.patch(repo.diff("v1", "v2", components=["architecture"])))
    assert "-layers = 2" in lines
    assert "+layers = 3" in lines


def test_status(repo: mvc.Repo, work: Path) -> None:
    assert repo.status().clean
    write(work, {"model.py": "layers = 9\n"})
    (work / "data" / "more.csv").unlink()
    status = repo.status()
    assert [c.path for c in status.modified] == ["model.py"]
    assert [(c.path, c.component.value) for c in status.deleted] == [("data/more.csv", "data")]
    assert (status.head.branch, status.head.number, status.tracked) == ("main", 2, (".",))


def test_a_file_of_a_version_is_seekable(repo: mvc.Repo) -> None:
    with repo.open("model.py", "v1") as file:
        assert isinstance(file, io.RawIOBase)
        assert file.read() == b"layers = 2\n"
        assert file.seek(-2, io.SEEK_END) == 9
        assert file.read() == b"2\n"
    assert repo.read("model.py") == b"layers = 3\n"
    with pytest.raises(mvc.Failure):
        repo.open("nothing.py")


def test_paths_are_relative_to_the_root_wherever_we_stand(
    repo: mvc.Repo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work / "data")
    assert repo.read("model.py") == b"layers = 3\n"
    assert repo.read(work / "data" / "more.csv") == b"x,y\n3,4\n"
    assert [f.path for f in repo.ls(path="data")] == ["data/more.csv", "data/train.csv"]
    repo.restore("v1", "model.py")
    assert (work / "model.py").read_text() == "layers = 2\n"
    with pytest.raises(mvc.UsageError, match="outside"):
        repo.read("../elsewhere")


def test_moving_about(repo: mvc.Repo, work: Path) -> None:
    assert repo.checkout("v1").head.branch is None
    assert (work / "params.yaml").read_text() == FIRST["params.yaml"]
    repo.switch("main")
    result = repo.checkout("v1", components=["hyperparameters"])
    assert (result.head.number, result.written) == (2, 1)
    write(work, {"model.py": "precious\n"})
    with pytest.raises(mvc.Conflict):
        repo.checkout("v1")
    assert repo.checkout("v1", force=True).saved is not None
    repo.undo()
    assert repo.head.number == 2
    assert (work / "model.py").read_text() == "precious\n"


def test_rollback_makes_a_new_version(repo: mvc.Repo) -> None:
    result = repo.rollback("v1", message="too eager")
    assert (result.number, result.branch, result.started_branch) == (3, "main", False)
    version = repo.show()
    assert (version.trigger, version.message) == ("rollback", "too eager")
    assert version.components == repo.show("v1").components


def test_saving_from_an_old_version_starts_a_branch(repo: mvc.Repo, work: Path) -> None:
    repo.checkout("v1")
    write(work, {"model.py": "layers = 7\n"})
    result = repo.commit("another way")
    assert result.started_branch
    assert result.branch == repo.head.branch != "main"


def test_names(repo: mvc.Repo) -> None:
    repo.branch("side", "v1")
    assert [(b.name, b.number, b.current) for b in repo.branches()] == [
        ("main", 2, True),
        ("side", 1, False),
    ]
    assert repo.rename_branch("side", "aside").name == "aside"
    assert repo.delete_branch("aside").number == 1
    assert repo.tag("best", "v1", message="of all").message == "of all"
    assert [(t.name, t.number, t.version) for t in repo.tags()] == [("best", 1, repo.resolve("v1"))]
    with pytest.raises(mvc.Failure):
        repo.tag("best")
    assert repo.delete_tag("best").name == "best"


def test_operations_are_listed_and_undone(repo: mvc.Repo) -> None:
    newest = next(repo.operations())
    assert (newest.verb, newest.author) == ("commit", AUTHOR)
    undone = repo.undo()
    assert undone.undoes == newest.number
    assert repo.head.number == 1
    assert len(list(repo.operations(limit=2))) == 2


def test_care(repo: mvc.Repo, work: Path) -> None:
    report = repo.verify()
    assert (report.ok, report.versions, report.errors) == (True, 2, ())
    assert repo.verify(read_data=False).ok
    assert repo.gc(dry_run=True).kept_objects == report.objects
    assert repo.gc(expire_operations=timedelta(0)).objects == 0
    assert all(check.ok for check in repo.doctor())
    assert repo.stats().objects == report.objects
    (work / ".mvcignore").write_text("*.bin\n")
    [(path, match), (_, none)] = repo.check_ignore("a.bin", "a.txt")
    assert (path, none) == ("a.bin", None)
    assert match is not None and (match.pattern, match.source, match.line) == (
        "*.bin",
        ".mvcignore",
        1,
    )


def test_settings(repo: mvc.Repo) -> None:
    repo.config.set("user.name", "Grace")
    assert mvc.Repo.open(repo.root).config.get("user.name") == "Grace"
    assert dict(repo.config.items())["user.name"] == "Grace"


class Listener:
    """A monitor that remembers."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.done = 0

    def begin(
        self, task: str, *, total_bytes: int | None = None, total_items: int | None = None
    ) -> None:
        self.tasks.append(task)

    def expect(self, *, more_bytes: int = 0, more_items: int = 0) -> None:
        pass

    def advance(self, *, bytes_done: int = 0, items_done: int = 0, bytes_new: int = 0) -> None:
        self.done += bytes_done

    def finish(self) -> None: ...

    def warn(self, message: str) -> None: ...


def test_a_monitor_hears_of_progress(work: Path) -> None:
    listener = Listener()
    write(work, {"model.bin": b"x" * 100_000})
    repo = mvc.Repo(work, monitor=listener)
    repo.add(".")
    repo.commit("first")
    assert listener.tasks
    assert listener.done == 100_000
