"""Hands the page the command line's JSON documents, so that both say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from mvc.cli import diff_document, documents
from mvc.cli.commands.ls import file_document
from mvc.cli.documents import Json, scalar
from mvc.cli.screens import admin, cards, compare, diskuse, plot, pruning, stages
from mvc.cli.screens.diff import markdown
from mvc.web.site import Shapes

if TYPE_CHECKING:
    from mvc.api.diff import Diff
    from mvc.api.repo import Repo
    from mvc.api.signatures import SignatureStatus
    from mvc.api.stages import CheckedRequirement
    from mvc.api.versions import Version


def shapes() -> Shapes:
    """Every document that the page shows."""
    return Shapes(
        version=documents.version,
        whole=_whole,
        signature=documents.signature,
        diff=lambda diff, columns: diff_document.diff(diff, columns=columns),
        markdown=_markdown,
        tensor=documents.weight,
        statistics=documents.statistics,
        file=file_document,
        lineage=documents.lineage,
        comparison=compare.document,
        series=plot.document,
        operation=documents.operation,
        stage=stages.document,
        requirement=_requirement,
        chain=stages.chain_document,
        disk_use=diskuse.document,
        pruned=pruning.document,
        card=cards.document,
        account=admin.document,
        watched=_watched,
    )


def _whole(version: Version, changes: Diff, signatures: tuple[SignatureStatus, ...]) -> Json:
    found = documents.version_whole(version, changes)
    return {**found, "signatures": [documents.signature(one) for one in signatures]}


def _markdown(repo: Repo, diff: Diff) -> Iterator[str]:
    return markdown.lines(diff, *documents.side_names(repo, diff))


def _requirement(checked: CheckedRequirement) -> Json:
    found = {key: scalar(value) for key, value in checked.found.items()}
    return {**asdict(checked), "found": found}


def _watched(root: str) -> Json:
    from mvc import daemon_client  # late: start-up

    answer = daemon_client.ask("status", root=root)
    return {name: answer[name] for name in ("mvcd", "pid", "workspaces")}
