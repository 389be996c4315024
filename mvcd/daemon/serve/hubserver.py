"""`mvcd serve --hub`: the application of `mvcd.hub` on a port of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvcd.daemon.serve.asgiserver import AsgiServer
from mvcd.daemon.serve.listen import Listen
from mvcd.daemon.serve.metrics import ServerMetrics
from mvcd.daemon.serve.tls import Certificates
from mvcd.extras import require_libraries

if TYPE_CHECKING:
    from mvcd.team.host import TeamHost

NAME = "hub"
LIBRARIES = ("starlette", "uvicorn", "lz4")


def require_extra() -> None:
    """Raises Failure(kind="needs-extra") where the libraries of the extra `hub` are not installed."""
    require_libraries(f"mvcd serve --{NAME}", LIBRARIES, "hub")


def hub_server(
    listen: Listen, host: TeamHost, certificates: Certificates | None, metrics: ServerMetrics
) -> AsgiServer:
    """Raises Failure when it cannot listen, or the extra is not installed."""
    require_extra()
    from mvcd.hub.app import make_app  # late: an extra
    from mvcd.hub.groups import hub_groups
    from mvcd.hub.site import HubSite

    site = HubSite.of(host)
    return AsgiServer(
        NAME, listen, make_app(hub_groups(site)), certificates, metrics, close=site.close
    )
