"""A server to kill: serves the store in a directory until SIGTERM. Prints its port."""

from __future__ import annotations

import os
import signal
import sys

from mvcd.store.lmdb_store import LmdbStore
from tests.wire.hosts import CarefulRepository, serving


def main(directory: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    store = LmdbStore.open(directory) if os.path.exists(directory) else LmdbStore.create(directory)
    with store:
        store.salvage()
        served, port = serving(store, CarefulRepository)
        print(port, flush=True)
        signal.sigwait({signal.SIGTERM})
        served.stop(2)


if __name__ == "__main__":
    main(sys.argv[1])
