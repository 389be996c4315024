"""The repository's settings file: read as TOML, written so that people's comments survive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import Failure, UsageError
from mvcd.repo.core.config import Config
from tests.support.engine import Repository
from tests.support.workspace import Bench

WRITTEN = """\
# mine, do not touch
[workspace]
id = "0123"  # random

[daemon]
quiet_seconds = 2.5
enabled = true
names = ["not", "a", "setting"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "config.toml").write_text(WRITTEN)
    return Config(str(tmp_path / "config.toml"))


def test_values_are_texts(config: Config) -> None:
    assert list(config.items()) == [
        ("daemon.enabled", "true"), ("daemon.quiet_seconds", "2.5"), ("workspace.id", "0123"),
    ]  # fmt: skip
    assert config.get("daemon.names") is None
    assert config.get("nothing.here") is None


def test_comments_and_order_survive(config: Config, tmp_path: Path) -> None:
    config.set("user.name", 'Ada "the first"\nLovelace')
    config.unset("daemon.enabled")
    text = (tmp_path / "config.toml").read_text()
    assert text.startswith('# mine, do not touch\n[workspace]\nid = "0123"  # random\n')
    assert "enabled" not in text
    again = Config(str(tmp_path / "config.toml"))
    assert again.get("user.name") == config.get("user.name") == 'Ada "the first"\nLovelace'
    assert os.listdir(tmp_path) == ["config.toml"]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("ab"), st.text("abc_-", min_size=1, max_size=4)).map(".".join),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        max_size=5,
    )
)
@settings(deadline=None, max_examples=60)
def test_what_is_set_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    path = str(tmp_path_factory.mktemp("config") / "config.toml")
    config = Config(path)
    for key, value in values.items():
        config.write({key: value})
    assert dict(Config(path).items()) == values
    for key in values:
        config.unset(key)
        with pytest.raises(Failure):
            config.unset(key)
    assert dict(Config(path).items()) == {}


@pytest.mark.parametrize("key", ["", "name", ".name", "section.", ".", "a..b"])
def test_keys_have_a_section(config: Config, key: str) -> None:
    with pytest.raises(UsageError):
        config.write({key: "x"})


def test_sections_may_be_nested(config: Config, tmp_path: Path) -> None:
    config.write({"a.b.c": "x"})
    config.write({"a.d": "y"})
    again = Config(str(tmp_path / "config.toml"))
    assert (again.get("a.b.c"), again.get("a.d")) == ("x", "y")
    again.unset("a.b.c")
    assert Config(str(tmp_path / "config.toml")).get("a.b.c") is None
    with pytest.raises(Failure) as caught:
        config.write({"workspace.id.deeper": "x"})
    assert caught.value.kind == "bad-config"
    assert config.get("workspace.id") == "0123"


def test_a_setting_where_a_section_should_be(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('user = "me"\n')
    with pytest.raises((UsageError, Failure)):
        Config(str(path)).set("user.name", "x")
    assert path.read_text() == 'user = "me"\n'


@pytest.mark.parametrize("damage", [b"[workspace\n", b"\xff\xfe", b"a = 1\na = 2\n", b"a = \0"])
def test_a_damaged_file_is_named(bench: Bench, damage: bytes) -> None:
    path = Path(bench.path(".mvc/config.toml"))
    path.write_bytes(damage)
    with pytest.raises(Failure) as caught:
        Repository.open(str(bench.root))
    assert caught.value.kind == "bad-config"
    with pytest.raises(Failure):
        Config(str(path)).set("user.name", "x")
    assert path.read_bytes() == damage


def test_a_file_without_its_workspace_says_what_is_missing(bench: Bench) -> None:
    Path(bench.path(".mvc/config.toml")).write_text("")
    with pytest.raises(Failure) as caught:
        Repository.open(str(bench.root))
    assert "workspace.id" in str(caught.value)
