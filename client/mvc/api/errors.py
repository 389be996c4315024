"""The exceptions that mvc raises on purpose; `mvcd.errors` has the tree and what each one means. And what the
system refuses, by error number: `mvcd.disk.refusals` has the table."""

from mvcd import __version__
from mvcd.disk.refusals import REFUSALS
from mvcd.errors import (
    AuthError,
    Busy,
    Conflict,
    CorruptObject,
    DaemonError,
    ExpressionError,
    Failure,
    IntegrityError,
    MissingObject,
    MvcError,
    NoRepository,
    NotPermitted,
    RemoteUnreachable,
    StaleReuse,
    UsageError,
    with_cause,
)

__all__ = [
    "REFUSALS",
    "AuthError",
    "Busy",
    "Conflict",
    "CorruptObject",
    "DaemonError",
    "ExpressionError",
    "Failure",
    "IntegrityError",
    "MissingObject",
    "MvcError",
    "NoRepository",
    "NotPermitted",
    "RemoteUnreachable",
    "StaleReuse",
    "UsageError",
    "__version__",
    "with_cause",
]
