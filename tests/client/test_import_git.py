"""`mvc import git`: real repositories of git's, compared commit by commit with what git says of them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mvc as api
from mvc.importers.history import GitImport, import_git
from tests.support.commandline import Mvc
from tests.support.githistory import GitRepo, state_of

pytestmark = pytest.mark.usefixtures("work")

MODES = {"file": "100644", "executable": "100755", "symlink": "120000"}


@pytest.fixture
def git(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path / "source")


def held(repo: api.Repo, version: str) -> dict[str, tuple[str, bytes]]:
    """(git's mode, content) by path, as `GitRepo.files` has it."""
    return {f.path: (MODES[f.mode], repo.read(f.path, version)) for f in repo.ls(version)}


def by_commit(repo: api.Repo) -> dict[str, api.Version]:
    return {v.provenance.git_commit: v for v in repo.log(all_refs=True)}


def require_same_history(repo: api.Repo, git: GitRepo) -> None:
    """Every commit has its version, with the same files and, up to two, the same parents."""
    graph, versions = git.graph(), by_commit(repo)
    assert versions.keys() == graph.keys()
    for commit, parents in graph.items():
        version = versions[commit]
        assert version.parents == tuple(versions[p].id for p in dict.fromkeys(parents))[:2]
        assert held(repo, version.id) == git.files(commit)
        assert version.trigger == "import"


@pytest.fixture
def told(git: GitRepo) -> GitRepo:
    """A history with a bit of everything: a merge, a branch, tags, modes, links, directories and files."""
    git.commit("first\n\nwith a body", {"model.pt": b"\0weights" * 99, "params.yaml": "lr: 0.1\n"})
    git.run("tag", "light")
    git.commit("a program", {"run.sh": "#!/bin/sh\n", "data": "one file\n"})
    (git.path / "run.sh").chmod(0o755)
    (git.path / "newest").symlink_to("model.pt")
    git.commit("may run", {"data": None})
    git.run("checkout", "-qb", "feature")
    git.commit("data is a directory", {"data/train.csv": "x\n1\n"}, "1700003600 -0730")
    git.run("checkout", "-q", "main")
    git.commit("meanwhile", {"params.yaml": "lr: 0.2\n"})
    git.run("merge", "-q", "--no-ff", "-m", "merge feature", "feature")
    git.run(
        "tag", "-a", "release/1.0", "-m", "the first one", GIT_COMMITTER_DATE="1700009000 +0100"
    )
    git.commit("empty")
    git.commit("large", {"big.bin": random.Random(1).randbytes(3 << 20)})
    return git


def test_a_whole_history(mvc: Mvc, told: GitRepo, work: Path) -> None:
    before = state_of(told.path)
    ran = mvc("import", "git", str(told.path))
    assert ran.out.startswith(f"Imported 8 versions, 2 branches, 2 tags from {told.path} into")
    assert " in git -> " in ran.out
    assert not ran.err
    assert state_of(told.path) == before
    with api.Repo.open(work / "source") as repo:
        require_same_history(repo, told)
        assert {b.name for b in repo.branches()} == {"main", "feature"}
        assert (repo.head.branch, repo.head.number) == ("main", 7)
        tags = {t.name: (t.version, t.message) for t in repo.tags()}
        versions = by_commit(repo)
        assert tags["light"] == (versions[told.run("rev-parse", "light")].id, "")
        assert tags["release/1.0"][1] == (
            "the first one\n\nTagged by Carl <carl@example.org>, 2023-11-15 01:43:20+01:00"
        )
        feature = repo.show("feature")
        assert feature.author == "Ann Author <ann@example.org>"
        zone = timezone(timedelta(hours=-7, minutes=-30))
        assert feature.time == datetime.fromtimestamp(1700003600, zone)
        assert feature.time.utcoffset() == zone.utcoffset(None)
        first = versions[told.run("rev-list", "--max-parents=0", "main")]
        assert first.message == "first\n\nwith a body"
        assert first.provenance == api.Provenance(git_commit=first.provenance.git_commit)
        assert repo.status().clean
        assert repo.verify().ok
    repo.close()
    assert (work / "source" / "newest").readlink() == Path("model.pt")
    assert os.access(work / "source" / "run.sh", os.X_OK)


def test_again_brings_what_is_new(mvc: Mvc, told: GitRepo, work: Path) -> None:
    mvc("import", "git", str(told.path), "copy")
    assert mvc("import", "git", str(told.path), "copy").out.startswith("Nothing new in ")
    told.commit("later", {"params.yaml": "lr: 0.3\n"})
    told.run("branch", "-f", "feature", "main")
    answer = mvc("import", "git", str(told.path), "copy", "--json").json
    assert (answer["versions"], answer["versions_before"]) == (1, 8)
    assert sorted(answer["branches"]) == ["feature", "main"]
    assert (work / "copy" / "params.yaml").read_text() == "lr: 0.3\n"
    (work / "copy" / "params.yaml").write_text("mine\n")
    told.commit("later still", {"params.yaml": "lr: 0.4\n"})
    ran = mvc("import", "git", str(told.path), "copy")
    assert "main was not moved: " in ran.err
    assert (work / "copy" / "params.yaml").read_text() == "mine\n"
    (work / "copy" / "params.yaml").write_text("lr: 0.3\n")
    assert "lr: 0.4" not in (work / "copy" / "params.yaml").read_text()
    mvc("import", "git", str(told.path), "copy")
    assert (work / "copy" / "params.yaml").read_text() == "lr: 0.4\n"
    with api.Repo.open(work / "copy") as repo:
        require_same_history(repo, told)
        assert {b.name for b in repo.branches()} == {"main", "feature"}
    repo.close()


def test_what_was_made_here_stays(mvc: Mvc, told: GitRepo, work: Path) -> None:
    mvc("import", "git", str(told.path), "copy")
    (work / "copy" / "mine.txt").write_text("mine")
    mvc("-C", str(work / "copy"), "commit", "-m", "mine")
    told.commit("theirs", {"theirs.txt": "theirs"})
    told.run("tag", "-f", "light")
    ran = mvc("import", "git", str(told.path), str(work / "copy"))
    assert "main was not moved: it has versions that the source has not" in ran.err
    assert "tags/light was not moved: a tag of that name is here" in ran.err
    assert (
        "branch importing/1 holds versions that no branch or tag of the source reaches" in ran.err
    )
    with api.Repo.open(work / "copy") as repo:
        assert repo.show("main").message == "mine"
        assert repo.show("importing/1").message == "theirs"
    repo.close()


def test_into_a_repository_that_is_there(mvc: Mvc, told: GitRepo, saved: Path) -> None:
    before = state_of(saved)
    ran = mvc("import", "git", str(told.path), "--into", "old/")
    assert "8 versions, 2 branches, 2 tags" in ran.out
    assert {p: s for p, s in state_of(saved).items() if not p.startswith(".mvc")} == {
        p: s for p, s in before.items() if not p.startswith(".mvc")
    }
    repo = api.Repo.open(saved)
    assert {b.name for b in repo.branches()} == {"main", "old/main", "old/feature"}
    assert {t.name for t in repo.tags()} == {"old/light", "old/release/1.0"}
    assert (repo.head.branch, repo.head.number) == ("main", 2)
    repo.close()
    assert mvc("import", "git", str(told.path), "--into", "old").out.startswith("Nothing new")
    mvc("import", "git", str(told.path), "x", "--into", "old", code=2)


def test_bare_repositories_and_addresses(mvc: Mvc, told: GitRepo, work: Path) -> None:
    told.run("clone", "-q", "--bare", str(told.path), str(work / "mirror.git"))
    mvc("import", "git", "mirror.git", "--bare")
    mvc("import", "git", f"file://{told.path}", "cloned")
    for name in ("mirror", "cloned"):
        with api.Repo.open(work / name) as repo:
            require_same_history(repo, told)
        repo.close()
    assert "git cannot clone" in mvc("import", "git", f"file://{work}/nowhere", code=1).err


def test_only_some_paths(mvc: Mvc, told: GitRepo, work: Path) -> None:
    ran = mvc("import", "git", str(told.path), "some", "--path", "params.yaml", "--path", "data")
    with api.Repo.open(work / "some") as repo:
        versions = by_commit(repo)
        assert len(versions) == 6
        assert f"{len(versions)} versions" in ran.out
        for commit, version in versions.items():
            files = told.files(commit)
            wanted = {p: f for p, f in files.items() if p == "params.yaml" or p.startswith("data")}
            assert held(repo, version.id) == wanted
        assert repo.show("light").provenance.git_commit == told.run("rev-parse", "light")
    repo.close()
    told.commit("elsewhere", {"readme": "x"})
    same = mvc("import", "git", str(told.path), "some", "--path", "data", "--path", "params.yaml")
    assert "Nothing new" in same.out
    other = mvc("import", "git", str(told.path), "some", "--path", "data", code=1)
    assert "an import of another kind" in other.err
    mvc("import", "git", str(told.path), "x", "--path", "../out", code=2)


def test_a_merge_of_many(mvc: Mvc, git: GitRepo, work: Path) -> None:
    git.commit("root", {"a": "1"})
    for name in ("b", "c", "d"):
        git.run("checkout", "-qb", name, "main")
        git.commit(name, {name: name})
    git.run("checkout", "-q", "main")
    git.run("merge", "-q", "-m", "octopus", "b", "c", "d")
    git.run("branch", "-D", "b", "c", "d")
    ran = mvc("import", "git", str(git.path), "out")
    merged, *parents = git.run("rev-list", "--parents", "-1", "main").split()
    assert f"commit {merged[:12]} merges more than two; its version does not follow " in ran.err
    assert parents[2][:12] in ran.err
    with api.Repo.open(work / "out") as repo:
        versions = by_commit(repo)
        assert versions.keys() == git.graph().keys()
        assert [versions[p].id for p in parents[:2]] == list(versions[merged].parents)
        assert held(repo, "main") == git.files("main")
    repo.close()


def test_what_no_version_can_have(mvc: Mvc, git: GitRepo, tmp_path: Path, work: Path) -> None:
    other = GitRepo(tmp_path / "other")
    inner = other.commit("inner", {"x": "x"})
    git.commit("root", {"a": "1", "sub/.mvc/config.toml": "[watch]\n"})
    git.run("update-index", "--add", "--cacheinfo", f"160000,{inner},module")
    git.run("commit", "-qm", "submodule")
    git.run("rm", "-q", "--cached", "module")
    git.run("commit", "-qm", "and gone")
    ran = mvc("import", "git", str(git.path), "out")
    assert "sub/.mvc/config.toml is in no version" in ran.err
    with api.Repo.open(work / "out") as repo:
        assert held(repo, "main").keys() == {"a"}
    repo.close()


def test_names_of_other_people(mvc: Mvc, git: GitRepo, work: Path) -> None:
    first = git.commit("root", {"a": "1"})
    git.run("tag", "v1")
    git.run("checkout", "-q", "-b", "v2")
    git.commit("more", {"a": "2"})
    git.run("branch", "feature/#12")
    git.run("branch", "été")
    answer = mvc("import", "git", str(git.path), "out", "--json").json
    assert (answer["renamed"], answer["left"]) == ([], [])
    repo = api.Repo.open(work / "out")
    assert {b.name for b in repo.branches()} == {"main", "v2", "feature/#12", "été"}
    assert repo.head.branch == "v2"
    assert repo.show("tags/v1").provenance.git_commit == first
    repo.close()
    mvc("import", "git", str(git.path), "--bare", "bare")
    git.commit("later", {"a": "3"})
    mvc("import", "git", str(git.path), "out")
    assert (work / "out" / "a").read_text() == "3"


def test_names_that_cannot_be(mvc: Mvc, git: GitRepo, work: Path) -> None:
    git.commit("root", {"a": "1"})
    git.run("branch", "odd\u00a0name")
    git.run("tag", "also\u200bodd")
    answer = mvc("import", "git", str(git.path), "out", "--json").json
    assert {r["source"] for r in answer["renamed"]} == {"branch odd\u00a0name", "tag also\u200bodd"}
    with api.Repo.open(work / "out") as repo:
        assert {r["name"] for r in answer["renamed"]} <= (
            {b.name for b in repo.branches()} | {t.name for t in repo.tags()}
        )
    repo.close()


def test_nothing_of_the_source_is_run(mvc: Mvc, told: GitRepo, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "filter.x.smudge",
        "core.sshCommand",
    ):
        told.run("config", key, str(trap))
    (told.path / ".git" / "info" / "attributes").write_text("* filter=x diff=x\n")
    told.run("config", "diff.x.textconv", str(trap))
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc"):
        (told.path / ".git" / "hooks" / hook).symlink_to(trap)
    mvc("import", "git", str(told.path), "out")
    assert not (tmp_path / "sprung").exists()


def test_mistakes(mvc: Mvc, git: GitRepo, work: Path) -> None:
    (work / "full").mkdir()
    (work / "full" / "file").write_text("x")
    assert "is no git repository" in mvc("import", "git", "full", "out", code=1).err
    assert "is no directory" in mvc("import", "git", "nowhere", "out", code=1).err
    assert "has no commits" in mvc("import", "git", str(git.path), "out", code=1).err
    (work / "there").mkdir()
    mvc("import", "git", str(git.path), "there", "--bare", code=1)
    assert not (work / "out").exists()
    assert not list((work / "there").iterdir())
    git.commit("root", {"a": "1", ".gitattributes": "*.pt filter=lfs\n", ".dvc/.gitignore": "x\n"})
    told = mvc("import", "git", str(git.path), "there").err
    assert "mvc import lfs brings" in told
    assert "mvc import dvc brings" in told
    assert "full is not empty" in mvc("import", "git", str(git.path), "full", code=1).err
    mvc("init", "own")
    (work / "own" / "x").write_text("x")
    mvc("-C", str(work / "own"), "add", "x")
    mvc("commit", "-m", "x")
    own = mvc("import", "git", str(git.path), str(work / "own"), code=1)
    assert "--into PREFIX" in own.err


def test_damage_is_named(mvc: Mvc, git: GitRepo, work: Path) -> None:
    git.commit("root", {"a": "1"})
    git.commit("more", {"b": "2" * 5000})
    id = git.run("rev-parse", "HEAD:b")
    lies = git.path / ".git" / "objects" / id[:2] / id[2:]
    lies.chmod(0o600)
    lies.write_bytes((git.path / ".git" / "objects" / git.run("rev-parse", "HEAD:a")[:2]
                      / git.run("rev-parse", "HEAD:a")[2:]).read_bytes())  # fmt: skip
    ran = mvc("import", "git", str(git.path), "out", code=14)
    assert id in ran.err
    lies.unlink()
    git.run("hash-object", "-w", "--stdin", given=b"2" * 5000)
    mvc("import", "git", str(git.path), "out")
    with api.Repo.open(work / "out") as repo:
        require_same_history(repo, git)
    repo.close()


# ---------------------------------------------------------------- any history

NAMES = ("a", "b", "a/x", "a/y", "b/z", "c.txt")
COMMIT = st.tuples(
    st.lists(st.integers(0, 30), max_size=3),
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3)),
)


