"""Errors on the wire: one table, both ways (proto/README.md, section Errors).

An error travels as google.rpc.Status with one ErrorInfo of domain "mvc": its reason is our stable `kind`, its
metadata the class, cause and help. So a person sees the same words and exit code whether a repository is here
or far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from mvcd import errors
from mvcd.errors import MvcError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOMAIN = "mvc"
MAX_TEXT_BYTES = 600
"""Bytes of a message, cause or help. Trailers have 8 KiB, and gRPC writes each byte of a message beyond ASCII
as three."""

CODES: Mapping[type[MvcError], int] = {
    errors.UsageError: code_pb2.INVALID_ARGUMENT,
    errors.NoRepository: code_pb2.NOT_FOUND,
    errors.Busy: code_pb2.RESOURCE_EXHAUSTED,
    errors.NotPermitted: code_pb2.PERMISSION_DENIED,
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

CLOSED = "Channel closed"
"""How gRPC says that it was we who cancelled a call, by closing."""
RETRIED = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
"""Codes after which the same call is made again. So it is after Busy, and after a RESOURCE_EXHAUSTED that
is not ours: a server turns calls away before any of our code runs."""
TOO_LARGE = "larger than max"
"""In gRPC's own words for a message beyond the limit, which no repetition makes smaller."""
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
            metadata[name] = _cut(text)
    info = error_details_pb2.ErrorInfo(reason=error.kind, domain=DOMAIN, metadata=metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    status = status_pb2.Status(
        code=KIND_CODES.get(error.kind, CODES.get(cls, code_pb2.FAILED_PRECONDITION)),
        message=_cut(str(error)),
        details=[detail],
    )
    return rpc_status.to_status(status)


def _cut(text: str) -> str:
    return text.encode("utf-8", "replace")[:MAX_TEXT_BYTES].decode("utf-8", "ignore")


def may_repeat(error: grpc.RpcError) -> bool:
    """Whether the same call may succeed a little later."""
    if not isinstance(error, grpc.Call):
        return False
    if (
        error.code() is grpc.StatusCode.CANCELLED
    ):  # a server that ends cancels what it had not begun
        return CLOSED not in (error.details() or "")
    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
        return error.code() in RETRIED
    _, info = _detail(error)
    return TOO_LARGE not in (error.details() or "") if info is None else info.reason == "busy"


def retrying(error: MvcError, seconds: float) -> str:
    """What to say while the call that ended so is made again. Of gRPC's chain of causes the last one tells."""
    last = _last(error.cause or "")
    cause = f" ({last})" if last else ""
    return f"{error}{cause}; trying again for up to {seconds:.0f} s"


def _last(text: str) -> str:
    """The last of gRPC's chain of causes, within a sentence."""
    last = text.rpartition(": ")[2]
    return last if last[1:2].isupper() else last[:1].lower() + last[1:]


def _detail(error: grpc.RpcError) -> tuple[status_pb2.Status, error_details_pb2.ErrorInfo | None]:
    """The status that a server sent, and what in it is ours."""
    try:
        status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
    except (ValueError, DecodeError):
        status = None  # the details are another's, or contradict the code
    if status is None:
        return status_pb2.Status(), None
    info = error_details_pb2.ErrorInfo()
    details: Sequence[any_pb2.Any] = status.details
    for detail in details:
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            return status, info
    return status, None


def to_error(error: grpc.RpcError, url: str) -> MvcError:
    """The error that a server meant, or the one that fits what the channel says."""
    status, info = _detail(error)
    if info is not None:
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
        return cls(
            f"{url} does not answer", cause=_last(text), help="check the address and the network"
        )
    return cls(f"{url} refused: {text}", cause=code.name.lower().replace("_", " "))
