"""`mvcd serve --root` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from mvcd.daemon.serve.backup import back_up_root, restore_root
from mvcd.errors import AuthError, MvcError, NoRepository
from mvcd.monitor import Silent
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.team.root import Root
from mvcd.wire.client import Patience
from tests.daemon.serve.authority import Authority
from tests.daemon.serve.servers import BY, ENVIRONMENT, Server, push_branch, team
from tests.support.workspace import Bench

HERE = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")


@pytest.fixture
def bench(tmp_path: Path):
    bench = Bench(tmp_path / "iris")
    bench.save({"model.bin": os.urandom(300_000), "params.yaml": "lr: 1\n"})
    yield bench
    bench.repo.close()


def test_the_first_start_makes_an_administrator(tmp_path: Path) -> None:
    with Server("--root", tmp_path / "root", *HERE) as server:
        secret = tmp_path / "root" / "admin.token"
        assert secret.stat().st_mode & 0o777 == 0o600
        token = secret.read_text().strip()
        with pytest.raises(NoRepository):
            server.peer("team/iris", token).hello()
        assert server.stop() == 0
    assert f"mvc login grpc://{server.listen}" in server.said
    assert str(secret) in server.said
    with Server("--root", tmp_path / "root", *HERE) as again:
        assert again.stop() == 0
    assert again.said == ""


def test_pushed_pulled_logged_and_no_token_in_the_log(tmp_path: Path, bench: Bench) -> None:
    token = team(tmp_path / "root", "team/iris")
    with Server("--root", tmp_path / "root", *HERE) as server:
        peer = server.peer("team/iris", token)
        hello = peer.hello()
        assert (hello.principal, hello.role) == ("ada", "write")
        id = push_branch(bench, peer, "main")
        peer.close()
        with MemoryStore() as store, store.session() as session:
            clone = server.peer("team/iris", token)
            assert clone.refs() == {"heads/main": id}
            head = bench.repo.resolve("HEAD")
            pull(store, session, [clone], [head], [], monitor=Silent())
            session.flush()
            assert store.has([head]) == [True]
            clone.close()
        for wrong in (None, "mvct_wrong"):
            with pytest.raises(AuthError):
                server.peer("team/iris", wrong).refs()
        server.stop()
    calls = server.calls()
    assert {call["principal"] for call in calls if call["code"] == "OK"} == {"ada"}
    refused = [call for call in calls if call["code"] == "UNAUTHENTICATED"]
    assert len(refused) >= 2 and {call["repo"] for call in refused} == {None}  # it was not read
    assert {call["repo"] for call in calls if call not in refused} == {"team/iris"}
    assert {c["principal"] for c in calls if c["code"] == "UNAUTHENTICATED"} == {None}
    assert sum(call["sent"] for call in calls) > 300_000
    assert "Put" not in {call["call"] for call in calls}, "a stored frame is no event"
    assert token not in "".join(server.raw) + server.said


def test_one_server_a_directory(tmp_path: Path) -> None:
    with Server("--root", tmp_path / "root", *HERE):
        second = subprocess.run(
            [sys.executable, "-m", "mvcd.daemon", "serve", "--root", str(tmp_path / "root"), *HERE],
            env=ENVIRONMENT, capture_output=True, text=True,
        )  # fmt: skip
    assert second.returncode == 11
    assert "another server has" in second.stderr


def test_a_client_certificate_is_a_principal(tmp_path: Path, bench: Bench) -> None:
    team(tmp_path / "root", "iris")
    with Root.open(tmp_path / "root") as root:
        root.accounts.set_certificate(BY, "ada.example.org", "ada")
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("server")
    tls = ["--tls-cert", pair.certificate, "--tls-key", pair.key]
    tls += ["--client-ca", authority.certificate]

    def credentials(name: str) -> grpc.ChannelCredentials:
        client = authority.issue(name, name, names=f"DNS:{name}")
        return grpc.ssl_channel_credentials(
            authority.certificate.read_bytes(),
            client.key.read_bytes(),
            client.certificate.read_bytes(),
        )

    with Server("--root", tmp_path / "root", *HERE, *tls) as server:
        ada = server.peer("iris", credentials=credentials("ada.example.org"))
        assert ada.hello().principal == "ada"
        push_branch(bench, ada, "main")
        ada.close()
        with pytest.raises(AuthError):
            server.peer("iris", credentials=credentials("eve.example.org")).hello()


def test_backup_while_pushes_come_in_and_back_again(tmp_path: Path, bench: Bench) -> None:
    """Every backup opens, checks whole, and holds a prefix of what was acknowledged; the last one all."""
    token = team(tmp_path / "root", "iris")
    done = threading.Event()
    failed: list[BaseException] = []

    with Server("--root", tmp_path / "root", *HERE) as server:

        def keep_pushing() -> None:
            peer = server.peer("iris", token)
            try:
                number = 0
                while not done.is_set():
                    number += 1
                    bench.write({"params.yaml": f"rate: {number}\n"})
                    bench.commit(f"{number}")
                    push_branch(bench, peer, f"b{number}")
            except (MvcError, OSError, AssertionError) as error:
                failed.append(error)
            finally:
                peer.close()

        pusher = threading.Thread(target=keep_pushing)
        pusher.start()
        counts = []
        try:
            for n in range(3):
                copies = back_up_root(
                    str(tmp_path / "root"), str(tmp_path / f"backup{n}"), time="now"
                )
                counts.append(copies[1].ref_count)
                assert (
                    restore_root(str(tmp_path / f"backup{n}"), str(tmp_path / f"new{n}")) == copies
                )
        finally:
            done.set()
            pusher.join()
        assert not failed
        assert counts == sorted(counts)
        final = back_up_root(str(tmp_path / "root"), str(tmp_path / "final"), time="now")
        server.stop()
    restore_root(str(tmp_path / "final"), str(tmp_path / "restored"))
    with LmdbStore.open(tmp_path / "restored" / "repos" / "iris") as store:
        assert len(store.refs()) == final[1].ref_count == store.audit_head().sequence
        assert not list(store.check())
    with Server("--root", tmp_path / "restored", *HERE) as server:
        assert len(server.peer("iris", token).refs()) == final[1].ref_count


def test_a_push_outlives_a_restart_of_the_server(tmp_path: Path, bench: Bench) -> None:
    token = team(tmp_path / "root", "iris")
    bench.save({"large.bin": os.urandom(48 << 20)})
    with ThreadPoolExecutor(1) as pool, Server("--root", tmp_path / "root", *HERE) as server:
        peer = server.peer("iris", token, patience=Patience(first=0.05, most=0.5, total=30.0))
        pushing = pool.submit(push_branch, bench, peer, "main")
        while sum(call["call"] == "Put" for call in server.calls()) < 4 and not pushing.done():
            pass
        assert server.stop() == 0
        with Server("--root", tmp_path / "root", "--listen", server.listen):
            id = pushing.result(60)
            assert peer.refs() == {"heads/main": id}
            peer.close()
