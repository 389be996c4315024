"""Seals: what a chain alone cannot show, a line that was kept elsewhere does."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from mvc.api.team import TeamServer
from mvcd.daemon.serve.sealing import Sealing
from mvcd.errors import Failure, UsageError
from mvcd.team import seals
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from tests.daemon.serve.servers import Server
from tests.team.acts import BY


def grow(path: Path, *names: str) -> None:
    with Root.create(path) as root:
        for name in names:
            root.accounts.add_user(BY, name)
            root.accounts.set_grant(BY, name, Scope(role=Role.READ))


def seal(path: Path, target: str, **options: object) -> int:
    with Root.open(path) as root:
        return Sealing(root, target, **options).seal()  # type: ignore[arg-type]


def verify(path: Path, **options: object):  # type: ignore[no-untyped-def]
    with TeamServer(path) as team:
        return team.verify_audit(**options)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A server's directory with four rows, sealed to a file elsewhere."""
    grow(tmp_path / "root", "ada", "bob")
    assert seal(tmp_path / "root", str(tmp_path / "seals")) == 1
    return tmp_path / "seals"


def test_a_log_that_only_grew_holds(tmp_path: Path, kept: Path) -> None:
    grow(tmp_path / "root", "eve")
    state = verify(tmp_path / "root", seal=str(kept))
    assert (state.ok, state.rows, state.sealed) == (True, 6, 4)
    assert verify(tmp_path / "root").sealed == 0
    assert kept.stat().st_mode & 0o077 == 0
    assert json.loads(kept.read_text())["log"] == "accounts"


def test_the_logs_of_a_bucket_are_sealed_as_they_are_now(tmp_path: Path) -> None:
    url = f"bucket+file://{tmp_path / 'bucket'}"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True
    )
    with BucketRoot.create(url) as root, BucketRoot.open(url) as other:
        sealing = Sealing(root, str(tmp_path / "seals"), key=str(tmp_path / "key"))
        other.accounts.add_user(BY, "ada")
        other.create_repository(BY, "r")
        assert sealing.seal() == 1
        other.accounts.add_user(BY, "bob")  # by another server
        assert sealing.seal() == 1
    with TeamServer(url) as team:
        state = team.verify_audit(seal=str(tmp_path / "seals"), key=str(tmp_path / "key.pub"))
        assert (state.ok, state.rows, state.sealed) == (True, 3, 3)


def test_a_tail_that_was_cut_off(tmp_path: Path, kept: Path) -> None:
    """The files of a moment before: a whole chain, only shorter."""
    shutil.copytree(tmp_path / "root", tmp_path / "before")
    grow(tmp_path / "root", "eve")
    seal(tmp_path / "root", str(kept))
    assert verify(tmp_path / "before").ok, "by itself it is whole"
    state = verify(tmp_path / "before", seal=str(kept))
    assert state.problems == (
        f"the log ends at row 4, and had 6 at {_time(kept)}: its tail was cut off",
    )


def test_a_log_that_was_written_anew(tmp_path: Path, kept: Path) -> None:
    """Of the same store and as long, with other rows."""
    with Root.open(tmp_path / "root") as root:
        forged = seals.Seal("accounts", root.store.id, 3, "00" * 32, "2026-01-01T00:00:00Z")
        keygen = Sealing(root, "unused")._keygen
        line = seals.line_of(forged, seals.key_path(root.path), keygen)
    kept.write_text(kept.read_text() + line + "\n")
    state = verify(tmp_path / "root", seal=str(kept))
    assert state.problems == ("row 3 is not the one that was sealed at 2026-01-01T00:00:00Z",)


