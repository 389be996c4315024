"""Which settings there are: a key that is none, and a value that cannot be, are refused with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.errors import UsageError
from mvcd.repo.core.config import Config
from mvcd.repo.core.configkeys import KEYS, known, require_known


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("user.nam", "did you mean user.name?"),
        ("commit.sing", "did you mean commit.sign?"),
        ("gc.automatic", "did you mean gc.auto?"),
        ("core.editor", "mvc.toml has the settings of a project"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(tmp_path: Path, key: str, near: str) -> None:
    config = Config(str(tmp_path / "config.toml"))
    with pytest.raises(UsageError, match=f"no setting is called '{key}'") as caught:
        config.set(key, "x")
    assert caught.value.cause == near
    assert not (tmp_path / "config.toml").exists()


@pytest.mark.parametrize("value", ["", "maybe", "2", "sure"])
def test_a_switch_is_true_or_false(value: str) -> None:
    with pytest.raises(UsageError, match="is true or false"):
        require_known("commit.sign", value)
    for good in ("true", "False", "on", "0"):
        require_known("commit.sign", good)


def test_names_of_remotes_and_aliases_are_free() -> None:
    for key in ("alias.lg", "remote.my-box.url", "remote.origin.ca", "import.data_x.what"):
        assert known(key) is not None
    for key in ("alias", "remote.origin", "remote.origin.colour", "user.name.first"):
        assert known(key) is None


def test_each_key_is_described_once() -> None:
    assert len({key.name for key in KEYS}) == len(KEYS)
    assert all(key.help and known(key.glob.replace("*", "x")) is not None for key in KEYS)
