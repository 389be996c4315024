"""Every error mvc raises on purpose, grouped by what a caller would do next.

    MvcError
    ├── UsageError            the request makes no sense            -> correct the call
    │   └── ExpressionError   ... at a place in an expression
    ├── NoRepository          nothing here is a repository          -> init, or go elsewhere
    ├── Busy                  somebody else holds what we need      -> wait, try again
    ├── AuthError             who you are does not suffice          -> log in, ask for a grant
    ├── NotPermitted          this machine lets us read at most     -> ask for the right, or make a copy
    ├── RemoteUnreachable     the other side does not answer        -> check the network, try again
    ├── DaemonError           the daemon is absent or refuses       -> start it
    ├── IntegrityError        bytes are not what was written        -> verify, restore from elsewhere
    │   ├── MissingObject     (also a KeyError)
    │   └── CorruptObject
    ├── Conflict              the world moved: a ref changed, work would be lost
    │   └── StaleReuse        an object this session relied on was collected -> snapshot again
    └── Failure               the request is sound but cannot be met (no such revision, path, ...)

`kind` is a stable code (append-only); `help` is the exact command or step that helps, if we know one;
`cause` says why. Messages are written for the person who reads them; nothing needs to parse them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class MvcError(Exception):
    """Base of all errors raised on purpose. `str(error)` is one line that says what failed."""

    default_kind: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        kind: str | None = None,
        cause: str | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind or self.default_kind
        self.cause = cause
        self.help = help
        self.more: Mapping[str, object] = {}
        """What a face may add for programs: fields of the error's JSON object."""


def with_cause(error: BaseException) -> str:
    """What failed and why, in one line."""
    cause = getattr(error, "cause", None)
    return f"{error}: {cause}" if cause else str(error) or type(error).__name__


class UsageError(MvcError):
    default_kind = "usage"


class ExpressionError(UsageError):
    """A mistake in `expression`: `length` characters from `start` on."""

    default_kind = "expression"

    def __init__(
        self,
        message: str,
        expression: str,
        *,
        start: int = 0,
        length: int = 1,
        kind: str | None = None,
        cause: str | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(message, kind=kind, cause=cause, help=help)
        self.expression = expression
        self.start = start
        self.length = length


class NoRepository(MvcError):
    default_kind = "no-repository"


class Busy(MvcError):
    default_kind = "busy"


class AuthError(MvcError):
    default_kind = "auth"


class NotPermitted(MvcError):
    default_kind = "permission"


class RemoteUnreachable(MvcError):
    default_kind = "remote-unreachable"


class DaemonError(MvcError):
    default_kind = "daemon"


class IntegrityError(MvcError):
    default_kind = "integrity"


class MissingObject(IntegrityError, KeyError):
    default_kind = "missing-object"

    __str__ = Exception.__str__  # KeyError would print the message as a repr


class CorruptObject(IntegrityError):
    default_kind = "corrupt-object"


class Conflict(MvcError):
    default_kind = "conflict"


class StaleReuse(Conflict):
    default_kind = "stale-reuse"


class Failure(MvcError):
    default_kind = "failure"
