"""The service's methods as gRPC wants them, made from its descriptor.

A request that cannot be parsed is refused here and not by gRPC, which answers INTERNAL and leaves the stream
open: 64 of them and the connection takes no more calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from mvcd.errors import UsageError
from mvcd.wire.carriers import GetReply, PutRequest
from mvcd.wire.status import to_status
from mvcd.wire.v1 import remote_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["Remote"]

_PARSERS: dict[str, Callable[[bytes], Any]] = {"PutRequest": PutRequest.parse}
_SERIALIZERS: dict[str, Callable[[Any], bytes]] = {"GetReply": GetReply.serialize}

_POOL = "experimental_thread_pool"  # gRPC's name; without it the server's threads would do

Behaviour = Callable[[Any, grpc.ServicerContext], Any]


def handlers(
    servicer: object, pools: Mapping[str, ThreadPoolExecutor] | None = None
) -> grpc.GenericRpcHandler:
    """A handler for each method of the service; what is not in the schema is UNIMPLEMENTED. `pools` are threads
    for one method alone: a request is read when a thread takes it up."""
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in SERVICE.methods:
        request, reply = method.input_type.name, method.output_type.name
        parse = _PARSERS.get(request, getattr(pb, request).FromString)
        serialize = _SERIALIZERS.get(reply, getattr(pb, reply).SerializeToString)
        make = (
            grpc.unary_stream_rpc_method_handler
            if method.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        behaviour = _refusing(getattr(servicer, method.name))
        in_pool(behaviour, (pools or {}).get(method.name))
        methods[method.name] = make(behaviour, _parser(request, parse), serialize)
    return grpc.method_handlers_generic_handler(SERVICE.full_name, methods)


def in_pool(behaviour: Callable[..., Any], pool: ThreadPoolExecutor | None) -> None:
    """Lets gRPC run a method's behaviour in threads of its own."""
    if pool is not None:
        vars(behaviour)[_POOL] = pool


def pool_of(behaviour: Callable[..., Any] | None) -> ThreadPoolExecutor | None:
    """Returns the pool that `in_pool` gave a behaviour, for code that wraps it."""
    return getattr(behaviour, _POOL, None)


class Malformed:
    """What stands for a request that was none."""

    def __init__(self, kind: str, size: int) -> None:
        self.kind = kind
        self._size = size

    def __len__(self) -> int:
        return self._size


def _parser(kind: str, parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def parsed(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            return Malformed(kind, len(data))

    return parsed


def _refusing(behaviour: Behaviour) -> Behaviour:
    def sound(request: Any, context: grpc.ServicerContext) -> Any:
        if isinstance(request, Malformed):
            error = UsageError(f"these bytes are no {request.kind}", kind="bad-message")
            context.abort_with_status(to_status(error))
        return behaviour(request, context)

    return sound
