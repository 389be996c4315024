"""Bytes over gRPC and nothing else: what a push and a fetch cost before anything is read, checked or written.

    plain_grpc.py serve PORT
    plain_grpc.py put|get PORT BYTES

Messages of a frame's size, as many at once as mvc sends and asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

FRAME = bytes(5 << 19)
PUTS, GETS = 8, 4
OPTIONS = (
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_send_message_length", 4 << 20),
)


def main(what: str, port: str, size: str = "0") -> None:
    address = f"127.0.0.1:{port}"
    if what == "serve":
        serve(address)
        return
    frames = -(-int(size) // len(FRAME))
    with grpc.insecure_channel(address, OPTIONS) as channel:
        if what == "put":
            put = channel.unary_unary("/plain/Put")
            with ThreadPoolExecutor(PUTS) as pool:
                list(pool.map(lambda _: put(FRAME), range(frames)))
        else:
            get = channel.unary_stream("/plain/Get")
            shares = [frames * (n + 1) // GETS - frames * n // GETS for n in range(GETS)]
            with ThreadPoolExecutor(GETS) as pool:
                list(pool.map(lambda share: sum(1 for _ in get(b"%d" % share)), shares))


def serve(address: str) -> None:
    server = grpc.server(ThreadPoolExecutor(PUTS), options=OPTIONS)
    methods = {
        "Put": grpc.unary_unary_rpc_method_handler(lambda _frame, _context: b""),
        "Get": grpc.unary_stream_rpc_method_handler(_frames),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("plain", methods),))
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


def _frames(request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
    for _ in range(int(request)):
        yield FRAME


if __name__ == "__main__":
    main(*sys.argv[1:])
