"""The page of a team server, for `mvcd serve --web`, which finds this function by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvc.web.teamapp import TeamPage


def team_page(host: Any) -> TeamPage:
    """An ASGI application over a `TeamHost` that is open and stays its owner's."""
    from mvc.api.hosting import Hosting  # late: start-up
    from mvc.cli.page_shapes import shapes
    from mvc.web.teamapp import TeamPage

    return TeamPage(Hosting(host), shapes())
