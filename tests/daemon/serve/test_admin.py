"""`mvcd admin` knows the verbs that `mvc admin` has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mvc.cli.commands.admin import command
from mvcd.daemon.serve import admin
from mvcd.team.root import Root


def test_the_verbs_are_those_of_mvc_admin() -> None:
    assert set(admin.VERBS) == set(command.commands)


def test_it_is_the_same_program(tmp_path: Path) -> None:
    Root.create(tmp_path / "server").close()
    where, saved = ["--root", str(tmp_path / "server")], str(tmp_path / "saved")
    said = []
    for words in (
        ["user", "add", "ada", *where],
        ["user", "list", *where, "--json"],
        ["backup", saved, *where, "--json"],
        ["restore", saved, str(tmp_path / "again"), "--json"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "mvcd.daemon", "admin", *words],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        said.append(done.stdout)
    assert [user["name"] for user in json.loads(said[1])["users"]] == ["ada"]
    assert json.loads(said[2])["stores"] == json.loads(said[3])["stores"] != []


def test_other_words_stay_here() -> None:
    for words in ([], ["admin"], ["admin", "nonsense"], ["run"], ["user"]):
        assert not admin.is_admin(words)
