"""The route that looks for something in all repositories of a team that the caller may read."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import AuthError, MvcError, UsageError
from mvc.web.finding import FoundPage, Inquiry
from mvc.web.site import answer
from mvc.web.teamroutes import hosting_of, visitor

log = logging.getLogger("mvcd.page")

_INSIDE = "/-/"
"""Stands in a cursor between a repository, whose name never has it, and a version there."""


def search(request: Request) -> Response:
    """Looks through one repository after the other, by name, behind those of the cursor."""
    hosting, who = hosting_of(request), visitor(request)
    inquiry, page = Inquiry.of(request), FoundPage(request)
    last, _, version = request.query_params.get("cursor", "").partition(_INSIDE)
    whole, unreadable, following = 0, list[str](), None
    names = [] if inquiry.nothing else hosting.readable(who)
    left = [name for name in names if name > last or (name == last and version)]
    for at, name in enumerate(left):
        if at and page.full:
            following = left[at - 1]
            break
        after = version if name == last else None
        try:
            behind = page.fill(inquiry.within(hosting.repo(who, name), after), repo=name)
        except (AuthError, UsageError):
            raise  # whoever asks, and what they ask, is the same for all repositories
        except MvcError as error:
            if error.kind == "no-cursor":
                raise
            if error.kind != "no-such-repository":  # else it was removed meanwhile
                log.exception("a repository cannot be read", extra={"fields": {"repo": name}})
                unreadable.append(name)
            continue
        if behind is not None:
            following = f"{name}{_INSIDE}{behind}"
            break
        whole += 1
    found = {"hits": page.hits, "looked": page.looked, "repositories": whole}
    return answer({**found, "unreadable": unreadable, "next": following})


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [Route("/api/v1/search", search)]