def test_lines_that_are_no_seals(tmp_path: Path, kept: Path) -> None:
    """A collector of logs may put its own before and between; what says it is one and is not is told."""
    honest = kept.read_text()
    kept.write_text(f"Nov 28 17:00 host mvcd: {honest}something else\n")
    assert verify(tmp_path / "root", seal=str(kept)).sealed == 4
    value = json.loads(honest)
    for change in ({"rows": 3}, {"digest": "11" * 32}, {"time": "2027-01-01T00:00:00Z"}):
        kept.write_text(json.dumps({**value, **change}) + "\n")
        (problem,) = verify(tmp_path / "root", seal=str(kept)).problems
        assert "signature" in problem
    kept.write_text('{"seal": 1}\n')
    assert verify(tmp_path / "root", seal=str(kept)).problems == ("line 1 of the seals is damaged",)
    kept.write_text("nothing\n")
    with pytest.raises(Failure, match="no seal"):
        verify(tmp_path / "root", seal=str(kept))


def test_another_key_does_not_count(tmp_path: Path, kept: Path) -> None:
    """Whoever can write to the directory can put a key of theirs there: note the public one elsewhere."""
    noted = tmp_path / "noted.pub"
    shutil.copy(tmp_path / "root/seal.key.pub", noted)
    for name in ("seal.key", "seal.key.pub"):
        (tmp_path / "root" / name).unlink()
    grow(tmp_path / "root", "eve")
    seal(tmp_path / "root", str(kept))
    (problem,) = verify(tmp_path / "root", seal=str(kept), key=str(noted)).problems
    assert "another key" in problem
    (tmp_path / "root/seal.key.pub").unlink()
    with pytest.raises(UsageError, match="whose seals"):
        verify(tmp_path / "root", seal=str(kept))


def test_seals_of_repositories_too_and_only_of_what_has_grown(tmp_path: Path) -> None:
    grow(tmp_path / "root", "ada")
    with Root.open(tmp_path / "root") as root:
        root.create_repository(BY, "iris")
        sealing = Sealing(root, str(tmp_path / "seals"))
        assert sealing.seal() == 1, "a repository without rows has nothing to seal"
        assert sealing.seal() == 0
        with root.open_repository("iris") as store, store.session() as session:
            session.commit(audit=BY.row("test", {}))
        assert sealing.seal() == 1
    assert json.loads((tmp_path / "seals").read_text().splitlines()[-1])["log"] == "iris"
    assert verify(tmp_path / "root", repo="iris", seal=str(tmp_path / "seals")).sealed == 1


def test_a_key_of_the_operators_and_a_command(tmp_path: Path) -> None:
    grow(tmp_path / "root", "ada")
    key = tmp_path / "own"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    assert seal(tmp_path / "root", f"|cat >> {tmp_path}/piped", key=str(key)) == 1
    assert not (tmp_path / "root/seal.key").exists()
    found = verify(tmp_path / "root", seal=str(tmp_path / "piped"), key=f"{key}.pub")
    assert found.sealed == 2
    with pytest.raises(Failure, match="no seal could be written"):
        seal(tmp_path / "root", "|exit 3", key=str(key))
    with pytest.raises(Failure, match="no seal could be written"):
        seal(tmp_path / "root", str(tmp_path / "absent/file"), key=str(key))


def test_a_server_writes_them(tmp_path: Path) -> None:
    grow(tmp_path / "root", "ada")
    target = tmp_path / "seals"
    options = ("--root", tmp_path / "root", "--listen", "127.0.0.1:0")
    with Server(*options, "--seal-to", target, "--seal-every", 1) as server:
        assert len(target.read_text().splitlines()) == 1, "before the first call"
        grow(tmp_path / "root", "bob")
        deadline = time.monotonic() + 20
        while len(target.read_text().splitlines()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        grow(tmp_path / "root", "eve")
        assert server.stop() == 0
    rows = [json.loads(line)["rows"] for line in target.read_text().splitlines()]
    assert rows[-1] == verify(tmp_path / "root").rows, "what was done last is sealed at the end"
    assert verify(tmp_path / "root", seal=str(target)).sealed == rows[-1]


def _time(kept: Path) -> str:
    return str(json.loads(kept.read_text().splitlines()[-1])["time"])
