"""The part of `Repo` that is about branches and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvc.api.opened import Opened
from mvc.api.public import public
from mvc.api.signing import signer_for

if TYPE_CHECKING:
    from mvc.api.standing import Branch, Tag


class NameVerbs(Opened):
    """Methods of `Repo` about branches and tags."""

    def names(self) -> dict[str, tuple[str, ...]]:
        """Lists the names of versions, by id, as `refs` of a version has them: "HEAD -> main", "tag: v1.0"."""
        from mvcd.repo.history.history import names_by_version  # late: start-up

        return {id.hex(): tuple(names) for id, names in names_by_version(self._core).items()}

    def branches(self) -> tuple[Branch, ...]:
        """Lists the branches."""
        from mvc.api.standing import Branch  # late: start-up
        from mvcd.repo.change import branches

        return tuple(public(Branch, found) for found in branches.branches(self._core))

    def branch(self, name: str, rev: str = "HEAD") -> Branch:
        """Makes a branch at `rev`, without switching to it."""
        from mvc.api.standing import Branch  # late: start-up
        from mvcd.repo.change import branches

        made = branches.create_branch(self._core, name, rev, context=self._context())
        return public(Branch, made)

    def delete_branch(self, name: str, *, force: bool = False) -> Branch:
        """Deletes a branch. Raises Conflict if only it has its versions, unless forced."""
        from mvc.api.standing import Branch  # late: start-up
        from mvcd.repo.change import branches

        gone = branches.delete_branch(self._core, name, context=self._context(), force=force)
        return public(Branch, gone)

    def rename_branch(self, old: str, new: str) -> Branch:
        """Renames a branch."""
        from mvc.api.standing import Branch  # late: start-up
        from mvcd.repo.change import branches

        renamed = branches.rename_branch(self._core, old, new, context=self._context())
        return public(Branch, renamed)

    def tags(self) -> tuple[Tag, ...]:
        """Lists the tags."""
        from mvc.api.standing import Tag  # late: start-up
        from mvcd.repo.change import branches

        return tuple(public(Tag, found) for found in branches.tags(self._core))

    def tag(self, name: str, rev: str = "HEAD", *, message: str = "", sign: bool = False) -> Tag:
        """Makes a tag, which never moves; Failure if it exists. `sign` signs its name, version and message."""
        from mvc.api.standing import Tag  # late: start-up
        from mvcd.repo.change import branches

        signer = signer_for(self, sign)
        made = branches.create_tag(
            self._core, name, rev, context=self._context(), message=message, signer=signer
        )
        return public(Tag, made)

    def delete_tag(self, name: str) -> Tag:
        """Deletes a tag."""
        from mvc.api.standing import Tag  # late: start-up
        from mvcd.repo.change import branches

        return public(Tag, branches.delete_tag(self._core, name, context=self._context()))
