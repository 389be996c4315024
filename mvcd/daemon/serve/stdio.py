"""The far side of `ssh://`: one connection on standard input and output, served and then over.

gRPC cannot be given open descriptors, so it listens on a Unix socket in a 0700 directory of its own, which is
dialled at once and whose other end is pumped to the two streams. Who may run us here could open the store as
well, so nobody is asked for a token.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile

from mvcd import __version__
from mvcd.daemon.serve.frame import ServerLifetime
from mvcd.daemon.serve.metrics import ServerMetrics
from mvcd.daemon.serve.run import ServedHost
from mvcd.wire.ssh import GREETING, pump, write_all

DRAIN_SECONDS = 10.0


def serve_stdio(served: ServedHost, source: int, target: int) -> None:
    """Until the other side has said all."""
    directory = tempfile.mkdtemp(prefix="mvcd-")  # 0700
    frame = ServerLifetime(served.register, served.services, ServerMetrics(__version__, 0.0))
    try:
        path = os.path.join(directory, "s")
        frame.listen_unix(path)
        frame.start()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            write_all(target, GREETING)
            # from here to there until the far side closes; what is left to say follows
            outward, inward = pump(connection, source, target, lambda: None)
            inward.join()
            served.end_streams()
            frame.drain(DRAIN_SECONDS)
            outward.join(DRAIN_SECONDS)
    finally:
        served.close()
        shutil.rmtree(directory, ignore_errors=True)
