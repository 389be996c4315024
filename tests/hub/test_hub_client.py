"""The real `huggingface_hub`, with nothing changed but its endpoint, and its way without Xet."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.site import HubSide

pytestmark = pytest.mark.tools

PRELUDE = """
import os, sys
from pathlib import Path
import huggingface_hub as h
from huggingface_hub import HfApi, HfFileSystem, CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
api = HfApi()
work = Path(sys.argv[1])
def refused(kind, call, *args, **named):
    try:
        call(*args, **named)
    except kind as error:
        return error.response.status_code if getattr(error, "response", None) is not None else None
    raise AssertionError("it was not refused")
"""


class Client:
    """Runs a script in a process of its own: the client reads its settings when it is imported."""

    def __init__(self, side: HubSide, work: Path) -> None:
        self._side, self._work = side, work

    def run(self, script: str, **more: str) -> str:
        environment = {
            **os.environ,
            "HF_ENDPOINT": f"http://{self._side.server.listen}",
            "HF_TOKEN": self._side.token or "",
            "HF_HOME": str(self._work / "home"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_XET": "1",
            **more,
        }
        ran = subprocess.run(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(self._work)],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


@pytest.fixture
def client(side: HubSide, tmp_path: Path) -> Iterator[Client]:
    pytest.importorskip("huggingface_hub")
    work = tmp_path / "work"
    (work / "up" / "sub dir").mkdir(parents=True)
    (work / "up" / "model.safetensors").write_bytes(os.urandom(5 << 20))
    (work / "up" / "README.md").write_text("---\nlicense: mit\n---\n# Iris\n")
    (work / "up" / "sub dir" / "ünïcode.txt").write_text("text")
    yield Client(side, work)


def test_a_folder_up_and_down(client: Client) -> None:
    client.run(
        """
        assert api.whoami()["name"] == "ada"
        api.create_repo("team/iris"); api.create_repo("team/iris", exist_ok=True)
        assert refused(h.errors.HfHubHTTPError, api.create_repo, "team/iris") == 409
        made = api.upload_folder(repo_id="team/iris", folder_path=work / "up")
        out = Path(h.snapshot_download("team/iris", cache_dir=work / "cache"))
        assert out.name == made.oid
        for path in (work / "up").rglob("*"):
            assert path.is_dir() or (out / path.relative_to(work / "up")).read_bytes() == path.read_bytes()
        again = api.upload_folder(repo_id="team/iris", folder_path=work / "up")
        assert again.oid == made.oid
        """
    )


def test_commits_branches_tags_and_pull_requests(client: Client) -> None:
    client.run(
        """
        api.create_repo("team/iris")
        head = lambda: api.list_repo_commits("team/iris")[0].commit_id
        old = head()
        add = lambda path, data=b"1": [CommitOperationAdd(path, data)]
        api.create_commit("team/iris", add("x"), commit_message="one", parent_commit=old)
        assert refused(h.errors.HfHubHTTPError, api.create_commit, "team/iris", add("y"),
                       commit_message="two", parent_commit=old) == 412
        api.upload_file(path_or_fileobj=os.urandom(2 << 20), path_in_repo="w.bin", repo_id="team/iris")
        api.create_commit("team/iris", [CommitOperationCopy("w.bin", "copy.bin"), CommitOperationDelete("x")],
                          commit_message="three")
        assert api.list_repo_files("team/iris") == [".gitattributes", "copy.bin", "w.bin"]
        api.create_tag("team/iris", tag="v1", tag_message="first"); api.create_branch("team/iris", branch="a/b")
        assert [b.name for b in api.list_repo_refs("team/iris").branches] == ["a/b", "main"]
        pull = api.create_commit("team/iris", add("z"), commit_message="mine", create_pr=True)
        assert (pull.pr_num, pull.pr_revision) == (1, "refs/pr/1")
        assert api.file_exists("team/iris", "z", revision="refs/pr/1") and not api.file_exists("team/iris", "z")
        assert api.get_discussion_details("team/iris", 1).status == "open"
        api.merge_pull_request("team/iris", 1)
        assert api.file_exists("team/iris", "z")
        assert api.get_discussion_details("team/iris", 1).status == "merged"
        assert h.hf_hub_download("team/iris", "w.bin", revision="v1", cache_dir=work / "cache")
        for kind, repo, path, rev in ((h.errors.RepositoryNotFoundError, "team/none", "x", None),
                                      (h.errors.EntryNotFoundError, "team/iris", "none", None),
                                      (h.errors.RevisionNotFoundError, "team/iris", "z", "none")):
            refused(kind, h.hf_hub_download, repo, path, revision=rev, cache_dir=work / "cache")
        assert not api.repo_exists("team/none") and api.revision_exists("team/iris", "v1")
        """
    )


def test_its_file_system(client: Client) -> None:
    client.run(
        """
        api.create_repo("team/rows", repo_type="dataset")
        fs = HfFileSystem()
        root = "datasets/team/rows"
        with fs.open(f"{root}/data/a.csv", "w") as file:
            file.write("a,b")
        fs.put(str(work / "up" / "model.safetensors"), f"{root}/m.safetensors")
        data = (work / "up" / "model.safetensors").read_bytes()
        assert fs.cat_file(f"{root}/m.safetensors", 1 << 20, (1 << 20) + 5) == data[1 << 20 : (1 << 20) + 5]
        names = [".gitattributes", "data", "m.safetensors"]
        assert fs.ls(root, detail=False) == [f"{root}/{name}" for name in names]
        assert fs.glob(f"{root}/**/*.csv") == [f"{root}/data/a.csv"]
        assert fs.cat(f"{root}/data/a.csv") == b"a,b"
        last = fs.info(f"{root}/data/a.csv", expand_info=True)["last_commit"]
        assert last.oid == api.list_repo_commits("team/rows", repo_type="dataset")[1].commit_id
        fs.cp_file(f"{root}/m.safetensors", f"{root}/n.safetensors")
        fs.rm(f"{root}/data", recursive=True)
        names = [".gitattributes", "m.safetensors", "n.safetensors"]
        assert sorted(fs.find(root)) == [f"{root}/{name}" for name in names]
        """
    )


def test_who_may_not(client: Client, side: HubSide) -> None:
    side.create("team/open")
    side.create("team/closed")
    client.run(
        """
        assert [m.id for m in api.list_models()] == ["team/open"]
        assert refused(h.errors.RepositoryNotFoundError, api.model_info, "team/closed") == 404
        assert refused(h.errors.HfHubHTTPError, api.upload_file, path_or_fileobj=b"x", path_in_repo="x",
                       repo_id="team/open") == 403
        assert refused(h.errors.HfHubHTTPError, api.create_repo, "team/new") == 403
        """,
        HF_TOKEN=side.tokens["bob"],
    )
    client.run(
        """
        assert refused(h.errors.HfHubHTTPError, api.model_info, "team/open") == 401
        assert not api.repo_exists("team/open")
        """,
        HF_TOKEN="",
    )
