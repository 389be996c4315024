"""Versions that requests make: of the caller, now, on one branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mvcd.errors import Conflict
from mvcd.hub.lookups import AskedRepo
from mvcd.hub.repoids import pull_number
from mvcd.ids import VersionId
from mvcd.objects.version import Trigger
from mvcd.repo.change.edits import Content
from mvcd.repo.change.outside import WriteOptions, write
from mvcd.repo.records.committed import Context
from mvcd.repo.records.names import long_form
from mvcd.repo.records.refs import EMPTY_ID, HEADS


def context_of(asked: AskedRepo) -> Context:
    """Who acts: the account that the token is of."""
    return Context(author=asked.hosted.principal, time_us=asked.site.now_us())


def write_version(
    asked: AskedRepo,
    branch: str,
    changes: Mapping[str, Content],
    message: str,
    *,
    expect: VersionId | None = None,
    parents: Sequence[VersionId] | None = None,
    allow_empty: bool = False,
    trigger: Trigger = Trigger.MANUAL,
) -> VersionId:
    """Makes the next version of a branch; see `mvcd.repo.change.outside.write`. Raises what that does, and
    AuthError."""
    how = WriteOptions(
        message, context_of(asked), parents=parents, allow_empty=allow_empty, trigger=trigger
    )
    made = write(asked.core, long_form(HEADS + branch), changes, how, expect=expect)
    return made.version


def new_pull(
    asked: AskedRepo, base: VersionId, changes: Mapping[str, Content], message: str
) -> tuple[str, VersionId]:
    """A new branch refs/pr/N, whose first version is `base` with these changes, be there none."""
    while True:
        numbers = (pull_number(name) for name in asked.refs(HEADS))
        branch = f"refs/pr/{max((n for n in numbers if n is not None), default=0) + 1}"
        parents = (base,) if base != EMPTY_ID else ()
        try:
            return branch, write_version(
                asked, branch, changes, message, expect=EMPTY_ID, parents=parents, allow_empty=True
            )
        except Conflict as error:
            if error.kind != "ref-changed" or asked.branch(branch) is None:
                raise  # else another one took the number
