"""The groups of routes of the Hub and of Git LFS, in the order in which they are looked through."""

from __future__ import annotations

from starlette.routing import BaseRoute

from mvcd.hub import (
    commitroutes,
    lfsroutes,
    pullroutes,
    refroutes,
    reporoutes,
    resolveroutes,
    treeroutes,
    whoroutes,
    xetroutes,
)
from mvcd.hub.site import HubSite


def hub_groups(site: HubSite) -> list[list[BaseRoute]]:
    """All of them. Addresses that are about no repository come first, those that any path could be last."""
    groups = (
        whoroutes, xetroutes, treeroutes, refroutes, commitroutes, pullroutes, lfsroutes, resolveroutes,
        reporoutes,
    )  # fmt: skip
    return [list(group.routes(site)) for group in groups]