def stream_of(commits: list[tuple[list[int], dict[str, int]]]) -> bytes:
    """A stream for `git fast-import`: each commit follows earlier ones and rewrites some files whole."""
    parts = []
    for n, (parents, files) in enumerate(commits):
        known = list(dict.fromkeys(p % n for p in parents)) if n else []
        parts.append(f"commit refs/heads/b{n}\nmark :{n + 1}\n")
        parts.append(f"committer C <c@x> {1700000000 + n} +0100\ndata 2\nm\n")
        parts += [f"{'from' if not i else 'merge'} :{p + 1}\n" for i, p in enumerate(known)]
        for name, value in files.items():
            text = f"{name} {value}\n" * value
            mode = "100755" if value == 2 else "100644"
            parts.append(
                f"M {mode} inline {name}\ndata {len(text)}\n{text}\n" if value else f"D {name}\n"
            )
        parts.append("\n")
    return "".join(parts).encode()


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(COMMIT, min_size=1, max_size=12))
def test_any_graph(
    tmp_path_factory: pytest.TempPathFactory, commits: list[tuple[list[int], dict[str, int]]]
) -> None:
    place = tmp_path_factory.mktemp("any")
    git = GitRepo(place / "source.git", bare=True)
    git.run("fast-import", "--quiet", given=stream_of(commits))
    import_git(str(git.path), str(place / "out"), GitImport(bare=True))
    with api.Repo.open(place / "out") as repo:
        require_same_history(repo, git)
        assert {b.name for b in repo.branches()} == {f"b{n}" for n in range(len(commits))}
    repo.close()


