"""The part of `Repo` that importers stand on: versions that were imported before, and names for new ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from mvc.api.context import author_of
from mvc.api.opened import Opened
from mvc.api.public import public
from mvcd.errors import UsageError
from mvcd.ids import VersionId
from mvcd.objects.entry import check_path
from mvcd.objects.version import Trigger
from mvcd.repo.records.refs import HEADS, TAGS, target_of

if TYPE_CHECKING:
    from mvc.api.imported import ImportedNames
    from mvc.api.results import CheckoutResult


class ImportVerbs(Opened):
    """Methods of `Repo` for importers."""

    def imported(self, prefixes: Collection[str]) -> dict[str, str]:
        """Finds versions that were imported, by the id that they have at their source (`git_commit`): those
        that branches and tags reach whose names begin with one of `prefixes`. Of two of one id it is the one
        that comes after."""
        from mvcd.repo.history.walk import ancestors  # late: start-up

        refs = {space: self._core.store.refs(space) for space in (HEADS, TAGS)}
        tips = {
            target_of(value)
            for space, found in refs.items()
            for name, value in found.items()
            if name.removeprefix(space).startswith(tuple(prefixes))
        }
        found = dict[str, str]()
        for glance in ancestors(self._core, tips):
            version = self._core.version(glance.id)
            if version.trigger is Trigger.IMPORT and version.provenance.git_commit:
                found.setdefault(version.provenance.git_commit, glance.id.hex())
        return found

    def bring_names(
        self,
        branches: Mapping[str, str],
        tags: Mapping[str, tuple[str, str]],
        lines: Collection[str] = (),
        *,
        detail: str,
    ) -> ImportedNames:
        """Points branches, and tags (version, message), to their versions, and lets go of the branches `lines`
        that only held them; all in one operation, which `detail` describes.

        A branch only moves forward, a tag never, and the branch that a workspace stands on is left. Raises
        UsageError for a name that none may have.
        """
        from mvc.api.imported import ImportedNames  # late: start-up
        from mvcd.repo.share import bringing

        done = bringing.bring_names(
            self._core,
            {name: VersionId.parse(id) for name, id in branches.items()},
            {name: (VersionId.parse(id), text) for name, (id, text) in tags.items()},
            lines,
            context=self._context(),
            detail=detail,
        )
        return public(ImportedNames, done)

    def forward(self, rev: str, *, detail: str) -> CheckoutResult:
        """Moves the current branch and the files to a version that comes after it, as a pull does."""
        from mvc.api.results import CheckoutResult  # late: start-up
        from mvcd.repo.change import moves

        id, branch = self._core.resolve(rev), self._core.head_value().branch
        done = moves.forward(self._core, branch, id, self._context(), detail)
        return public(CheckoutResult, done)

    def descends(self, rev: str, old: str) -> bool:
        """Whether `rev` comes after `old`, or is it."""
        from mvcd.repo.trust.incoming import is_ancestor  # late: start-up

        return is_ancestor(self._core.store, self._core.resolve(old), self._core.resolve(rev))

    @property
    def author(self) -> str:
        """The author of what is recorded from here."""
        return self._author or author_of(self.root, self.config)


def yaml_document(text: str) -> object:
    """Returns what a YAML 1.2 document says: dicts with text keys, lists and scalars, in bounded time and
    memory. Raises ValueError."""
    from mvcd.inspect import yaml12  # late: start-up

    document: object = yaml12.load(text)
    return document


def may_name(name: str, what: str) -> bool:
    """Whether a branch or tag (`what`) may have this name."""
    from mvcd.repo.records.names import check_name  # late: start-up

    try:
        check_name(name, what)
    except UsageError:
        return False
    return True


def unfit_path(path: str) -> str | None:
    """The reason for which no version can have a file at `path`; None if one can."""
    try:
        check_path(path)
    except ValueError as error:
        return str(error)
    return None
