"""What a team server needs of its machine when its root is in a bucket: a directory for caches, a file for the
first token, and whether the bucket answers (mvcd/team/STATELESS.md)."""

from __future__ import annotations

import os
import tempfile
import threading
import time

from mvcd.daemon.config import DaemonPaths
from mvcd.disk.directories import make_directories
from mvcd.errors import Failure, MvcError, UsageError
from mvcd.store.api import LookedStore
from mvcd.store.stores import trim_indexes
from mvcd.team.bucketroot import BucketRoot

FRESH_SECONDS = 5.0
"""Seconds since the last look at the bucket after which `/readyz` asks for another one."""
SILENT_SECONDS = 15.0
"""Seconds without an answer after which calls are not welcome: a store that lost its quorum stalls as long and
goes on, and other servers would be no better off."""
CACHE_BYTES = 8 << 30
"""Bytes of indexes below the cache directory: of some 80 million objects."""


def open_in_bucket(address: str, *, cache: str | None, token_file: str | None) -> BucketRoot:
    """The root at an address, made if absent; the bucket is probed then. Without `cache` the indexes are in
    the user's own cache directory, without `token_file` the first token goes to the daemon's state directory.
    Raises Failure, NotPermitted where the bucket is not safe to write, and what every call of a bucket
    raises."""
    directory = cache_directory(cache)
    trim_indexes(directory, CACHE_BYTES)
    options = {"cache": directory}
    return BucketRoot.create(
        address, options, token_file=os.path.abspath(token_file or _token_file())
    )


def cache_directory(named: str | None) -> str:
    """An absolute path of a directory that is there. Raises Failure where the one that was named cannot be
    made."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = os.path.abspath(named or os.path.join(base, "mvc", "served"))
    try:
        make_directories(path, 0o700)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        if named is None:
            return tempfile.mkdtemp(prefix="mvcd-cache-")
        raise Failure(
            f"{path} cannot be written", kind="cache", cause=str(error),
            help="--cache DIR, a directory of this machine",
        ) from None  # fmt: skip


def _token_file() -> str:
    """Raises Failure."""
    paths = DaemonPaths.here()
    try:
        make_directories(paths.state, 0o700)
    except OSError as error:
        raise Failure(
            f"there is no place for the administrator's first token: {paths.state} cannot be made",
            kind="token-file", cause=str(error), help="--admin-token FILE",
        ) from None  # fmt: skip
    return os.path.join(paths.state, "admin.token")


def refuse_disk_options(*, hub: str | None, seal_to: str | None, seal_key: str | None) -> None:
    """Raises UsageError for what needs the disk of the one machine that a server with a directory has."""
    if hub is not None:
        raise UsageError(
            "--hub does not go with a bucket",
            cause="what its clients upload waits on the disk of one machine until it is committed",
            help="mvcd serve --root DIR --hub HOST:PORT",
        )
    if seal_to is not None and seal_key is None:
        raise UsageError(
            "--seal-to needs --seal-key FILE with a bucket",
            cause="a key must not rest beside what it seals, and each server would make its own",
            help="ssh-keygen -t ed25519 -N '' -f seal.key  (makes one)",
        )


class BucketWatch:
    """Whether a bucket answers. Asks it only when somebody asks and no call has for a while, on a thread of
    its own: a bucket that does not answer must not keep `/readyz` from it."""

    def __init__(self, store: LookedStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._error = ""

    def problem(self) -> str | None:
        """Why calls are not welcome."""
        now = time.monotonic()
        with self._lock:
            idle = self._asking is None or not self._asking.is_alive()
            if now - self._store.looked > FRESH_SECONDS and idle:
                self._asking = threading.Thread(target=self._ask, name="bucket", daemon=True)
                self._asking.start()
            asking = self._asking
        if asking is not None:
            asking.join(1.0)
        silent = time.monotonic() - self._store.looked
        if silent <= SILENT_SECONDS:
            return None
        return f"the bucket has not answered for {silent:.0f} s{self._error}"

    def _ask(self) -> None:
        try:
            self._store.look_since(time.monotonic())
            self._error = ""
        except MvcError as error:
            self._error = f": {error}"
