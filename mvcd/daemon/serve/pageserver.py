"""`mvcd serve --web`: the page of a team server on a port of its own.

The page is of the package `mvc`, which stands above this one. So nothing here imports it: the function that
makes it is found by its name when the option asks for it, as an entry point would be, in the one distribution
that both packages are of.
"""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Protocol

from mvcd.daemon.serve.asgiserver import AsgiServer
from mvcd.daemon.serve.httpcalls import Receive, Scope, Send
from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.metrics import ServerMetrics
from mvcd.daemon.serve.tls import Certificates
from mvcd.extras import require_libraries

if TYPE_CHECKING:
    from mvcd.team.host import TeamHost

NAME = "web"
LIBRARIES = ("starlette", "uvicorn")
PAGE = "mvc.cli.team_page:team_page"
"""Makes a `Page` of a `TeamHost`."""


class Page(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def end(self) -> None:
        """Streams end soon."""


def require_extra() -> None:
    """Raises Failure(kind="needs-extra") where the libraries of the extra `web` are not installed."""
    require_libraries(f"mvcd serve --{NAME}", LIBRARIES, "web")


def page_server(
    listen: Listen, host: TeamHost, certificates: Certificates | None, metrics: ServerMetrics
) -> AsgiServer:
    """Raises Failure when it cannot listen, or the extra is not installed."""
    require_extra()
    page: Page = pkgutil.resolve_name(PAGE)(host)
    return AsgiServer(NAME, listen, page, certificates, metrics, ending=page.end)
