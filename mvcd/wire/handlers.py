"""The service's methods as gRPC wants them, made from its descriptor.

A request that cannot be parsed is refused here and not by gRPC, which answers INTERNAL and leaves the stream
open: 64 of them and the connection takes no more calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from mvcd.errors import UsageError
from mvcd.wire.status import to_status
from mvcd.wire.v1 import remote_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["Remote"]

Behaviour = Callable[[Any, grpc.ServicerContext], Any]


def handlers(servicer: object) -> grpc.GenericRpcHandler:
    """A handler for each method of the service; what is not in the schema is UNIMPLEMENTED."""
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in SERVICE.methods:
        kind, reply = (getattr(pb, one.name) for one in (method.input_type, method.output_type))
        make = (
            grpc.unary_stream_rpc_method_handler
            if method.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        methods[method.name] = make(
            _refusing(getattr(servicer, method.name)), _parser(kind), reply.SerializeToString
        )
    return grpc.method_handlers_generic_handler(SERVICE.full_name, methods)


class Malformed:
    """What stands for a request that was none."""

    def __init__(self, kind: str, size: int) -> None:
        self.kind = kind
        self._size = size

    def __len__(self) -> int:
        return self._size


def _parser(kind: Any) -> Callable[[bytes], Any]:
    def parse(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            return Malformed(kind.__name__, len(data))

    return parse


def _refusing(behaviour: Behaviour) -> Behaviour:
    def sound(request: Any, context: grpc.ServicerContext) -> Any:
        if isinstance(request, Malformed):
            error = UsageError(f"these bytes are no {request.kind}", kind="bad-message")
            context.abort_with_status(to_status(error))
        return behaviour(request, context)

    return sound
