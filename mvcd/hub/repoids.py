"""The Hub's names, and ours: repositories, revisions, and how both stand in paths.

NAME or NS/NAME of a model       the team's repository NAME or NS/NAME
the same of a dataset or space   datasets/..., spaces/...
a commit's 40 hex digits         the first 40 of a version's id
refs/pr/7                        the branch refs/pr/7
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request

from mvcd.errors import UsageError
from mvcd.ids import VersionId
from mvcd.team.roles import no_such_repository
from mvcd.team.root import require_repository_name

PREFIXES: Mapping[str, str] = {"models": "", "datasets": "datasets/", "spaces": "spaces/"}
"""Where the repositories of each kind are among the team's."""
SHA_CHARACTERS = 40
TAKEN = frozenset({"models", "datasets", "spaces", "api", "v1", "buckets", "kernels"})
"""Names that no namespace may have: paths begin with them."""

_SHA = re.compile(r"[0-9a-f]{7,64}")
_PULL = re.compile(r"refs/pr/([1-9][0-9]{0,8})")


class _Part(Convertor[str]):
    """A piece of a path as it was sent, unescaped."""

    def convert(self, value: str) -> str:
        try:
            return unquote(value, errors="strict")
        except UnicodeDecodeError:
            raise UsageError(f"{value[:80]!r} is no UTF-8") from None

    def to_string(self, value: str) -> str:
        raise NotImplementedError  # nobody asks: addresses are made in `address`


class _Repo(_Part):
    regex = r"[^/]+(?:/[^/]+)??"


class _Revision(_Part):
    regex = r"refs/(?:pr|convert|heads)/[^/]+|[^/]+"


class _Kind(_Part):
    regex = "models|datasets|spaces"


class _Rest(_Part):
    regex = ".*"


class _Number(Convertor[int]):
    """A number that has an end."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        raise NotImplementedError  # as above


_MADE: Mapping[str, Convertor[Any]] = {
    "hubrepo": _Repo(),
    "hubrev": _Revision(),
    "hubkind": _Kind(),
    "hubpath": _Rest(),
    "hubnumber": _Number(),
}
for _name, _convertor in _MADE.items():  # so routes say {repo:hubrepo}
    register_url_convertor(_name, _convertor)


def team_name(kind: str, repo: str) -> str:
    """The team's name of a repository of the Hub. Raises NoRepository for what cannot name one."""
    name = PREFIXES[kind] + repo
    if not kind or (kind == "models" and repo.partition("/")[0] in TAKEN):
        raise no_such_repository(name)
    try:
        return require_repository_name(name)
    except UsageError:
        raise no_such_repository(name) from None


def hub_name(name: str) -> tuple[str, str] | None:
    """Kind and name on the Hub of a team's repository; None where it has none there."""
    kind = next(
        (kind for kind, prefix in PREFIXES.items() if prefix and name.startswith(prefix)), "models"
    )
    repo = name.removeprefix(PREFIXES[kind])
    return (
        (kind, repo)
        if repo.count("/") <= 1 and not (kind == "models" and repo.partition("/")[0] in TAKEN)
        else None
    )


def sha_of(id: VersionId) -> str:
    """The name of a version for those who know commits of git."""
    return id.hex()[:SHA_CHARACTERS]


def is_sha(rev: str) -> bool:
    return _SHA.fullmatch(rev) is not None


def pull_number(branch: str) -> int | None:
    """The number of the pull request that a branch is; None for another branch."""
    found = _PULL.fullmatch(branch)
    return int(found[1]) if found else None


def endpoint(request: Request) -> str:
    """How the client reaches this server: the scheme and host that it named."""
    return f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}"


def address(request: Request, kind: str, repo: str) -> str:
    """The page of a repository, which clients read its name from."""
    return f"{endpoint(request)}/{PREFIXES[kind]}{repo}"
