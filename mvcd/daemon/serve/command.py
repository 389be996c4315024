"""`mvcd serve`: its options, and what it does."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mvcd.errors import Failure, NoRepository, UsageError
from mvcd.wire.schemes import GRPC, GRPCS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mvcd.daemon.notify import Notifier
    from mvcd.daemon.serve.listen import Listen
    from mvcd.daemon.serve.peer import PeerHost
    from mvcd.daemon.serve.remote import Repositories
    from mvcd.daemon.serve.run import Beside, ServerPlan
    from mvcd.daemon.serve.sealing import Sealing
    from mvcd.team.host import TeamHost
    from mvcd.team.root import Root

PLAIN_LISTEN = f"127.0.0.1:{GRPC.port}"
TLS_LISTEN = f":{GRPCS.port}"
DRAIN_SECONDS = 30.0
MAX_HEAPS = 1
"""Heaps that all threads share: only of the first can all be given back (heap.py). With two, pushes and pulls
of many clients were no faster on two cores."""

_SERVE = """Serve repositories to others over gRPC.

With --root it is a team server, which serves all repositories of that directory, with accounts (mvc admin).
Without --root it is a peer, which serves this workspace, or those of --workspace, for reading. A peer prints a
token that clients need, unless only this machine can connect."""

_EPILOG = """exit codes: 0 ended by SIGTERM or SIGINT, 1 failure, 2 unsafe or senseless options, 10 no
repository here, 11 another server has the directory, 14 damaged content"""


def add_serve_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = verbs.add_parser(
        "serve",
        help="serve repositories to a team (--root), or this workspace to a peer",
        description=_SERVE,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.set_defaults(verb=_serve)
    what = serve.add_argument_group("repositories")
    what.add_argument("--root", metavar="DIR|URL",
                      help="a team server's directory, or the address of a bucket; made if absent")  # fmt: skip
    what.add_argument(
        "--workspace",
        metavar="DIR",
        action="append",
        help="serve the repository in DIR, with a workspace or bare; may be given several times",
    )
    what.add_argument(
        "--write",
        action="store_true",
        help="accept pushes too, to branches that are not checked out here",
    )
    what.add_argument("--create", metavar="GLOB", action="append", default=[],
                      help="the first push makes repositories of such names, for who has the role write there; "
                      "may be given again")  # fmt: skip
    what.add_argument("--stdio", metavar="PATH", help=argparse.SUPPRESS)  # what ssh:// starts
    where = serve.add_argument_group("addresses")
    where.add_argument("--listen", metavar="HOST:PORT",
                       help=f"address to listen on ({PLAIN_LISTEN}, with TLS {TLS_LISTEN})")  # fmt: skip
    where.add_argument(
        "--http", metavar="HOST:PORT", help="serve /healthz, /readyz and /metrics on this address"
    )
    where.add_argument("--hub", metavar="HOST:PORT",
                       help="serve clients of the Hugging Face Hub and of Git LFS on this address")  # fmt: skip
    where.add_argument("--web", metavar="HOST:PORT",
                       help="serve the page of all repositories on this address")  # fmt: skip
    where.add_argument(
        "--reflection", action="store_true", help="let tools such as grpcurl list the calls"
    )
    safety = serve.add_argument_group("TLS; the files are read again when they change")
    safety.add_argument("--tls-cert", metavar="FILE", help="the server's certificate chain, PEM")
    safety.add_argument("--tls-key", metavar="FILE", help="the private key of the certificate, PEM")
    safety.add_argument("--client-ca", metavar="FILE",
                        help="accept only clients with a certificate of this authority")  # fmt: skip
    safety.add_argument(
        "--insecure", action="store_true", help="listen without TLS beyond this machine"
    )
    audit = serve.add_argument_group("seals of a team server's audit logs, to be stored elsewhere")
    audit.add_argument("--seal-to", metavar="FILE|'|COMMAND'",
                       help="append signed lines to a file, or pipe them to a command")  # fmt: skip
    audit.add_argument("--seal-key", metavar="FILE",
                       help="the SSH key that signs (DIR/seal.key, made if absent)")  # fmt: skip
    audit.add_argument("--seal-every", metavar="SECONDS", type=float, default=3600.0,
                       help="seconds from one seal to the next (3600)")  # fmt: skip
    bucket = serve.add_argument_group(
        "a team server in a bucket (s3://, gs://, az://, bucket+file://)"
    )
    bucket.add_argument("--cache", metavar="DIR",
                        help="a local directory for indexes, which may be deleted")  # fmt: skip
    bucket.add_argument("--admin-token", metavar="FILE",
                        help="a local file for the administrator's first token")  # fmt: skip
    life = serve.add_argument_group("process")
    life.add_argument("--drain", metavar="SECONDS", type=float, default=DRAIN_SECONDS,
                      help="time that calls in progress get when the server stops (30)")  # fmt: skip
    life.add_argument("--log-format", choices=("json", "text"),
                      help="form of the lines on stderr (text on a terminal, else json)")  # fmt: skip


def _serve(_: object, options: argparse.Namespace) -> int:
    from mvcd.daemon import config  # late: start-up
    from mvcd.daemon.notify import Notifier
    from mvcd.daemon.serve import logs
    from mvcd.heap import keep_blocks

    keep_blocks(heaps=MAX_HEAPS)  # before gRPC starts its threads
    # A frame of small records makes 15,000 objects and no cycles: looking for these every 700 objects took as
    # long as the frame.
    gc.set_threshold(20_000, 10, 10)
    if options.stdio is not None:
        return _serve_stdio(options.stdio)
    form = options.log_format or ("text" if sys.stderr.isatty() else "json")
    logs.configure(sys.stderr, form=form)
    plan = _plan(options)
    if options.root is None and options.seal_to is not None:
        raise UsageError("--seal-to goes with --root: only a team server keeps an audit log")
    if options.root is None and options.hub is not None:
        raise UsageError("--hub goes with --root: its clients need accounts")
    if options.root is None and options.web is not None:
        raise UsageError(
            "--web goes with --root: who reads the page needs an account", help="mvc ui"
        )
    if options.root is None and options.create:
        raise UsageError("--create goes with --root: it takes accounts to say who may")
    if options.root is None:
        _serve_peer(options, plan, Notifier(config.notify_socket()))
    elif options.workspace or options.write:
        raise UsageError("--root goes with neither --workspace nor --write")
    else:
        _serve_team(options, plan, Notifier(config.notify_socket()))
    return 0


def _plan(options: argparse.Namespace) -> ServerPlan:
    """Raises UsageError."""
    from mvcd.daemon.serve.listen import Listen, require_safe  # late: start-up
    from mvcd.daemon.serve.run import ServerPlan
    from mvcd.daemon.serve.tls import CertificateFiles, Certificates

    if (options.tls_cert is None) != (options.tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    if options.client_ca is not None and options.tls_cert is None:
        raise UsageError("--client-ca needs --tls-cert and --tls-key")
    if not 0 <= options.drain <= 3600:
        raise UsageError("--drain takes 0 to 3600 seconds")
    tls = options.tls_cert is not None
    listen = Listen.parse(options.listen or (TLS_LISTEN if tls else PLAIN_LISTEN))
    require_safe(listen, tls=tls, insecure=options.insecure)
    certificates = None
    if tls:
        files = CertificateFiles(options.tls_cert, options.tls_key, options.client_ca)
        certificates = Certificates(files)
    http = None if options.http is None else Listen.parse(options.http)
    return ServerPlan(listen, certificates, http, options.reflection, options.drain)


def _run(
    served: Repositories,
    plan: ServerPlan,
    notifier: Notifier,
    started: Callable[[Listen], None],
    beside: Sequence[Beside] = (),
) -> None:
    from mvcd.daemon import config  # late: start-up
    from mvcd.daemon.serve.run import ServerRun

    process = ServerRun(served, plan, notifier, beside)
    process.hear_signals()
    try:
        started(process.start())
    except BaseException:
        process.end()
        raise
    process.wait(config.watchdog_seconds())


def _url(where: Listen, plan: ServerPlan) -> str:
    return f"{(GRPC if plan.certificates is None else GRPCS).name}://{where}"


# -------------------------------------------------------------------- a team's directory


def _serve_team(options: argparse.Namespace, plan: ServerPlan, notifier: Notifier) -> None:
    from mvcd.daemon.serve.connections import raise_descriptors  # late: start-up
    from mvcd.team.auditlog import By

    with _root(options) as root:
        secret = root.first_start(By("mvcd", _now_us()))

        def started(where: Listen) -> None:
            if secret is not None:
                _say(f"The administrator's first token is in {secret}, for you alone to read.")
                _say(f"mvc login {_url(where, plan)} < {secret}")

        sealing = _sealing(options, root)
        raise_descriptors()  # before the host counts how many stores it may keep open
        host, served = _served(root, options.create)
        try:
            if sealing is not None:
                sealing.start()
            _run(served, plan, notifier, started, _beside(options, plan, host))
        finally:
            if sealing is not None:
                sealing.end()


@contextmanager
def _root(options: argparse.Namespace) -> Iterator[Root]:
    """The root, made if absent: a directory for this server alone, or a bucket. Raises UsageError for options
    that do not go with it."""
    from mvcd.daemon.serve.lock import RootLock  # late: start-up
    from mvcd.store.stores import is_bucket
    from mvcd.team.root import Root, make_private

    if is_bucket(options.root):
        from mvcd.daemon.serve.inbucket import open_in_bucket, refuse_disk_options  # late: start-up
        from mvcd.waiting import Waiting

        refuse_disk_options(hub=options.hub, seal_to=options.seal_to, seal_key=options.seal_key)
        with Waiting(f"{options.root} to answer"):  # a store that stalls does so for minutes
            shared = open_in_bucket(
                options.root, cache=options.cache, token_file=options.admin_token
            )
        with shared:
            yield shared
        return
    if options.cache is not None or options.admin_token is not None:
        raise UsageError("--cache and --admin-token go with the address of a bucket")
    make_private(os.path.abspath(options.root))
    with RootLock(options.root), Root.create(options.root) as root:
        yield root


def _served(root: Root, create: Sequence[str]) -> tuple[TeamHost, Repositories]:
    """A root's repositories, as something to serve."""
    from mvcd.daemon.serve.inbucket import BucketWatch  # late: start-up
    from mvcd.daemon.serve.remote import Repositories
    from mvcd.team.buckethost import BucketHost
    from mvcd.team.bucketroot import BucketRoot
    from mvcd.team.host import TeamHost

    if isinstance(root, BucketRoot):
        host: TeamHost = BucketHost(root, _now_us, create=create)
        return host, Repositories(
            host,
            root.options["cache"],
            count=host.repositories,
            self_test=root.store.self_test,
            close=host.close,
            problem=BucketWatch(root.store).problem,
        )
    host = TeamHost(root, _now_us, create=create)
    return host, Repositories(
        host,
        root.path,
        count=host.repositories,
        self_test=lambda: _self_test(root),
        close=host.close,
    )


