"""Aliases of a registered model of MLflow and stages of a repository: one follows the other.

A version of a registered model stands for a version of the repository by its artifacts: at `mvc://REPO@v12/...`
it is v12; on a branch, where MLflow logs them, it is the version that last changed them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

try:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
except ImportError as error:
    raise ImportError("mvc with MLflow needs it: pip install 'mvcd[mlflow]'") from error

from mvc.api.errors import MvcError
from mvc.api.places import Places
from mvc.api.repo import Repo
from mvc.api.version_paths import long_form
from mvc.integrations.addresses import PROTOCOL, Address

_PROXIED = "mlflow-artifacts"


@dataclass(frozen=True, slots=True)
class AliasMove:
    """An alias and the stage of the same name. `changed` tells whether one of them was moved now;
    `model_version` and `version` are what they are at, "" for none. `problem` says why they differ, "" if they
    do not."""

    name: str
    model_version: str
    version: str
    changed: bool
    problem: str = ""


def stages_to_aliases(
    repo: Repo,
    model: str,
    *,
    destination: str | None = None,
    client: MlflowClient | None = None,
) -> tuple[AliasMove, ...]:
    """Gives versions of a registered model the aliases that are named like the stages of `repo`, of which each
    stays at the version that holds it; the alias of a stage that was withdrawn is deleted. Other aliases stay.

    `destination` is the server's `--artifacts-destination`, where a server keeps the artifacts. What cannot be
    moved is told in its `problem`. Raises MlflowException if there is no such model.
    """
    return tuple(_Model(repo, model, destination, client or MlflowClient()).follow_stages())


def aliases_to_stages(
    repo: Repo,
    model: str,
    *,
    destination: str | None = None,
    client: MlflowClient | None = None,
    author: str | None = None,
) -> tuple[AliasMove, ...]:
    """Promotes to stages that are named like the aliases of a registered model what these are at, unless it
    holds them already. The rules of `mvc.toml` hold; what they refuse is told in its `problem`. A stage whose
    alias was deleted stays.

    `destination` and what is raised are as for `stages_to_aliases`.
    """
    found = _Model(repo, model, destination, client or MlflowClient())
    return tuple(found.follow_aliases(author))


class _Model:
    """A registered model, and the repository that has its artifacts."""

    def __init__(
        self, repo: Repo, name: str, destination: str | None, client: MlflowClient
    ) -> None:
        self._repo, self._name, self._client = repo, name, client
        self._destination = None if destination is None else Address.parse(destination)
        self._aliases: dict[str, str] = {
            alias: str(number)
            for alias, number in client.get_registered_model(name).aliases.items()
        }
        self._stages = {record.stage: record for record in repo.stages()}

    def follow_stages(self) -> Iterator[AliasMove]:
        numbers = self._numbers() if any(r.live for r in self._stages.values()) else {}
        for stage, record in sorted(self._stages.items()):
            before = self._aliases.get(stage)
            wanted = numbers.get(record.version) if record.live else None
            at = record.version if record.live else ""
            if record.live and wanted is None:
                why = f"no version of {self._name} has the files of v{record.version_number}"
                yield AliasMove(stage, before or "", at, False, why)
                continue
            try:
                if before != wanted and wanted is None:
                    self._client.delete_registered_model_alias(self._name, stage)
                elif before != wanted:
                    self._client.set_registered_model_alias(self._name, stage, wanted)
            except MlflowException as problem:  # of a name that MLflow keeps for itself, as latest
                yield AliasMove(stage, before or "", at, False, str(problem))
                continue
            yield AliasMove(stage, wanted or "", at, before != wanted)

    def _numbers(self) -> dict[str, str]:
        """The newest version of the model by each version of the repository."""
        query = "name='" + self._name.replace("'", "''") + "'"
        found = dict[str, str]()
        token = None
        while True:
            page = self._client.search_model_versions(query, page_token=token)
            for row in page:
                version, _ = self._version(str(row.version))
                if version and int(row.version) > int(found.get(version, 0)):
                    found[version] = str(row.version)
            token = page.token
            if not token:
                return found

    def follow_aliases(self, author: str | None) -> Iterator[AliasMove]:
        for alias, number in sorted(self._aliases.items()):
            version, why = self._version(number)
            record = self._stages.get(alias)
            held = record is not None and record.live and record.version == version
            if version and not held:
                reason = f"alias of {self._name} {number} in MLflow"
                try:
                    self._repo.promote(version, alias, reason=reason, author=author)
                except MvcError as problem:
                    why = f"{problem}: {problem.cause}" if problem.cause else str(problem)
            yield AliasMove(alias, number, version, bool(version) and not held and not why, why)

    def _version(self, number: str) -> tuple[str, str]:
        """The version of the repository that a version of the model stands for, or why there is none."""
        uri = self._client.get_model_version_download_uri(self._name, number)
        scheme, path = urlsplit(uri).scheme, urlsplit(uri).path
        if scheme == PROTOCOL:
            address = Address.parse(uri)
        elif scheme == _PROXIED and self._destination is not None:
            top = self._destination
            address = top.at("/".join(p for p in (top.path, path.strip("/")) if p))
        else:
            return "", f"{self._name} {number} is at {uri}, which is no repository"
        try:
            if not self._is_here(address):
                return "", f"{self._name} {number} is in another repository, {address.place()}"
            branches = {branch.name for branch in self._repo.branches()}
            if address.rev not in branches:
                return self._repo.resolve(address.rev), ""
            rev = long_form(f"heads/{address.rev}")
            if not address.path:
                return self._repo.resolve(rev), ""
            return self._repo.blame(address.path, rev).version.id, ""
        except MvcError as problem:
            return "", f"{self._name} {number}: {problem}"

    def _is_here(self, address: Address) -> bool:
        """Whether an address is of this repository, or of one of its remotes."""
        if "://" in (place := address.place()):
            return any(remote.url.endswith(f"://{address.repo}") for remote in self._repo.remotes())
        places = Places()
        try:
            return os.path.samefile(places.at(place).repo.store_path, self._repo.store_path)
        finally:
            places.close()
