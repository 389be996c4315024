"""The repository, version and files that a request is about."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from starlette.requests import Request

from mvcd.errors import Failure
from mvcd.hub.repoids import is_sha, sha_of, team_name
from mvcd.hub.site import HubSite
from mvcd.ids import Kind, VersionId
from mvcd.objects.version import Component
from mvcd.repo.contents.files import CachingFetch, Placed, VersionFiles
from mvcd.repo.core.kept_here import require_here
from mvcd.repo.records.refs import DEFAULT_BRANCH, EMPTY_ID, HEADS, TAGS, target_of
from mvcd.team.host import TeamRepository
from mvcd.team.teamcore import TeamCore
from mvcd.wire.host import Access


@dataclass(frozen=True)
class AskedRepo:
    """A repository for who asks. `kind` and `repo` are its name on the Hub, `name` the team's."""

    site: HubSite
    kind: str
    repo: str
    name: str
    hosted: TeamRepository

    @cached_property
    def core(self) -> TeamCore:
        path = self.site.host.root.repository_path(self.name)
        return TeamCore(self.hosted, path, self.site.now_us)

    def refs(self, space: str) -> dict[str, VersionId]:
        """The branches or tags that the caller may know of, by name without `space`."""
        found = sorted(self.hosted.store.refs(space).items())
        return {n.removeprefix(space): target_of(v) for n, v in found if self.hosted.visible(n)}

    def branch(self, name: str) -> VersionId | None:
        """Where a branch is; None if there is none of that name, or the caller may not know of it."""
        value = self.hosted.store.ref(HEADS + name) if self.hosted.visible(HEADS + name) else None
        return None if value is None else target_of(value)

    def tag(self, name: str) -> VersionId | None:
        value = self.hosted.store.ref(TAGS + name) if self.hosted.visible(TAGS + name) else None
        return None if value is None else target_of(value)

    def version(self, rev: str) -> VersionId:
        """The version that a branch, a tag or 7 to 64 hex digits name, in this order. `main` of a repository
        without a version is the empty one. Raises Failure(kind="unknown-revision")."""
        rev = rev.removeprefix("refs/heads/")
        if (found := self.branch(rev) or self.tag(rev)) is not None:
            return found
        if is_sha(rev):
            if rev == sha_of(EMPTY_ID):
                return EMPTY_ID
            ids = self.hosted.store.find(Kind.VERSION, rev, 2)
            if len(ids) == 1:
                return VersionId(bytes(ids[0]))
        elif rev == DEFAULT_BRANCH and not self.hosted.store.refs(HEADS):
            return EMPTY_ID
        raise unknown_revision(rev)

    def files(self, id: VersionId) -> VersionFiles:
        """Raises Failure(kind="pruned") where their content is not kept."""
        if id != EMPTY_ID:
            require_here(self.core, id)
        return VersionFiles(self.core.version(id), CachingFetch(self.core.fetch))


def asked(site: HubSite, request: Request, access: Access = Access.READ) -> AskedRepo:
    """The repository that {kind} and {repo} of a route name. Raises AuthError, NoRepository."""
    kind = request.path_params.get("kind", "models")
    repo = request.path_params["repo"]
    site.identity(request)  # who is nobody learns nothing of names
    name = team_name(kind, repo)
    return AskedRepo(site, kind, repo, name, site.repository(request, name, access))


def in_order(files: VersionFiles, prefix: str | None = None) -> Iterator[Placed]:
    """All files, or those below a directory, by path whatever their component."""
    each = (files.all((component,), prefix) for component in Component)
    return heapq.merge(*each, key=lambda placed: placed.entry.path)


def unknown_revision(rev: str) -> Failure:
    return Failure(f"there is no revision {rev[:200]!r}", kind="unknown-revision")


def no_such_entry(path: str, id: VersionId) -> Failure:
    return Failure(f"{sha_of(id)} has no {path[:500]}", kind="no-such-path")
