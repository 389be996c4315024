"""`mvc admin copy`: a team moves between directories and buckets, whole, or is not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mvc.api.team import TeamServer
from mvcd.daemon.serve import copyroot
from mvcd.daemon.serve.copyroot import copy_root
from mvcd.daemon.serve.lock import RootLock
from mvcd.daemon.serve.sealing import Sealing
from mvcd.errors import Busy, Failure, IntegrityError, MvcError
from mvcd.monitor import Silent
from mvcd.store.api import RefUpdate
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.stores import open_served
from mvcd.sync import copying
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.draftroot import DraftRoot
from mvcd.team.records import Quota
from mvcd.team.root import Root
from mvcd.team.usage import Usage
from tests.daemon.serve.servers import BY
from tests.daemon.serve.teams import (
    REPOSITORIES,
    bucket,
    copied,
    make_team,
    opened,
    place,
    told,
    whole,
)
from tests.store.children import Child, die

NAMES = ["accounts", *sorted(REPOSITORIES)]
KINDS = {"directory": str, "bucket": bucket}
Address = Callable[[Path], str]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A root in a directory that nobody writes, and what is in it."""
    path = tmp_path_factory.mktemp("team") / "root"
    secret = make_team(path)
    return SimpleNamespace(path=path, secret=secret, whole=whole(path))


