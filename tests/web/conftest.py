"""A small history served by `mvc ui`, once for all tests that only read; others get their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save

from mvc import Repo
from mvc.api.team import TeamServer
from mvc.cli.main import cli
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.root import Root
from tests.support.commandline import AUTHOR, write
from tests.support.page import Served
from tests.support.teampage import TeamPage

if TYPE_CHECKING:
    from tests.support.browser import Browser

VERSIONS = 7
HOSTILE_NAME = "data/a b%2F#?&\"'<img src=x onerror=alert(1)>\u202egpj.exe"
HOSTILE_TEXT = "<script>document.title='taken'</script> \"'\u202e\u0007 &amp;"


def experiment(root: Path) -> Repo:
    """VERSIONS versions with all five parts, two branches, a tag, a stage, hostile texts."""
    repo = Repo.init(root, author=AUTHOR)
    rng = np.random.default_rng(1)
    write(root, {"model.py": "layers = 2\n", "data/train.csv": "x,y\n1,2\n", HOSTILE_NAME: b"evil"})
    weights = {f"layers.{i}.weight": rng.standard_normal((8, 4)).astype("f4") for i in range(4)}
    repo.add(".")
    for i in range(1, VERSIONS + 1):
        weights["layers.1.weight"] = weights["layers.1.weight"] + np.float32(0.1)
        metrics = {"val": {"accuracy": 0.5 + i / 20, "loss": 1 / i}, "epoch": i}
        write(
            root,
            {
                "model.safetensors": save(weights),
                "metrics.json": json.dumps(metrics),
                "params.yaml": f"lr: {0.1 if i < 4 else 0.05}\nnote: '<b>{i}</b>'\n",
            },
        )
        repo.commit(f"run {i}" if i != 3 else HOSTILE_TEXT)
    repo.branch("other/<i>", "v4")
    repo.tag("v1.0", "v5", message=HOSTILE_TEXT)
    repo.promote("v5", "production", reason=HOSTILE_TEXT)
    return repo


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's settings, and an author."""
    monkeypatch.setenv("MVC_CONFIG", "")
    monkeypatch.setenv("MVC_AUTHOR", AUTHOR)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page") / "iris"
    root.mkdir()
    experiment(root).close()
    return root


@pytest.fixture(scope="session")
def page(made: Path) -> Iterator[Served]:
    """The experiment, for those who only read."""
    served = Served(made).let_in()
    yield served
    served.end()


@pytest.fixture
def said(made: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What the command line says of the experiment, as JSON."""
    monkeypatch.chdir(made)

    def say(*words: str) -> Any:
        result = CliRunner().invoke(cli, [*words, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return say


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serves a repository of the test's own."""
    begun: list[Served] = []

    def begin(root: Path, *, port: int = 0) -> Served:
        begun.append(Served(root, port=port))
        return begun[-1]

    yield begin
    for served in begun:
        served.end()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Repo]:
    """A repository of the test's own, of one version."""
    repo = Repo.init(tmp_path, author=AUTHOR)
    write(tmp_path, {"metrics.json": '{"val_acc": 0.5}'})
    repo.add(".")
    repo.commit("first")
    yield repo
    repo.close()


# ---------------------------------------------------------------- a browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    pytest.importorskip("selenium")
    from tests.support import browser as found

    if found.CHROMIUM is None or found.DRIVER is None:
        pytest.skip("no chromium and chromedriver: apt-get install chromium chromium-driver")
    made = found.Browser()
    yield made
    made.end()


@pytest.fixture(autouse=True)
def nothing_left_in_the_console(request: pytest.FixtureRequest) -> None:
    """What a page of the test before was refused is that test's affair."""
    if "browser" in request.fixturenames:
        request.getfixturevalue("browser").faults()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.support.browser import axe_source

    source = axe_source(tmp_path_factory.mktemp("axe"))
    if source is None:
        pytest.skip("no npm, which brings axe-core")
    return source


# ---------------------------------------------------------------- a team


ROLES = {
    "root": ("admin", "**", "**"),
    "keeper": ("maintain", "team/*", "**"),
    "writer": ("write", "team/*", "**"),
    "trainer": ("append", "team/*", "**"),
    "reader": ("read", "team/*", "**"),
    "narrow": ("write", "team/iris", "heads/main"),
}
"""Users with their role, in which repositories, on which refs. `nobody` has none; the tokens of `gone` and
`late` are no good any more, and `xuser` is there to be seen by none of them."""


def team_accounts(root: str) -> dict[str, str]:
    """Makes the accounts of a server's root; a token by user."""
    tokens: dict[str, str] = {}
    with TeamServer(root) as server:
        for name in (*ROLES, "nobody", "gone", "late", "xuser"):
            server.add_user(name)
            expires = "2020-01-01" if name == "late" else None
            tokens[name], made = server.add_token(name, expires=expires)
            if name == "gone":
                server.revoke_token(made.id)
        for name, (role, repos, refs) in ROLES.items():
            server.grant(name, role, repos=repos, refs=refs)
        for user in ("gone", "late"):
            server.grant(user, "admin")
        server.protect("heads/kept", repos="team/*")
        for repo in ("team/iris", "team/open", "xrepo/plans"):
            server.add_repository(repo)
    return tokens


def filled_team(root: str, beside: Path, *options: str) -> TeamPage:
    """A server with accounts; team/iris is the experiment, with refs that `narrow` may not see."""
    Root.create(root).close() if "://" not in root else BucketRoot.create(root).close()
    tokens = team_accounts(root)
    page = TeamPage(root, beside, *options)
    page.tokens = tokens
    work = beside / "work"
    work.mkdir()
    repo = experiment(work)
    repo.branch("xref-branch", "v6")
    repo.tag("xref-tag", "v6")
    repo.promote("v6", "xref-stage")
    for name in ("team/iris", "xrepo/plans"):
        remote = name.replace("/", "-")
        repo.add_remote(remote, f"{page.grpc}/{name}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MVC_TOKEN", tokens["root"])
            repo.push(remote=remote, all=True, tags=True)
    repo.close()
    return page


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamPage]:
    """For those who change nothing."""
    beside = tmp_path_factory.mktemp("team")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVC_CONFIG", "")
        patch.setenv("MVC_AUTHOR", AUTHOR)
        page = filled_team(str(beside / "server"), beside)
    yield page
    page.end()


@pytest.fixture
def own_team(tmp_path: Path) -> Iterator[TeamPage]:
    """A test's own."""
    page = filled_team(str(tmp_path / "server"), tmp_path)
    yield page
    page.end()
