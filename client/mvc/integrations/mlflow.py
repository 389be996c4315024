"""MLflow keeps artifacts in versions: `artifact_location="mvc:///home/ada/iris@mlruns/e1"`, or for a whole team
`mlflow server --artifacts-destination mvc:///srv/models/iris@mlruns`, whose clients need no mvc.

Each artifact, or directory of artifacts, that a run logs is a version of the branch; many clients log at once,
and none is lost. A run that begins in a workspace has its version, branch and state among its tags.

Registered as `mlflow.artifact_repository` and `mlflow.run_context_provider`.
"""

from __future__ import annotations

import os
import posixpath
import shutil

try:
    from mlflow.entities import FileInfo
    from mlflow.store.artifact.artifact_repo import ArtifactRepository, verify_artifact_path
    from mlflow.tracking.context.abstract_context import RunContextProvider
except ImportError as error:
    raise ImportError("mvc with MLflow needs it: pip install 'mvcd[mlflow]'") from error

from mvc.api.errors import Failure, MvcError
from mvc.api.places import Place, Places
from mvc.integrations.addresses import Address

_COPY_BYTES = 1 << 20


class MvcArtifactRepository(ArtifactRepository):  # type: ignore[misc]
    """The artifacts of one run, below a path of a branch."""

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._address = Address.parse(artifact_uri)
        self._places = Places()

    @property
    def _place(self) -> Place:
        return self._places.at(self._address.place())

    def _inside(self, *parts: str | None) -> str:
        return posixpath.normpath(posixpath.join(self._address.path, *(p for p in parts if p)))

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Makes a version with the file."""
        verify_artifact_path(artifact_path)
        path = self._inside(artifact_path, os.path.basename(local_file))
        self._place.write(self._address.rev, {path: os.path.abspath(local_file)}, f"Log {path}")

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Makes one version with all files below a directory."""
        verify_artifact_path(artifact_path)
        path = self._inside(artifact_path)
        with os.scandir(local_dir) as found:
            files = {posixpath.join(path, entry.name): entry.path for entry in found}
        if files:
            self._place.write(self._address.rev, files, f"Log {path}")

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Lists what lies directly in a directory of the run, by name; nothing for a file."""
        inside = self._inside(path)
        try:
            version = self._place.resolve(self._address.rev)
            if self._place.repo.stat(inside, version).kind != "directory":
                return []
            rows = list(self._place.repo.ls(version, inside, recursive=False))
        except Failure as failure:
            if failure.kind in ("no-such-path", "unknown-revision"):
                return []
            raise
        top = self._address.path or "."
        listed = [(posixpath.relpath(row.path, top), row) for row in rows]
        return [
            FileInfo(name, row.kind == "directory", None if row.kind == "directory" else row.size)
            for name, row in sorted(listed, key=lambda one: one[0])
        ]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        version = self._place.resolve(self._address.rev)
        inside = self._inside(remote_file_path)
        with self._place.repo.open(inside, version) as source, open(local_path, "wb") as target:
            shutil.copyfileobj(source, target, _COPY_BYTES)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Makes a version without a file or directory of the run; older versions keep it."""
        path = self._inside(artifact_path)
        try:
            self._place.write(self._address.rev, {path: None}, f"Delete {path}")
        except Failure as failure:
            if failure.kind != "no-such-path":
                raise


class VersionContext(RunContextProvider):  # type: ignore[misc]
    """Gives a run the tags `mvc.version`, `mvc.branch` and `mvc.dirty` of the workspace that it begins in."""

    def in_context(self) -> bool:
        """Tells whether the current directory is in a repository with a version."""
        return bool(self.tags())

    def tags(self) -> dict[str, str]:
        """Returns the tags; none where there is no version, and none where it cannot be told."""
        from mvc.api.repo import Repo  # late: start-up

        try:
            repo = Repo.open(".")
        except MvcError:
            return {}
        try:
            head = repo.head
            if not head.number or repo._core.place.bare:
                return {}
            told = {"mvc.version": head.version, "mvc.dirty": str(not repo.status().clean).lower()}
            return told if head.branch is None else told | {"mvc.branch": head.branch}
        except MvcError:
            return {}
        finally:
            repo.close()
