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
    from mvc.api.commits import CommitResult
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
        NearOverlap,
        Overlap,
        PackageChange,
        SourceChange,
        Table,
        TableChange,
        TensorChanges,
        ValueChange,
    )
    from mvc.api.diskuse import (
        ComponentUse,
        DiskShares,
        DiskUse,
        FormUse,
        Growth,
        KeeperUse,
        PathUse,
        VersionUse,
    )
    from mvc.api.feed import Feed
    from mvc.api.imported import ImportedNames
    from mvc.api.interpreters import PackageDifference
    from mvc.api.lineage import Kin, Lineage, Origin
    from mvc.api.log import Log
    from mvc.api.picks import Picked, Stash, StashResult
    from mvc.api.pruning import PrunedVersion, PruneResult
    from mvc.api.remotes import (
        Clash,
        Clone,
        Fetch,
        Followed,
        Merge,
        MergeConflict,
        MovedRef,
        Presigned,
        Pull,
        Push,
        Remote,
        RemoteRef,
        RemoteReport,
    )
    from mvc.api.repo import Repo
    from mvc.api.results import (
        Annotation,
        Annotations,
        Check,
        CheckoutResult,
        CollectReport,
        Component,
        ComponentCommit,
        Explained,
        Harm,
        IgnoreMatch,
        Listed,
        Monitor,
        Operation,
        OptimizeReport,
        PathChange,
        PathEntry,
        PathRename,
        Provenance,
        StoreStats,
        SubPart,
        VerifyError,
        VerifyReport,
    )
    from mvc.api.runs import ReproducedFile, ReproducedMetric, Reproduction, RunResult
    from mvc.api.search import (
        Bisection,
        Blame,
        ComparedColumn,
        ComparedRow,
        Comparison,
        Extent,
        ExtentPoint,
        Point,
        Series,
        SinceParent,
        Turning,
    )
    from mvc.api.signatures import SignatureReport, SignatureStatus
    from mvc.api.stages import ChainReport, CheckedRequirement, GateFailed, Requirement, StageRecord
    from mvc.api.standing import Apart, Branch, Head, Status, Tag
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
    from mvc.api.versions import ComponentRoot, Pruned, Version
    from mvc.api.weights import (
        TensorDiff,
        TensorDistribution,
        TensorForm,
        TensorStatistics,
        Weights,
    )
    from mvc.api.write_verbs import Executable, Symlink, Transaction
    from mvc.importers.folders import import_folders
    from mvc.importers.hfsnapshots import import_hf
    from mvc.importers.history import GitImport, import_git
    from mvc.importers.mlflowruns import import_mlflow
    from mvc.importers.results import AbsentContent, ImportResult
    from mvc.importers.tfsteps import import_tf
    from mvc.integrations.attestations import Attestation, attest, verify_attestation
    from mvc.integrations.autolog import autolog
    from mvc.integrations.oci import (
        PulledArtifact,
        PushedArtifact,
        pull_artifact,
        push_artifact,
    )
    from mvc.training import checkpoint, log_metrics, log_params

_LAZY = {
    "mvc.api.diff": (
        "ArchitectureChange Column ColumnSummary DataChange Diff FileChanges Layer ModelChange "
        "ModuleParameters NearOverlap Overlap PackageChange SourceChange Table TableChange "
        "TensorChanges ValueChange"
    ),
    "mvc.api.remotes": (
        "Clash Clone Fetch Followed Merge MergeConflict MovedRef Presigned Pull Push Remote "
        "RemoteRef RemoteReport"
    ),
    "mvc.api.repo": "Repo",
    "mvc.api.results": (
        "Annotation Annotations Check CheckoutResult CollectReport Component ComponentCommit Explained "
        "Harm IgnoreMatch Listed Monitor Operation OptimizeReport PathChange PathEntry PathRename "
        "Provenance StoreStats SubPart VerifyError VerifyReport"
    ),
    "mvc.api.commits": "CommitResult",
    "mvc.api.standing": "Apart Branch Head Status Tag",
    "mvc.api.versions": "ComponentRoot Pruned Version",
    "mvc.api.signatures": "SignatureReport SignatureStatus",
    "mvc.api.audit": "AuditEntry AuditState",
    "mvc.api.backup": "StoreBackup",
    "mvc.api.card": "Card Catalogue",
    "mvc.api.credentials": "Login login logout whoami",
    "mvc.api.deploy": "DeployProblem DeployReport Export verify_deploy",
    "mvc.api.diskuse": (
        "ComponentUse DiskShares DiskUse FormUse Growth KeeperUse PathUse VersionUse"
    ),
    "mvc.api.imported": "ImportedNames",
    "mvc.api.lineage": "Kin Lineage Origin",
    "mvc.api.log": "Log",
    "mvc.api.picks": "Picked Stash StashResult",
    "mvc.api.pruning": "PruneResult PrunedVersion",
    "mvc.api.interpreters": "PackageDifference",
    "mvc.api.runs": "ReproducedFile ReproducedMetric Reproduction RunResult",
    "mvc.api.search": (
        "Bisection Blame ComparedColumn ComparedRow Comparison Extent ExtentPoint Point Series "
        "SinceParent Turning"
    ),
    "mvc.api.stages": "ChainReport CheckedRequirement GateFailed Requirement StageRecord",
    "mvc.api.team": (
        "Account AccountGrant AccountToken HostedRepository RefRule StorageQuota TeamServer "
        "TokenScope"
    ),
    "mvc.api.weights": "TensorDiff TensorDistribution TensorForm TensorStatistics Weights",
    "mvc.api.feed": "Feed",
    "mvc.api.write_verbs": "Executable Symlink Transaction",
    "mvc.importers.folders": "import_folders",
    "mvc.importers.hfsnapshots": "import_hf",
    "mvc.importers.history": "GitImport import_git",
    "mvc.importers.mlflowruns": "import_mlflow",
    "mvc.importers.results": "AbsentContent ImportResult",
    "mvc.importers.tfsteps": "import_tf",
    "mvc.integrations.attestations": "Attestation attest verify_attestation",
    "mvc.integrations.autolog": "autolog",
    "mvc.integrations.oci": "PulledArtifact PushedArtifact pull_artifact push_artifact",
    "mvc.training": "checkpoint log_metrics log_params",
}
"""Names by the module that they come from when they are first used."""
_HOME = {name: module for module, names in _LAZY.items() for name in names.split()}