@pytest.mark.parametrize("between", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("last", KINDS.values(), ids=KINDS)
def test_a_team_moves_and_moves_again(
    tmp_path: Path, team: SimpleNamespace, between: Address, last: Address
) -> None:
    first, second = between(tmp_path / "first"), last(tmp_path / "second")
    assert copied(team.path, first) == NAMES
    assert copied(first, second) == NAMES
    assert whole(first) == whole(second) == team.whole
    with opened(second) as root:
        identity = root.accounts.authenticate(team.secret, BY.time_us)
        assert identity.principal == "ada"
        with root.open_repository("iris") as store:
            with pytest.raises(Failure, match="quota"):
                Usage(store).require("ada", 4001, [Quota("**", "ada", 10_000)])
            Usage(store).require("ada", 4000, [Quota("**", "ada", 10_000)])
            with store.session() as session:  # and all goes on where it was
                assert session.commit(operation=b"next", audit=b"next") == 8
            assert store.changes() == team.whole["iris"]["changes"] + 1
            assert list(store.check()) == []
        root.create_repository(BY, "new")


def test_seals_of_the_original_hold_for_the_copy(tmp_path: Path) -> None:
    make_team(tmp_path / "root")
    with Root.open(tmp_path / "root") as root:
        assert Sealing(root, str(tmp_path / "seals")).seal() == 3
    copied(tmp_path / "root", bucket(tmp_path / "bucket"))
    key = str(tmp_path / "root" / "seal.key.pub")
    with TeamServer(bucket(tmp_path / "bucket")) as server:
        for repo in (None, "iris"):
            state = server.verify_audit(repo=repo, seal=str(tmp_path / "seals"), key=key)
            assert (state.ok, state.sealed) == (True, state.rows)
    copied(tmp_path / "root", tmp_path / "again")
    assert (tmp_path / "again" / "seal.key").read_bytes() == Path(key[:-4]).read_bytes()


def test_what_goes_is_told_before(tmp_path: Path, team: SimpleNamespace) -> None:
    target = bucket(tmp_path / "bucket")
    before = copy_root(place(team.path), place(target), dry_run=True, monitor=Silent())
    assert not (tmp_path / "bucket").exists()
    after = copy_root(place(team.path), place(target), monitor=Silent())
    for one, other in zip(before, after, strict=True):
        assert (one.path, one.id, one.objects, one.audit) == (
            (other.path, other.id, other.objects, other.audit)
        )
    assert [(one.refs, one.ref_count) for one in before[1:]] == [
        (one.refs, one.ref_count) for one in after[1:]
    ]


def test_two_stores_of_one_id_have_an_index_each(tmp_path: Path, team: SimpleNamespace) -> None:
    """A client that knows the original must not believe that its objects are in the copy, and where."""
    options = {"cache": str(tmp_path / "cache")}
    copied(team.path, bucket(tmp_path / "a"))
    copied(bucket(tmp_path / "a"), bucket(tmp_path / "b"))
    with (
        BucketRoot.open(bucket(tmp_path / "a"), options) as root,
        root.open_repository("iris") as one,
    ):
        assert one.stats().objects == 64
        with (
            BucketRoot.open(bucket(tmp_path / "b"), options) as other,
            other.open_repository("iris") as two,
        ):
            assert two.id == one.id
            assert list(one.check()) == list(two.check()) == []
    indexes = [one for one in (tmp_path / "cache").iterdir() if one.name != "refs"]
    assert len(indexes) == 4


# -------------------------------------------------------------------- cut short


def test_an_unfinished_copy_is_no_root(tmp_path: Path, team: SimpleNamespace, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise IntegrityError("not now")

    for name, kind in KINDS.items():
        target = kind(tmp_path / name)
        with monkeypatch.context() as patch:
            patch.setattr(copyroot, "require_equal", fail)
            with pytest.raises(IntegrityError, match="not now"):
                copied(team.path, target)
        for open_it in ((Root.open, Root.create), (BucketRoot.open, BucketRoot.create))[
            name == "bucket"
        ]:
            with pytest.raises(Failure) as refused:
                open_it(target)
            assert refused.value.kind == "unfinished-copy"
            assert refused.value.help == f"mvc admin copy {team.path} {target}"
        assert copied(team.path, target) == NAMES
        assert whole(target) == team.whole


def killed_at(number: int, source: object, target: object) -> bool:
    """Copies in a process that ends at its `number`th sync; whether it came so far."""

    def copy(_: object) -> None:
        left, sync = number, os.fsync

        def counted(file: int) -> None:
            nonlocal left
            left -= 1
            if not left:
                die()
            sync(file)

        os.fsync = counted
        copied(source, target)

    return Child(copy).end()[0] != 0


def require_killed_anywhere(source: object, target: Path, kind: Address, step: int) -> None:
    """Kills a copy again and again, each time later, until it ends; what is there before is no root, or one
    without anything in it, of the moment before it is said that it is a copy."""
    address = kind(target)
    for number in range(1, 10_000, step):
        ended = not killed_at(number, source, address)
        try:
            with opened(address) as root:
                empty = not root.store.refs() and not root.store.audit_head().sequence
        except MvcError as error:
            assert error.kind in ("unfinished-copy", "no-server-root")
            empty = True
        assert not (ended and empty)
        if not empty:
            break  # it ended, or was killed when all that was left was a last sync
    assert whole(address) == whole(source)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_copy_that_is_killed_goes_on(
    tmp_path: Path, team: SimpleNamespace, kind: Address
) -> None:
    require_killed_anywhere(team.path, tmp_path / "target", kind, 17)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("step", (1, 3))
def test_a_copy_out_of_a_bucket_that_is_killed_at_any_sync(
    tmp_path: Path, kind: Address, step: int
) -> None:
    source = bucket(tmp_path / "source")
    make_team(source)
    require_killed_anywhere(source, tmp_path / "target", kind, step)


def test_what_was_compared_is_not_read_again(
    tmp_path: Path, team: SimpleNamespace, monkeypatch
) -> None:
    target = bucket(tmp_path / "bucket")
    read: list[str] = []
    compare = copying.require_equal

    def noted(source, *arguments, **named) -> None:
        read.append(source.id)
        if len(read) == 3:
            raise IntegrityError("not now")
        compare(source, *arguments, **named)

    monkeypatch.setattr(copyroot, "require_equal", noted)
    with pytest.raises(IntegrityError, match=r"team/models: not now"):
        copied(team.path, target)
    copied(team.path, target)
    assert read[3:] == [team.whole["team/models"]["id"], team.whole[""]["id"]]


def test_what_was_not_read_back_is_when_it_is_wanted(
    tmp_path: Path, team: SimpleNamespace, monkeypatch
) -> None:
    target = bucket(tmp_path / "bucket")
    with monkeypatch.context() as patch:
        patch.setattr(DraftRoot, "finish", lambda _: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            copied(team.path, target, read_data=False)
    read = []
    compare = copying.require_equal

    def noted(*arguments, read_data: bool) -> None:
        read.append(read_data)
        compare(*arguments, read_data=read_data)

    monkeypatch.setattr(copyroot, "require_equal", noted)
    assert copied(team.path, target) == NAMES
    assert read == [True] * 4


# -------------------------------------------------------------------- what is refused


def test_a_place_that_is_taken(tmp_path: Path, team: SimpleNamespace) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("")
    (tmp_path / "file").write_text("")
    make_team(tmp_path / "other")
    copied(team.path, bucket(tmp_path / "done"))
    for target, why in (
        (tmp_path / "full", "there is notes.txt"),
        (bucket(tmp_path / "full"), "there is notes.txt"),
        (tmp_path / "other", "a root is there"),
        (bucket(tmp_path / "done"), "a root is there"),
        (team.path, "a root is there"),
    ):
        for dry_run in (True, False):
            with pytest.raises(Failure) as refused:
                copied(team.path, target, dry_run=dry_run)
            assert (refused.value.kind, refused.value.cause) == ("target-exists", why)
    with pytest.raises(Failure, match="not a directory"):
        copied(team.path, tmp_path / "file")
    assert (tmp_path / "full" / "notes.txt").exists()


def test_what_is_no_root(tmp_path: Path, team: SimpleNamespace) -> None:
    for source in (
        tmp_path / "absent",
        bucket(tmp_path / "absent"),
        team.path / "repos" / "iris",
        bucket(team.path),
    ):
        with pytest.raises(Failure) as refused:
            copied(source, tmp_path / "target")
        assert refused.value.kind == "no-server-root"
    assert not (tmp_path / "absent").exists()
    assert not (tmp_path / "target").exists()


def test_a_copy_of_another_root_is_not_gone_on_with(tmp_path: Path, team, monkeypatch) -> None:
    target = bucket(tmp_path / "bucket")
    make_team(tmp_path / "other")
    with monkeypatch.context() as patch:
        patch.setattr(copyroot, "require_equal", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            copied(team.path, target)
    with pytest.raises(Failure) as refused:
        copied(tmp_path / "other", target)
    assert refused.value.cause == "an unfinished copy of another root is there"


def test_a_repository_that_is_removed_between_two_tries(tmp_path: Path, monkeypatch) -> None:
    make_team(tmp_path / "root")
    with monkeypatch.context() as patch:
        patch.setattr(copyroot, "require_equal", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            copied(tmp_path / "root", tmp_path / "copy")
    with Root.open(tmp_path / "root") as root:
        root.remove_repository(BY, "iris")
    with pytest.raises(Failure) as refused:
        copied(tmp_path / "root", tmp_path / "copy")
    assert refused.value.cause == f"it holds iris, which {tmp_path}/root has not any more"
    with Root.open(tmp_path / "root") as root:
        root.create_repository(BY, "iris")
    with pytest.raises(Failure) as refused:
        copied(tmp_path / "root", tmp_path / "copy")
    assert refused.value.cause == "another repository is in the place of iris"


def test_directories_that_servers_have(tmp_path: Path, team: SimpleNamespace) -> None:
    with RootLock(str(team.path)), pytest.raises(Busy) as refused:
        copied(team.path, bucket(tmp_path / "bucket"))
    assert refused.value.kind == "root-locked"
    with RootLock(str(tmp_path / "target")), pytest.raises(Busy):
        copied(team.path, tmp_path / "target")
    assert copied(team.path, tmp_path / "target") == NAMES


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("what", ("repository", "accounts"))
def test_what_is_written_meanwhile_is_noticed(
    tmp_path: Path, kind: Address, what: str, monkeypatch
) -> None:
    source = kind(tmp_path / "source")
    make_team(source)
    compare = copying.require_equal

    def write_meanwhile(*arguments, **named) -> None:
        compare(*arguments, **named)
        if arguments[0].refs("users/"):  # the accounts come last
            with opened(source) as root:
                if what == "accounts":
                    root.accounts.add_user(BY, "eve")
                    return
                with root.open_repository("iris") as store:
                    store.update_refs([RefUpdate("heads/late", None, b"x" * 32)])

    with monkeypatch.context() as patch:
        patch.setattr(copyroot, "require_equal", write_meanwhile)
        with pytest.raises(Busy) as refused:
            copied(source, bucket(tmp_path / "target"))
    assert refused.value.kind == "changed"
    with pytest.raises(Failure, match="not finished"):
        opened(bucket(tmp_path / "target"))
    copied(source, bucket(tmp_path / "target"))
    assert whole(bucket(tmp_path / "target")) == whole(source)


def test_a_repository_of_a_newer_format(tmp_path: Path) -> None:
    make_team(tmp_path / "root")
    format_file = tmp_path / "root" / "repos" / "iris" / "format"
    kept = format_file.read_text()
    format_file.write_text(kept.replace(" 1\n", " 9\n"))
    with pytest.raises(Failure) as refused:
        copied(tmp_path / "root", bucket(tmp_path / "bucket"))
    assert refused.value.kind == "newer-format"
    format_file.write_text(kept)
    assert copied(tmp_path / "root", bucket(tmp_path / "bucket")) == NAMES


def test_a_repository_that_is_damaged(tmp_path: Path) -> None:
    make_team(tmp_path / "root")
    (pack,) = (tmp_path / "root" / "repos" / "iris" / "packs").iterdir()
    good = pack.read_bytes()
    pack.write_bytes(good[:2000] + bytes([good[2000] ^ 1]) + good[2001:])
    for _ in range(2):  # found, and then known
        with pytest.raises(IntegrityError, match=r"^iris: "):
            copied(tmp_path / "root", bucket(tmp_path / "bucket"))
    pack.write_bytes(good)
    with LmdbStore.open(tmp_path / "root" / "repos" / "iris") as store:
        assert list(store.check()) == []
    assert copied(tmp_path / "root", bucket(tmp_path / "bucket")) == NAMES


@pytest.mark.parametrize("quick", (False, True))
def test_a_bucket_that_keeps_other_bytes(
    tmp_path: Path, team: SimpleNamespace, quick: bool, monkeypatch
) -> None:
    """Each pack of the copy loses some bytes after it was sent."""
    take_over = BucketStore.take_over

    def spoil(store: BucketStore, *arguments: object) -> None:
        take_over(store, *arguments)  # type: ignore[arg-type]
        for pack in (tmp_path / "bucket").glob("repos/**/packs/*"):
            data = bytearray(pack.read_bytes())
            middle = len(data) // 2
            data[middle : middle + 64] = bytes(64)
            pack.write_bytes(data)

    monkeypatch.setattr(BucketStore, "take_over", spoil)
    if quick:
        copied(team.path, bucket(tmp_path / "bucket"), read_data=False)
        return
    with pytest.raises(IntegrityError, match="iris: the copy is not equal"):
        copied(team.path, bucket(tmp_path / "bucket"))
    with pytest.raises(Failure, match="not finished"):
        opened(bucket(tmp_path / "bucket"))


@pytest.mark.parametrize("what", ("objects", "refs", "operations", "audit"))
def test_what_does_not_arrive_is_noticed(tmp_path: Path, what: str) -> None:
    """Each part of a store is compared, whatever the code that copied it did."""
    make_team(tmp_path / "root")
    with Root.open(tmp_path / "root") as root, root.open_repository("iris") as source:
        url = bucket(tmp_path / "bucket")
        (tmp_path / "bucket").mkdir()
        with open_served(url, {}, begin=url, id=source.id) as target:
            refs = source.refs()
            if what != "objects":
                copying.copy_store(source, target, refs, Silent())
            if what == "refs":
                target.update_refs([RefUpdate("tags/0", refs["tags/0"], b"x" * 32)])
            elif what == "operations":
                target.update_refs([], operation=b"one more")
            elif what == "audit":
                with target.session() as session:
                    session.commit(audit=b"one more")
            with pytest.raises(IntegrityError, match="not equal"):
                copying.require_equal(source, target, refs, Silent(), read_data=False)
            copying.copy_store(source, target, refs, Silent())
            copying.require_equal(source, target, refs, Silent(), read_data=True)
            assert told(target) == told(source)
