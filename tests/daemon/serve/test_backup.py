from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvcd.daemon.serve.backup import back_up_root, restore_root
from mvcd.errors import Failure, IntegrityError, NoRepository
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from tests.store.objects import compressed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A server directory: accounts, two repositories, one of them with a slash in its name."""
    root = tmp_path / "root"
    for n, path in enumerate(("accounts", "repos/iris", "repos/team/iris", "removed/old")):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        with LmdbStore.create(root / path) as store, store.session() as session:
            id, encoded = compressed(b"%d" % n * 500)
            session.put(id, encoded)
            session.commit([RefUpdate("heads/main", None, bytes(id))], audit=b"made")
    (root / "admin.token").write_text("secret\n")
    (root / "serve.lock").write_text("1\n")
    return root


def test_there_and_back(root: Path, tmp_path: Path) -> None:
    saved = back_up_root(str(root), str(tmp_path / "backup"), time="2026-01-01T00:00:00Z")
    assert [copy.path for copy in saved] == ["accounts", "repos/iris", "repos/team/iris"]
    assert restore_root(str(tmp_path / "backup"), str(tmp_path / "again")) == saved
    assert (tmp_path / "again" / "admin.token").read_text() == "secret\n"
    assert not (tmp_path / "again" / "serve.lock").exists()
    assert not (tmp_path / "again" / "backup.json").exists()
    for path in ("accounts", "repos/iris", "repos/team/iris"):
        with LmdbStore.open(root / path) as old, LmdbStore.open(tmp_path / "again" / path) as new:
            assert (old.id, old.refs(), old.audit_head()) == (new.id, new.refs(), new.audit_head())


def test_a_backup_that_did_not_end_is_none(root: Path, tmp_path: Path) -> None:
    back_up_root(str(root), str(tmp_path / "backup"), time="")
    (tmp_path / "backup" / "backup.json").unlink()
    with pytest.raises(NoRepository):
        restore_root(str(tmp_path / "backup"), str(tmp_path / "again"))


def test_a_backup_that_changed_is_not_restored_in_silence(root: Path, tmp_path: Path) -> None:
    back_up_root(str(root), str(tmp_path / "backup"), time="")
    with LmdbStore.open(tmp_path / "backup" / "repos" / "iris") as store:
        (value,) = store.refs().values()
        store.update_refs([RefUpdate("heads/other", None, value)])
    with pytest.raises(IntegrityError):
        restore_root(str(tmp_path / "backup"), str(tmp_path / "again"))


@pytest.mark.parametrize("path", ["/etc", "../outside", "a/../../b"])
def test_a_backup_cannot_name_what_lies_outside(root: Path, tmp_path: Path, path: str) -> None:
    back_up_root(str(root), str(tmp_path / "backup"), time="")
    file = tmp_path / "backup" / "backup.json"
    document = json.loads(file.read_text())
    document["stores"][0]["path"] = path
    file.write_text(json.dumps(document))
    with pytest.raises(IntegrityError):
        restore_root(str(tmp_path / "backup"), str(tmp_path / "again"))


def test_a_backup_inside_of_its_source_is_refused(root: Path) -> None:
    with pytest.raises(Failure):
        back_up_root(str(root), str(root / "backup"), time="")
