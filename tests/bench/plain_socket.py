"""Bytes over a TCP socket, written and synced: what a push and a fetch cost where nothing is asked or checked.

    plain_socket.py serve PORT DIRECTORY
    plain_socket.py put|get PORT DIRECTORY

`put` sends the files of its directory, `get` those of the server's; they arrive as one file beside the other
directory. Written as mvc writes, past the page cache where the kernel can, in calls of a frame's size.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from mvcd.disk import uncached

PIECE_BYTES = 5 << 19
_SIZE_BYTES = 8


def main(what: str, port: str, directory: str) -> None:
    address = ("127.0.0.1", int(port))
    here = Path(directory)
    if what == "serve":
        serve(address, here)
        return
    with socket.create_connection(address) as line:
        line.sendall(what.encode())
        if what == "put":
            _send(line, here)
        else:
            _receive(line, here.with_name(f"{here.name}-got"))


def serve(address: tuple[str, int], directory: Path) -> None:
    with socket.create_server(address) as listener:
        while True:
            line, _ = listener.accept()
            with line:
                what = line.recv(len(b"put"), socket.MSG_WAITALL)
                if what == b"put":
                    _receive(line, directory.with_name(f"{directory.name}-put"))
                elif what == b"get":
                    _send(line, directory)


def _send(line: socket.socket, directory: Path) -> None:
    """Returns when the other side has synced everything."""
    paths = sorted(directory.iterdir())
    size = sum(path.stat().st_size for path in paths)
    line.sendall(size.to_bytes(_SIZE_BYTES, "little"))
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(PIECE_BYTES):
                line.sendall(piece)
    if line.recv(1) != b"!":
        raise EOFError


def _receive(line: socket.socket, path: Path) -> None:
    left = int.from_bytes(line.recv(_SIZE_BYTES, socket.MSG_WAITALL), "little")
    piece = memoryview(bytearray(PIECE_BYTES))
    with path.open("wb", buffering=0) as file:
        written = 0
        while left > written:
            part = piece[: min(left - written, len(piece))]
            got = 0
            while got < len(part):
                count = line.recv_into(part[got:])
                if not count:
                    raise EOFError
                got += count
            uncached.write(file.fileno(), [part], written)
            written += len(part)
        os.fsync(file.fileno())
    line.sendall(b"!")


if __name__ == "__main__":
    main(*sys.argv[1:])
