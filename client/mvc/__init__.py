"""mvc: version control for machine-learning models.

    import mvc
    repo = mvc.Repo('.')
    with repo:
        repo.add('model.pkl')
        repo.commit('Add initial model')
    diff = repo.diff('HEAD~1')
    repo.checkout('HEAD~1')

Importing the package is light: it loads the exceptions and nothing else. Everything below comes when it is
first used, so a training script pays only for what it calls, and only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mvc.api.errors import (
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
    __version__,
)

if TYPE_CHECKING:
    from mvc.api.audit import AuditEntry, AuditState
    from mvc.api.backup import StoreBackup
    from mvc.api.card import Card, Catalogue
    from mvc.api.credentials import Login, login, logout, whoami
    from mvc.api.deploy import DeployProblem, DeployReport, Export, verify_deploy
    from mvc.api.diff import (
        ArchitectureChange,
        Column,
        ColumnSummary,
        DataChange,
        Diff,
        FileChanges,
        Layer,
        ModelChange,
        ModuleParameters,
        Overlap,
        PackageChange,
        SourceChange,
        Table,
        TableChange,
        TensorChanges,
        ValueChange,
    )
    from mvc.api.lineage import Kin, Lineage, Origin
    from mvc.api.remotes import (
        Clash,
        Clone,
        Fetch,
        Followed,
        Merge,
        MergeConflict,
        MovedRef,
        Pull,
        Push,
        Remote,
        RemoteRef,
        RemoteReport,
    )
    from mvc.api.repo import Repo
    from mvc.api.results import (
        Branch,
        Check,
        CheckoutResult,
        CollectReport,
        CommitResult,
        Component,
        ComponentCommit,
        ComponentRoot,
        Harm,
        Head,
        IgnoreMatch,
        Listed,
        Monitor,
        Operation,
        PathChange,
        Provenance,
        Status,
        StoreStats,
        Tag,
        VerifyError,
        VerifyReport,
        Version,
    )
    from mvc.api.runs import ReproducedFile, ReproducedMetric, Reproduction, RunResult
    from mvc.api.search import (
        Bisection,
        Blame,
        ComparedColumn,
        ComparedRow,
        Comparison,
        Point,
        Series,
        Turning,
    )
    from mvc.api.signatures import SignatureReport, SignatureStatus
    from mvc.api.stages import ChainReport, CheckedRequirement, GateFailed, Requirement, StageRecord
    from mvc.api.team import (
        Account,
        AccountGrant,
        AccountToken,
        HostedRepository,
        RefRule,
        StorageQuota,
        TeamServer,
        TokenScope,
    )
    from mvc.api.weights import TensorDiff, TensorForm, TensorStatistics, Weights
    from mvc.training import checkpoint, log_metrics, log_params

_LAZY = {
    "mvc.api.diff": (
        "ArchitectureChange",
        "Column",
        "ColumnSummary",
        "DataChange",
        "Diff",
        "FileChanges",
        "Layer",
        "ModelChange",
        "ModuleParameters",
        "Overlap",
        "PackageChange",
        "SourceChange",
        "Table",
        "TableChange",
        "TensorChanges",
        "ValueChange",
    ),
    "mvc.api.remotes": (
        "Clash",
        "Clone",
        "Fetch",
        "Followed",
        "Merge",
        "MergeConflict",
        "MovedRef",
        "Pull",
        "Push",
        "Remote",
        "RemoteRef",
        "RemoteReport",
    ),
    "mvc.api.repo": ("Repo",),
    "mvc.api.results": (
        "Branch",
        "Check",
        "CheckoutResult",
        "CollectReport",
        "CommitResult",
        "Component",
        "ComponentCommit",
        "ComponentRoot",
        "Harm",
        "Head",
        "IgnoreMatch",
        "Listed",
        "Monitor",
        "Operation",
        "PathChange",
        "Provenance",
        "Status",
        "StoreStats",
        "Tag",
        "VerifyError",
        "VerifyReport",
        "Version",
    ),
    "mvc.api.signatures": ("SignatureReport", "SignatureStatus"),
    "mvc.api.audit": ("AuditEntry", "AuditState"),
    "mvc.api.backup": ("StoreBackup",),
    "mvc.api.card": ("Card", "Catalogue"),
    "mvc.api.credentials": ("Login", "login", "logout", "whoami"),
    "mvc.api.deploy": ("DeployProblem", "DeployReport", "Export", "verify_deploy"),
    "mvc.api.lineage": ("Kin", "Lineage", "Origin"),
    "mvc.api.runs": ("ReproducedFile", "ReproducedMetric", "Reproduction", "RunResult"),
    "mvc.api.search": (
        "Bisection",
        "Blame",
        "ComparedColumn",
        "ComparedRow",
        "Comparison",
        "Point",
        "Series",
        "Turning",
    ),
    "mvc.api.stages": (
        "ChainReport",
        "CheckedRequirement",
        "GateFailed",
        "Requirement",
        "StageRecord",
    ),
    "mvc.api.team": (
        "Account",
        "AccountGrant",
        "AccountToken",
        "HostedRepository",
        "RefRule",
        "StorageQuota",
        "TeamServer",
        "TokenScope",
    ),
    "mvc.api.weights": ("TensorDiff", "TensorForm", "TensorStatistics", "Weights"),
    "mvc.training": ("checkpoint", "log_metrics", "log_params"),
}
_HOME = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "Account",
    "AccountGrant",
    "AccountToken",
    "ArchitectureChange",
    "AuditEntry",
    "AuditState",
    "AuthError",
    "Bisection",
    "Blame",
    "Branch",
    "Busy",
    "Card",
    "Catalogue",
    "ChainReport",
    "Check",
    "CheckedRequirement",
    "CheckoutResult",
    "Clash",
    "Clone",
    "CollectReport",
    "Column",
    "ColumnSummary",
    "CommitResult",
    "ComparedColumn",
    "ComparedRow",
    "Comparison",
    "Component",
    "ComponentCommit",
    "ComponentRoot",
    "Conflict",
    "CorruptObject",
    "DaemonError",
    "DataChange",
    "DeployProblem",
    "DeployReport",
    "Diff",
    "Export",
    "ExpressionError",
    "Failure",
    "Fetch",
    "FileChanges",
    "Followed",
    "GateFailed",
    "Harm",
    "Head",
    "HostedRepository",
    "IgnoreMatch",
    "IntegrityError",
    "Kin",
    "Layer",
    "Lineage",
    "Listed",
    "Login",
    "Merge",
    "MergeConflict",
    "MissingObject",
    "ModelChange",
    "ModuleParameters",
    "Monitor",
    "MovedRef",
    "MvcError",
    "NoRepository",
    "NotPermitted",
    "Operation",
    "Origin",
    "Overlap",
    "PackageChange",
    "PathChange",
    "Point",
    "Provenance",
    "Pull",
    "Push",
    "RefRule",
    "Remote",
    "RemoteRef",
    "RemoteReport",
    "RemoteUnreachable",
    "Repo",
    "ReproducedFile",
    "ReproducedMetric",
    "Reproduction",
    "Requirement",
    "RunResult",
    "Series",
    "SignatureReport",
    "SignatureStatus",
    "SourceChange",
    "StageRecord",
    "StaleReuse",
    "Status",
    "StorageQuota",
    "StoreBackup",
    "StoreStats",
    "Table",
    "TableChange",
    "Tag",
    "TeamServer",
    "TensorChanges",
    "TensorDiff",
    "TensorForm",
    "TensorStatistics",
    "TokenScope",
    "Turning",
    "UsageError",
    "ValueChange",
    "VerifyError",
    "VerifyReport",
    "Version",
    "Weights",
    "__version__",
    "checkpoint",
    "log_metrics",
    "log_params",
    "login",
    "logout",
    "verify_deploy",
    "whoami",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mvc' has no attribute {name!r}")
    from importlib import import_module  # late: start-up

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
