"""Errors on the wire: one table, both ways (proto/README.md, section Errors).

An error travels as google.rpc.Status with one ErrorInfo of domain "mvc": its reason is our stable `kind`, its
metadata the class, cause and help. So a person sees the same words and exit code whether a repository is here
or far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from mvcd import errors
from mvcd.errors import MvcError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOMAIN = "mvc"
MAX_TEXT = 2000
"""Characters of a message, cause or help: trailers have 8 KiB."""

CODES: Mapping[type[MvcError], int] = {
    errors.UsageError: code_pb2.INVALID_ARGUMENT,
    errors.NoRepository: code_pb2.NOT_FOUND,
    errors.Busy: code_pb2.RESOURCE_EXHAUSTED,
    errors.AuthError: code_pb2.PERMISSION_DENIED,
    errors.MissingObject: code_pb2.FAILED_PRECONDITION,
    errors.CorruptObject: code_pb2.DATA_LOSS,
    errors.IntegrityError: code_pb2.DATA_LOSS,
    errors.StaleReuse: code_pb2.ABORTED,
    errors.Conflict: code_pb2.ABORTED,
    errors.Failure: code_pb2.FAILED_PRECONDITION,
    errors.DaemonError: code_pb2.UNAVAILABLE,
    errors.RemoteUnreachable: code_pb2.UNAVAILABLE,
}
"""The most special class comes first."""

KIND_CODES = {"unauthenticated": code_pb2.UNAUTHENTICATED, "quota": code_pb2.RESOURCE_EXHAUSTED}
"""Kinds with a code of their own."""

RETRIED = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_CLASSES = {cls.__name__: cls for cls in CODES}
_BY_CODE: Mapping[grpc.StatusCode, type[MvcError]] = {
    grpc.StatusCode.UNAVAILABLE: errors.RemoteUnreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.RemoteUnreachable,
    grpc.StatusCode.UNAUTHENTICATED: errors.AuthError,
    grpc.StatusCode.PERMISSION_DENIED: errors.AuthError,
    grpc.StatusCode.NOT_FOUND: errors.NoRepository,
    grpc.StatusCode.DATA_LOSS: errors.CorruptObject,
    grpc.StatusCode.ABORTED: errors.Conflict,
    grpc.StatusCode.INVALID_ARGUMENT: errors.UsageError,
}
"""For replies without our detail: a proxy's, or another implementation's."""


def to_status(error: MvcError) -> grpc.Status:
    """What a server aborts a call with."""
    cls = next((c for c in CODES if isinstance(error, c)), errors.Failure)
    metadata = {"class": cls.__name__}
    for name, text in (("cause", error.cause), ("help", error.help)):
        if text:
            metadata[name] = text[:MAX_TEXT]
    info = error_details_pb2.ErrorInfo(reason=error.kind, domain=DOMAIN, metadata=metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    status = status_pb2.Status(
        code=KIND_CODES.get(error.kind, CODES.get(cls, code_pb2.FAILED_PRECONDITION)),
        message=str(error)[:MAX_TEXT],
        details=[detail],
    )
    return rpc_status.to_status(status)


def to_error(error: grpc.RpcError, url: str) -> MvcError:
    """The error that a server meant, or the one that fits what the channel says."""
    status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
    info = error_details_pb2.ErrorInfo()
    if status is None:
        status = status_pb2.Status()
    details: Sequence[any_pb2.Any] = status.details
    for detail in details:
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            cls = _CLASSES.get(info.metadata.get("class", ""), errors.Failure)
            return cls(
                status.message,
                kind=info.reason or None,
                cause=info.metadata.get("cause"),
                help=info.metadata.get("help"),
            )
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    text = (error.details() if isinstance(error, grpc.Call) else str(error)) or code.name
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return errors.Failure(
            f"{url} does not know this call", kind="unimplemented", cause=text,
            help="is it an mvc server of the same protocol? mvc version",
        )  # fmt: skip
    cls = _BY_CODE.get(code, errors.Failure)
    if cls is errors.RemoteUnreachable:
        return cls(f"{url} does not answer", cause=text, help="check the address and the network")
    return cls(f"{url} refused: {text}", cause=code.name.lower().replace("_", " "))
