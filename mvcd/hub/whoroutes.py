"""What is asked of no single repository: who calls, which repositories there are, whether a card is YAML."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mvcd.hub import bodies
from mvcd.hub.repoids import hub_name
from mvcd.hub.site import HubSite
from mvcd.inspect import yaml12
from mvcd.team.roles import Identity, Role

MAX_NAMES = 1000
"""Repositories of one list."""


def routes(site: HubSite) -> list[Route]:
    def whoami(request: Request) -> Response:
        return JSONResponse(_who(site.identity(request)))

    def repositories(request: Request) -> Response:
        identity, kind = site.identity(request), request.path_params["kind"]
        author, search = (request.query_params.get(name, "") for name in ("author", "search"))
        limit = min(bodies.number_in(request, "limit", MAX_NAMES), MAX_NAMES)
        names = (hub_name(hosted.name) for hosted in site.host.root.accounts.repositories()
                 if identity.role(hosted.name) is not None)  # fmt: skip
        found = sorted(
            name for each in names if each is not None for k, name in [each] if k == kind
        )
        return JSONResponse([
            {"id": name, "modelId": name, "private": True, "tags": [], "author": name.rpartition("/")[0]}
            for name in found
            if (not author or name.startswith(f"{author}/")) and search.lower() in name.lower()
        ][:limit])  # fmt: skip

    async def validate_yaml(request: Request) -> Response:
        body = await bodies.json_object(request)
        head = _card_head(bodies.text_in(body, "content", ""))
        problem = None if head is None else await run_in_threadpool(_yaml_problem, head)
        errors = [] if problem is None else [{"message": problem}]
        warnings = [{"message": "the card has no metadata"}] if not (head or "").strip() else []
        return JSONResponse({"errors": errors, "warnings": warnings}, 400 if errors else 200)

    def front(_: Request) -> Response:
        return PlainTextResponse("mvcd: HF_ENDPOINT and Git LFS\n")

    return [
        Route("/", front),
        Route("/api/whoami-v2", whoami),
        Route("/api/validate-yaml", validate_yaml, methods=["POST"]),
        Route("/api/{kind:hubkind}", repositories),
    ]


def _who(identity: Identity) -> dict[str, Any]:
    """Namespaces that a grant names are shown as organizations: clients look there for where they may write."""
    spaces = {
        scope.repos.partition("/")[0]: scope.role for scope in identity.grants if "/" in scope.repos
    }
    names = sorted(name for name in spaces if not set(name) & set("*?["))
    writes = any(scope.role >= Role.WRITE for scope in identity.grants)
    return {
        "type": "user",
        "id": identity.principal,
        "name": identity.principal,
        "fullname": identity.principal,
        "orgs": [{"type": "org", "id": name, "name": name, "fullname": name} for name in names],
        "auth": {
            "type": "access_token",
            "accessToken": {
                "displayName": identity.token or "certificate",
                "role": "write" if writes else "read",
            },
        },
    }


def _card_head(content: str) -> str | None:
    """The metadata of a card, between two lines of dashes; None if it has none."""
    lines = content.splitlines()
    ends = [number for number, line in enumerate(lines) if line.strip() == "---"][:2]
    return "\n".join(lines[1 : ends[1]]) if len(ends) == 2 and ends[0] == 0 else None


def _yaml_problem(text: str) -> str | None:
    """Why a text is no YAML; None if it is."""
    try:
        yaml12.load(text)
    except ValueError as error:
        return str(error)
    return None