def _beside(options: argparse.Namespace, plan: ServerPlan, host: TeamHost) -> list[Beside]:
    """The other ways in. Raises UsageError, and Failure where an extra is not installed."""
    from mvcd.daemon.serve import hubserver, pageserver  # late: start-up
    from mvcd.daemon.serve.listen import Listen, require_safe

    def safe(address: str) -> Listen:
        listen = Listen.parse(address)
        require_safe(listen, tls=plan.certificates is not None, insecure=options.insecure)
        return listen

    found: list[Beside] = []
    if options.hub is not None:
        hubserver.require_extra()
        hub = safe(options.hub)
        found.append(lambda m: hubserver.hub_server(hub, host, plan.certificates, m))
    if options.web is not None:
        pageserver.require_extra()
        web = safe(options.web)
        found.append(lambda m: pageserver.page_server(web, host, plan.certificates, m))
    return found


def _sealing(options: argparse.Namespace, root: Root) -> Sealing | None:
    """Raises UsageError, and what making a key raises."""
    from mvcd.daemon.serve.sealing import Sealing  # late: start-up

    if options.seal_to is None:
        return None
    if not 1 <= options.seal_every <= 30 * 86_400:
        raise UsageError("--seal-every takes 1 to 2,592,000 seconds")
    return Sealing(root, options.seal_to, key=options.seal_key, every=options.seal_every)


