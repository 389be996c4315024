"""Repair of a repository that does not open, or not whole: what is wrong, then what can be done about it.

First files: the settings, and the store (mvcd/store/repair.py). Then, once the store opens, what is in it:
HEAD, versions that refs name and that are not there, versions that are there and that no ref names. Looking
changes nothing. What cannot be brought back is said, with what may help.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field

from mvcd.disk.aside import keep_aside
from mvcd.errors import Failure, IntegrityError, MissingObject, NoRepository
from mvcd.ids import Kind, VersionId
from mvcd.objects.closure import parents
from mvcd.repo.core.config import Config, salvaged
from mvcd.repo.core.location import Location, find_remains
from mvcd.repo.records import operations
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import (
    DEFAULT_BRANCH,
    EMPTY_ID,
    HEADS,
    HeadValue,
    head_name,
    known_workspaces,
    root_name,
    target_of,
    version_named,
    versions_of_refs,
)
from mvcd.store.api import RefUpdate, Store
from mvcd.store.repair import Finding, Repaired, Survey, find_store, is_store, repair_store, survey
from mvcd.store.stores import open_store

LOST = "lost/"
"""Branches that are made for versions no ref reaches begin so."""


@dataclass(slots=True)
class RepairPlan:
    """What was found. `place` is None for a store without a workspace. `settings` is the text that the settings
    file would have, None where it is as it should be; `lost` are the newest of versions that no ref reaches."""

    place: Location | None
    store: Survey
    findings: list[Finding] = field(default_factory=list)
    settings: str | None = None
    workspace: str | None = None
    head: HeadValue | None = None
    broken: list[str] = field(default_factory=list)
    lost: list[VersionId] = field(default_factory=list)
    damaged: int = 0

    @property
    def needed(self) -> bool:
        return bool(self.findings)


def look(path: str, *, store: str | None = None) -> RepairPlan:
    """What is wrong with the repository in `path`: a workspace there or above, or a store without one. `store`
    is where its store is, if the settings that told it are lost.

    Raises NoRepository, Failure.
    """
    place = find_remains(path)
    if place is None:
        where = find_store(store or path)
        if where is None:
            raise NoRepository(
                f"no mvc repository at {os.path.realpath(path)} or above",
                cause="neither a workspace's .mvc/ nor a store is there",
                help="mvc repair -C DIR  (DIR with what is left of it)",
            )
        plan = RepairPlan(None, survey(where))
    else:
        settings, config = _settings(place)
        where = _store_path(place, config, store)
        plan = RepairPlan(
            place, survey(where), settings=settings, workspace=config.get("workspace.id")
        )
        if settings is not None:
            problem = "is damaged" if os.path.exists(place.config_path) else "is missing"
            remedy = "write it again from what is left of it and from the store"
            plan.findings.append(Finding("settings", f"{place.config_path} {problem}", remedy))
    plan.findings += plan.store.findings
    if not (plan.store.index or plan.store.format):
        with open_store(where, as_it_is=True) as opened:
            _look_inside(plan, opened)
    return plan


def _settings(place: Location) -> tuple[str | None, Config]:
    """The text to write in place of the settings file, None if it is whole; and the settings that are left."""
    config = place.config()
    try:
        if config.get("workspace.id") is not None:
            return None, config
        text: str = config.text()
    except Failure:
        text = salvaged(place.config_path)
    return text, Config.of_text(place.config_path, text)


def _store_path(place: Location, config: Config, given: str | None) -> str:
    path = place.store_named(config.get("store.path")) if given is None else os.path.realpath(given)
    if not is_store(path):
        raise Failure(
            f"there is no store in {path}",
            kind="no-store",
            cause="it is gone, or it was elsewhere and the settings that told where are lost",
            help="mvc repair --store DIR  (DIR with packs/ in it), or from a remote: mvc clone URL",
        )
    return path


def _look_inside(plan: RepairPlan, store: Store) -> None:
    refs = store.refs()
    if plan.place is not None:
        plan.workspace = plan.workspace or _workspace_of(store, refs, plan.place.root)
        value = refs.get(head_name(plan.workspace))
        if value is None:
            plan.head = _stand(refs)
            plan.findings.append(
                Finding("HEAD", "this workspace has none", f"stand on {_standing(plan.head)}")
            )
    for name, value in sorted(refs.items()):
        try:
            id = version_named(name, value)
            if id is not None:
                store.get(id)
        except (MissingObject, IntegrityError) as error:
            plan.broken.append(f"{name} names what cannot be read: {error}")
    plan.lost = lost_versions(store, refs)
    plan.damaged = len(store.damaged())
    if plan.damaged and plan.place is None:
        plan.broken.append(f"{plan.damaged} objects are known to be damaged")
    elif plan.damaged:
        problem = f"{plan.damaged} objects are known to be damaged"
        remedy = "store anew what the workspace's files hold, and what --from REMOTE has"
        plan.findings.append(Finding("content", problem, remedy))


def _workspace_of(store: Store, refs: dict[str, bytes], root: str) -> str:
    """The id of the workspace in `root` whose settings are lost: the one that the store knows there. Else it
    was moved, or is of a time when places were not written down: the last that acted of those that are nowhere
    else. A new one if there is none."""
    told = {
        id: os.fsdecode(refs.get(root_name(id), b""))
        for id in (name.split("/")[1] for name in refs if name.startswith("workspaces/"))
    }
    for id, place in told.items():
        if place == root:
            return id
    known = {
        id
        for id, place in told.items()
        if not (place and os.path.isfile(Location(place).config_path))
    }
    for number, data in store.operations():
        for move in operations.decode(number, data).moves:
            if move.name.startswith("workspaces/") and move.name.split("/")[1] in known:
                return move.name.split("/")[1]
    return min(known, default=secrets.token_hex(8))


def _stand(refs: dict[str, bytes]) -> HeadValue:
    """On main, or the first branch there is, that no other workspace has checked out; else on its version."""
    names = sorted(name.removeprefix(HEADS) for name in refs if name.startswith(HEADS))
    names.sort(key=lambda name: name != DEFAULT_BRANCH)
    taken = {HeadValue.decode(refs[head_name(id)]).branch for id in known_workspaces(refs)}
    for name in names or [DEFAULT_BRANCH]:
        if name not in taken:
            return HeadValue(name)
    return HeadValue(None, target_of(refs[HEADS + names[0]]) if names else EMPTY_ID)


def _standing(head: HeadValue) -> str:
    if head.branch is not None:
        return f"branch {head.branch}"
    assert head.version is not None
    return f"version {head.version.short()}, on no branch"


def lost_versions(store: Store, refs: dict[str, bytes]) -> list[VersionId]:
    """Version records that neither refs nor operations reach, those only that no other of them grew from."""
    reached: set[VersionId] = set()
    todo = list(versions_of_refs(refs))
    for number, data in store.operations():
        todo += operations.versions_named(operations.decode(number, data))
    while todo:
        id = todo.pop()
        if id != EMPTY_ID and id not in reached:
            reached.add(id)
            todo += _parents(store, id)
    lost = [
        VersionId(id)
        for id, info in store.ids()
        if info.kind is Kind.VERSION and VersionId(id) not in reached
    ]
    older = {parent for id in lost for parent in _parents(store, id)}
    return [id for id in lost if id not in older and _readable(store, id)]


def _parents(store: Store, id: VersionId) -> list[VersionId]:
    try:
        return list(parents(store.get(id)))
    except IntegrityError:
        return []


def _readable(store: Store, id: VersionId) -> bool:
    try:
        store.get(id)
    except IntegrityError:
        return False
    return True


# ---------------------------------------------------------------------- doing it


def carry_out(
    plan: RepairPlan, context: Context, *, lost_found: bool, id: str | None = None
) -> Repaired:
    """Does what was found to be needed, and with `lost_found` makes branches for lost versions. What is found
    only once the store opens is done too. `id` is the store's, where the caller knows it.

    Raises Busy, Failure. It may be killed anywhere, and is repeated as it stands.
    """
    report = repair_store(plan.store, id=id)
    with open_store(plan.store.path) as store:
        if plan.store.index or plan.store.format:
            _look_inside(plan, store)
        _restore_refs(plan, store, context, report, lost_found=lost_found)
    if plan.place is not None and plan.settings is not None:
        _write_settings(plan, report)
    return report


def _restore_refs(
    plan: RepairPlan, store: Store, context: Context, report: Repaired, *, lost_found: bool
) -> None:
    updates = []
    if plan.head is not None:
        assert plan.workspace is not None
        updates.append(RefUpdate(head_name(plan.workspace), None, plan.head.encode()))
        report.done.append(f"HEAD stands on {_standing(plan.head)}")
    if lost_found:
        for id in plan.lost:
            name = f"{LOST}{id.short()}"
            if store.ref(HEADS + name) is None:
                updates.append(RefUpdate(HEADS + name, None, bytes(id)))
                report.done.append(f"made branch {name}")
    if updates:
        record = operations.encode(context, "repair", "repair", updates)
        store.update_refs(updates, operation=record)


def _write_settings(plan: RepairPlan, report: Repaired) -> None:
    """The last step in a workspace: it makes the directory a repository again."""
    assert plan.place is not None
    assert plan.settings is not None
    path = plan.place.config_path
    kept = keep_aside(path)
    if kept is not None:
        report.kept.append(kept)
    config = Config.of_text(path, plan.settings)
    settings: dict[str, str | None] = {"workspace.id": plan.workspace}
    if plan.store.path != plan.place.store_named(config.get("store.path")):
        settings["store.path"] = plan.store.path
    config.write(settings)
    report.done.append("wrote the settings again")
    report.lost.append(
        "settings that are not in the file any more, such as remotes: see mvc config list"
    )
