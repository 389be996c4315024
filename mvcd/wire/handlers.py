"""The service's methods as gRPC wants them, made from its descriptor.

Requests are parsed here and not by gRPC's generated code, which answers bytes that are no message with
INTERNAL and leaves the stream open: 64 of them and the connection takes no more calls.
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
            _parsing(kind, getattr(servicer, method.name)), None, reply.SerializeToString
        )
    return grpc.method_handlers_generic_handler(SERVICE.full_name, methods)


def _parsing(kind: Any, behaviour: Behaviour) -> Behaviour:
    def parsed(data: bytes, context: grpc.ServicerContext) -> Any:
        try:
            request = kind.FromString(data)
        except DecodeError:
            refusal = UsageError(f"these bytes are no {kind.__name__}", kind="bad-message")
            context.abort_with_status(to_status(refusal))
        return behaviour(request, context)

    return parsed