# ---------------------------------------------------------------- interruptions


def versions_in(place: Path) -> int:
    try:
        repo = api.Repo.open(place)  # not in `with`: the import holds the lock
    except api.MvcError:
        return 0
    found = sum(1 for _ in repo.log(all_refs=True))
    repo.close()
    return found


def killed_imports(source: Path, to: Path, at: Sequence[int]) -> Iterator[int]:
    """Runs imports that are killed as soon as so many versions are there; yields how many then were."""
    for count in at:
        process = subprocess.Popen(
            [sys.executable, "-m", "mvc", "import", "git", str(source), str(to), "--bare"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        while process.poll() is None and versions_in(to) < count:
            pass
        process.send_signal(signal.SIGKILL)
        process.communicate()
        yield versions_in(to)


@pytest.mark.thorough
def test_killed_and_run_again(work: Path, tmp_path: Path) -> None:
    """The versions are those of an import that was left alone, to the last bit of their ids."""
    git = GitRepo(tmp_path / "source.git", bare=True)
    rng = random.Random(7)
    commits = [
        ([max(0, n - 1), rng.randrange(n + 1)] if n % 5 == 4 else [max(0, n - 1 - n % 3)],
         {rng.choice(NAMES): rng.randint(1, 3)})
        for n in range(80)
    ]  # fmt: skip
    git.run("fast-import", "--quiet", given=stream_of(commits))
    counts = list(killed_imports(git.path, work / "killed", (1, 10, 25)))
    assert counts == sorted(counts)
    assert any(0 < count < 80 for count in counts)
    done = import_git(str(git.path), str(work / "killed"), GitImport(bare=True))
    assert done.versions_before == counts[-1]
    assert done.versions + done.versions_before == 80
    import_git(str(git.path), str(work / "whole"), GitImport(bare=True))
    both = []
    for name in ("killed", "whole"):
        with api.Repo.open(work / name) as repo:
            require_same_history(repo, git)
            both.append({b.name: b.version for b in repo.branches()})
        repo.close()
    assert both[0] == both[1]
