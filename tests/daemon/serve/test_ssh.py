"""`ssh://` through a script called ssh that runs the command here; a real sshd is in the campaign."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mvcd.errors import Conflict, RemoteUnreachable, UsageError
from mvcd.monitor import Silent
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.wire.client import RemotePeer
from mvcd.wire.dial import dial_ssh
from mvcd.wire.ssh import SshAddress, SshTunnel
from tests.daemon.serve.servers import QUICK, SOURCES, push_branch
from tests.support.workspace import Bench

FAKE = """#!/bin/sh
# The last word is the command, as sshd would hand it to a shell.
for word; do :; done
echo "Welcome to the login message"
export PYTHONPATH={path}
exec sh -c "exec $word"
"""


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "far away")
    bench.save({"model.bin": os.urandom(3_000_000), "params.yaml": "lr: 1\n"})
    yield bench
    bench.repo.close()


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script called ssh first on the PATH, and mvcd beside it."""

    def put(script: str) -> None:
        directory = tmp_path / "bin"
        directory.mkdir(exist_ok=True)
        mvcd = f'#!/bin/sh\nexec {sys.executable} -m mvcd.daemon "$@"\n'
        for name, text in (("ssh", script), ("mvcd", mvcd)):
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    put(FAKE.format(path=os.pathsep.join([str(SOURCES), str(SOURCES / "client")])))
    return put


def connect(bench: Bench) -> SshTunnel:
    return SshTunnel.open(SshAddress.parse(f"ssh://ada@example.org:2222{bench.root}"))


def test_pull_and_push(far: Bench, ssh: object, tmp_path: Path) -> None:
    near = Bench(tmp_path / "near")
    near.save({"other.bin": os.urandom(2_000_000)})
    with connect(far) as tunnel, MemoryStore() as store, store.session() as session:
        peer = RemotePeer(tunnel.target, "", "ssh://", patience=QUICK)
        hello = peer.hello()
        assert (hello.role, hello.principal) == ("write", "peer")
        head = far.repo.resolve("HEAD")
        assert peer.refs() == {"heads/main": bytes(head)}
        pull(store, session, [peer], [head], [], monitor=Silent())
        session.flush()
        assert store.has([head]) == [True]
        id = push_branch(near, peer, "from-near")
        with pytest.raises(Conflict) as raised:
            push_branch(near, peer, "main")
        assert raised.value.kind == "checked-out"
        peer.close()
    assert bytes(far.repo.resolve("from-near")) == id
    assert next(iter(far.repo.operations())).verb == "receive"
    assert [process.returncode for process in tunnel._processes] == [0]
    assert not os.path.exists(tunnel.target.removeprefix("unix:"))
    near.repo.close()


def test_a_connection_that_was_lost_is_made_anew(far: Bench, ssh: object) -> None:
    with connect(far) as tunnel:
        peer = RemotePeer(tunnel.target, "", "ssh://", patience=QUICK)
        peer.hello()
        tunnel._processes[0].kill()
        assert peer.refs()
        peer.close()
        assert len(tunnel._processes) == 2


def test_an_address_is_all_it_takes(far: Bench, ssh: object) -> None:
    peer = dial_ssh(f"ssh://example.org{far.root}", patience=QUICK)
    assert peer.refs() == {"heads/main": bytes(far.repo.resolve("HEAD"))}
    peer.close()


def test_what_ssh_says_reaches_the_person(far: Bench, ssh: Callable[[str], None]) -> None:
    ssh("#!/bin/sh\necho 'ada@example.org: Permission denied (publickey).' >&2\nexit 255\n")
    with pytest.raises(RemoteUnreachable) as raised:
        connect(far)
    assert "Permission denied" in str(raised.value.cause)
    ssh("#!/bin/sh\necho 'sh: mvcd: not found' >&2\nexit 127\n")
    with pytest.raises(RemoteUnreachable) as raised:
        connect(far)
    assert "PATH" in str(raised.value.help)


def test_a_far_side_without_a_repository(tmp_path: Path, ssh: object) -> None:
    with pytest.raises(RemoteUnreachable) as raised:
        SshTunnel.open(SshAddress.parse(f"ssh://example.org{tmp_path}"))
    assert "there is no repository" in str(raised.value.cause)


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("ssh://h/srv/iris", ["ssh", "-T", "--", "h", "mvcd serve --stdio /srv/iris"]),
        ("ssh://a@h:22/x", ["ssh", "-T", "-p", "22", "--", "a@h", "mvcd serve --stdio /x"]),
        ("ssh://h/~/iris", ["ssh", "-T", "--", "h", "mvcd serve --stdio ~/iris"]),
        ("ssh://h/a%20b;rm", ["ssh", "-T", "--", "h", "mvcd serve --stdio '/a b;rm'"]),
        ("ssh://h/~/$(x)", ["ssh", "-T", "--", "h", "mvcd serve --stdio ~/'$(x)'"]),
    ],
)
def test_commands(url: str, command: list[str]) -> None:
    assert SshAddress.parse(url).command() == command


@pytest.mark.parametrize(
    "url",
    [
        "ssh://-oProxyCommand=touch%20x/p", "ssh://-oX@h/p", "ssh:///p", "ssh://h", "ssh://h/",
        "ssh://h:99999/p", "ssh://a:secret@h/p", "grpc://h/p", "ssh://h/a%0Ab",
    ],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError):
        SshAddress.parse(url)
