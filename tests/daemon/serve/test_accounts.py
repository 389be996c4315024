"""`mvcd admin` knows the verbs that `mvc admin` has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mvc.cli.commands.admin import command
from mvcd.daemon.serve import accounts
from mvcd.team.root import Root


def test_the_verbs_are_those_of_mvc_admin() -> None:
    assert set(accounts.VERBS) | {"backup", "restore"} == set(command.commands)


def test_it_is_the_same_program(tmp_path: Path) -> None:
    Root.create(tmp_path / "server").close()
    where = ["--root", str(tmp_path / "server")]
    for words in (["user", "add", "ada", *where], ["user", "list", *where, "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "mvcd.daemon", "admin", *words],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    assert [user["name"] for user in json.loads(done.stdout)["users"]] == ["ada"]


def test_other_words_stay_here() -> None:
    for words in ([], ["admin"], ["admin", "backup", "x"], ["run"], ["user"]):
        assert not accounts.elsewhere(words)