def _self_test(root: Root) -> None:
    """The accounts can be read, the disk takes bytes, each repository that is listed is there. Raises Failure,
    IntegrityError."""
    import logging  # late: start-up

    from mvcd.disk.sync import sync_file

    for hosted in root.accounts.repositories():
        if not os.path.isfile(os.path.join(root.repository_path(hosted.name), "format")):
            logging.getLogger("mvcd.serve").error("the files of %s are not there", hosted.name)
    root.accounts.users()
    probe = os.path.join(root.path, "self-test")
    try:
        with open(probe, "wb") as file:
            file.write(bytes(4096))
            file.flush()
            sync_file(file.fileno())
        os.unlink(probe)
    except OSError as error:
        raise Failure(f"{root.path} cannot be written", kind="root", cause=str(error)) from None


def _now_us() -> int:
    return time.time_ns() // 1000


# -------------------------------------------------------------------- peers


def _serve_peer(options: argparse.Namespace, plan: ServerPlan, notifier: Notifier) -> None:
    from mvcd.daemon.serve.connections import raise_descriptors  # late: start-up
    from mvcd.daemon.serve.peer import PeerHost, offers
    from mvcd.team.accounts import new_secret

    found = offers(options.workspace or ["."])
    raise_descriptors()  # before the host counts how many stores it may keep open
    token = None if plan.listen.loopback else new_secret()
    host = PeerHost(found, token=token, write=options.write)

    def started(where: Listen) -> None:
        for name, offer in found.items():
            _say(f"{offer.root}: {_url(where, plan)}/{name}")
        if token is not None:
            _say(f"token, shown this once: {token}")

    _run(_peers(host, next(iter(found.values())).store), plan, notifier, started)


def _peers(host: PeerHost, directory: str) -> Repositories:
    from mvcd.daemon.serve.remote import Repositories  # late: start-up

    return Repositories(
        host, directory, count=lambda: len(host), self_test=lambda: None, close=host.close
    )


def _serve_stdio(path: str) -> int:
    """What `ssh://` starts on the far side: `path` is a workspace, or a store without one."""
    from mvcd.daemon.serve import logs  # late: start-up
    from mvcd.daemon.serve.peer import PeerHost, offered
    from mvcd.daemon.serve.stdio import serve_stdio

    logs.configure(sys.stderr, form="text", level="WARNING")
    try:
        offer = offered(path)
    except NoRepository as error:
        raise NoRepository(
            f"there is no repository in {path}",
            cause=error.cause,
            help=f"there: mvc init --bare {path}",
        ) from None
    host = PeerHost({offer.root: offer}, token=None, write=True)
    serve_stdio(_peers(host, offer.store), sys.stdin.fileno(), sys.stdout.fileno())
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