__all__ = [
    "AbsentContent",
    "Account",
    "AccountGrant",
    "AccountToken",
    "Annotation",
    "Annotations",
    "Apart",
    "ArchitectureChange",
    "Attestation",
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
    "ComponentUse",
    "Conflict",
    "CorruptObject",
    "DaemonError",
    "DataChange",
    "DeployProblem",
    "DeployReport",
    "Diff",
    "DiskShares",
    "DiskUse",
    "Executable",
    "Explained",
    "Export",
    "ExpressionError",
    "Extent",
    "ExtentPoint",
    "Failure",
    "Feed",
    "Fetch",
    "FileChanges",
    "Followed",
    "FormUse",
    "GateFailed",
    "GitImport",
    "Growth",
    "Harm",
    "Head",
    "HostedRepository",
    "IgnoreMatch",
    "ImportResult",
    "ImportedNames",
    "IntegrityError",
    "KeeperUse",
    "Kin",
    "Layer",
    "Lineage",
    "Listed",
    "Log",
    "Login",
    "Merge",
    "MergeConflict",
    "MissingObject",
    "ModelChange",
    "ModuleParameters",
    "Monitor",
    "MovedRef",
    "MvcError",
    "NearOverlap",
    "NoRepository",
    "NotPermitted",
    "Operation",
    "OptimizeReport",
    "Origin",
    "Overlap",
    "PackageChange",
    "PackageDifference",
    "PathChange",
    "PathEntry",
    "PathRename",
    "PathUse",
    "Picked",
    "Point",
    "Presigned",
    "Provenance",
    "PruneResult",
    "Pruned",
    "PrunedVersion",
    "Pull",
    "PulledArtifact",
    "Push",
    "PushedArtifact",
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
    "SinceParent",
    "SourceChange",
    "StageRecord",
    "StaleReuse",
    "Stash",
    "StashResult",
    "Status",
    "StorageQuota",
    "StoreBackup",
    "StoreStats",
    "SubPart",
    "Symlink",
    "Table",
    "TableChange",
    "Tag",
    "TeamServer",
    "TensorChanges",
    "TensorDiff",
    "TensorDistribution",
    "TensorForm",
    "TensorStatistics",
    "TokenScope",
    "Transaction",
    "Turning",
    "UsageError",
    "ValueChange",
    "VerifyError",
    "VerifyReport",
    "Version",
    "VersionUse",
    "Weights",
    "__version__",
    "attest",
    "autolog",
    "checkpoint",
    "import_folders",
    "import_git",
    "import_hf",
    "import_mlflow",
    "import_tf",
    "log_metrics",
    "log_params",
    "login",
    "logout",
    "pull_artifact",
    "push_artifact",
    "verify_attestation",
    "verify_deploy",
    "whoami",
]


def load_ipython_extension(shell: Any) -> None:
    """Adds `%mvc` to a notebook: `%load_ext mvc`. Raises ImportError where IPython is not installed."""
    from mvc.integrations.jupyter import register  # late: start-up

    register(shell)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mvc' has no attribute {name!r}")
    from importlib import import_module  # late: start-up

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
