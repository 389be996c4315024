"""Revisions: how people name a version.

HEAD  @              where the workspace stands
main, tags/v1        a branch or tag, alone or with heads/ or tags/ before it (branch first); one that reads as
                     another kind of revision (v1, HEAD) only in this long form; %XX is a byte (names.py)
origin/main          a remote's branch or tag, as it was at the last fetch, pull or push
production           who holds a stage, where no branch or tag is called so; @production, in any case
v12                  generation 12 on the first-parent line of HEAD, or of the only branch that has it
1f2e3d               a unique prefix of a version id, at least 4 hex digits
REV~3  REV^  REV^2   ancestors: third first-parent; first parent; second parent
main@{2h} @{3}       where a branch (or HEAD) stood two hours, or three moves, ago (operation log)
main@{2026-11-01}    ... and on a day, or at a time like 2026-11-01T12:00+01:00
production@{...}     the same for a stage, from its own history
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mvcd.errors import Failure
from mvcd.ids import Kind, VersionId
from mvcd.monitor import Monitor, Silent
from mvcd.objects.version import Version
from mvcd.repo.records import moments
from mvcd.repo.records.line import on_line
from mvcd.repo.records.names import known_name, read_as, ref_meant, unescaped, written
from mvcd.repo.records.refs import (
    AUTO,
    EMPTY_ID,
    HEADS,
    REMOTES,
    STAGES,
    TAGS,
    HeadValue,
    target_of,
    tracking_name,
)

if TYPE_CHECKING:
    from mvcd.repo.records.results import Operation
    from mvcd.store.api import Store

_SUFFIX = r"(~\d*|\^\d*|@\{[^}]*\})$"
_NUMBER = r"v(\d+)"
_WHEN = "times are written like @{90s}, @{2h}, @{3d}, @{2026-11-01}; moves like @{1}"
_HEX = r"[0-9a-fA-F]{4,64}"


def split_path(text: str) -> tuple[str, str | None]:
    """Splits `REV:PATH` at the first colon outside braces, as those of `main@{2026-11-01T10:30}` are within.

    Without a path that is None; without a version it is HEAD.
    """
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        if sign == ":" and depth <= 0:
            return text[:at] or "HEAD", text[at + 1 :]
    return text, None


class Revisions:
    """Resolves names against one store; `head` is the ref that HEAD means.

    `now_us` makes ages like @{2h} mean something.
    """

    def __init__(
        self,
        store: Store,
        head: str,
        load: Callable[[VersionId], Version],
        operations: Callable[[], Iterator[Operation]],
        monitor: Monitor | None = None,
    ) -> None:
        """`monitor` hears of a branch or tag that may have been meant by a text that means a version."""
        self._monitor = monitor or Silent()
        self._store = store
        self._head = head
        self._load = load
        self._operations = operations

    def head(self) -> VersionId:
        """Reads the refs that tell and no others, again where HEAD moved meanwhile."""
        while True:
            value = self._store.ref(self._head)
            found = self._target(self._head, self._store.ref) or EMPTY_ID
            if self._store.ref(self._head) == value:
                return found

    def resolve(self, text: str, *, now_us: int | None = None) -> VersionId:
        """Raises Failure(kind="unknown-revision" or "ambiguous-revision")."""
        found = self._resolve(text, now_us)
        if (ref := self._overlooked(text)) and self._target(ref, self._store.ref) != found:
            self._monitor.warn(f"{text} is not the {_told(ref)}")
        return found

    def _resolve(self, text: str, now_us: int | None) -> VersionId:
        name, steps = text.strip(), []
        while match := re.search(_SUFFIX, name):
            steps.append(match.group(0))
            name = name[: match.start()]
        current: VersionId | None = None
        for step in reversed(steps):
            if step.startswith("@{"):
                if current is not None:
                    raise _unknown(text, "@{...} follows a branch name or HEAD")
                current = self._at(name or "HEAD", step[2:-1], text, now_us)
                continue
            current = current if current is not None else self._named(name, text)
            current = self._ancestor(current, step, text)
        return current if current is not None else self._named(name, text)

    def _named(self, name: str, text: str) -> VersionId:
        if name in ("", "HEAD", "@"):
            return self.head()
        ref = ref_meant(name, self.has)
        if ref is not None and (value := self._store.ref(ref)) is not None:
            return target_of(value)
        remote, _, rest = unescaped(name).removeprefix(REMOTES).partition("/")
        for prefix in ("", HEADS, TAGS, AUTO):
            value = self._store.ref(tracking_name(remote, prefix + rest)) if rest else None
            if value is not None:
                return target_of(value)
        if found := self._staged(name):
            return found
        if match := re.fullmatch(_NUMBER, name):
            return self.numbered(int(match.group(1)))
        if re.fullmatch(_HEX, name):
            return self._prefixed(name.lower(), text)
        raise _unknown(text, self._suggestion(name))

    def has(self, ref: str) -> bool:
        return self._store.ref(ref) is not None

    def _overlooked(self, text: str) -> str | None:
        """The branch or tag that only its long form names, and whose name this is."""
        name = text.strip()
        while match := re.search(_SUFFIX, name):
            name = name[: match.start()]
        name = unescaped(name)
        if read_as(name) is None or name == "HEAD" or name.startswith("@"):
            return None
        return next((s + name for s in (TAGS, HEADS) if self.has(s + name)), None)

    def _staged(self, name: str) -> VersionId | None:
        """Who holds the stage of this name, if there is one. Raises Failure when nobody does."""
        stage = name.removeprefix("@")
        if not stage or not self._store.refs(f"{STAGES}{stage}/"):
            return None
        from mvcd.repo.records import stages  # late: start-up

        return stages.holder(self._store, stage)

    def numbered(self, number: int) -> VersionId:
        """On HEAD's line; else, since HEAD may stand on an old version, on the one line that has the number."""
        if number == 0:
            return EMPTY_ID
        if found := on_line(self._store, self.head(), number):
            return found
        tips = [target_of(v) for prefix in (HEADS, TAGS) for v in self._store.refs(prefix).values()]
        matches = {found for tip in tips if (found := on_line(self._store, tip, number))}
        if len(matches) > 1:
            raise Failure(
                f"'v{number}' names several versions",
                kind="ambiguous-revision",
                cause="HEAD's line has no version of that number, several branches have one",
                help="mvc log --all",
            )
        if not matches:
            why = "no line has a version of that number; see: mvc log --all"
            if other := self._overlooked(f"v{number}"):
                why = f"no line has a version of that number; there is a {_told(other)}"
            raise _unknown(f"v{number}", why)
        return matches.pop()

    def _prefixed(self, prefix: str, text: str) -> VersionId:
        if len(prefix) == 64:
            found = VersionId.parse(prefix)
            if found == EMPTY_ID or self._store.infos([found]):
                return found
            raise _unknown(text, "no version has that id; see: mvc log --all")
        matches = self._store.find(Kind.VERSION, prefix)
        if len(matches) > 1:
            raise Failure(
                f"{text!r} names several versions",
                kind="ambiguous-revision",
                cause=", ".join(m.short() for m in matches[:5]),
                help="give more digits of the id",
            )
        if not matches:
            raise _unknown(text, "no version's id begins so; see: mvc log --all")
        return VersionId(matches[0])

    def _ancestor(self, start: VersionId, step: str, text: str) -> VersionId:
        count = int(step[1:]) if len(step) > 1 else 1
        if step[0] == "^":
            return start if count == 0 else self._parent(start, count - 1, text)
        for _ in range(count):
            start = self._parent(start, 0, text)
        return start

    def _parent(self, of: VersionId, index: int, text: str) -> VersionId:
        if of == EMPTY_ID:
            raise _unknown(text, "it reaches behind the first version; see: mvc log")
        parents = self._load(of).parents
        if index < len(parents):
            return parents[index]
        if index == 0:
            return EMPTY_ID
        raise _unknown(text, f"{of.short()} has {max(1, len(parents))} parent(s)")

    def _at(self, name: str, when: str, text: str, now_us: int | None) -> VersionId:
        ref = self._head if name in ("HEAD", "@") else HEADS + known_name(name, HEADS, self.has)
        if self._store.ref(ref) is None:
            stage = name.removeprefix("@")
            if stage and self._store.refs(f"{STAGES}{stage}/"):
                return self._stage_at(stage, when, text, now_us)
            raise _unknown(text, self._suggestion(name))
        past = self._positions(ref)
        if when.isdigit():
            for index, (*_, target) in enumerate(past):
                if index == int(when):
                    return target
            raise _unknown(text, "it has not moved so often; see: mvc op log")
        moment = moments.parse(when, now_us)
        if moment is None:
            raise _unknown(text, _WHEN)
        target = EMPTY_ID
        for time_us, offset, target in past:
            if moment.begun(time_us, offset):
                return target
        return target

    def _stage_at(self, stage: str, when: str, text: str, now_us: int | None) -> VersionId:
        from mvcd.repo.records import stages  # late: start-up

        history = stages.records(self._store, stage)
        if when.isdigit():
            if int(when) >= len(history):
                raise _unknown(text, f"it has not moved so often; see: mvc stage history {stage}")
            found = history[int(when)]
        else:
            moment = moments.parse(when, now_us)
            if moment is None:
                raise _unknown(text, _WHEN)
            past = stages.during(history, moment)
            first = next(past, None)
            if first is None:
                raise _unknown(
                    text, f"nothing had been promoted then; see: mvc stage history {stage}"
                )
            found = first
        if not found.live:
            raise _unknown(text, f"no version held it then; see: mvc stage history {stage}")
        return found.promotion.version

    def _positions(self, ref: str) -> Iterator[tuple[int, int, VersionId]]:
        """(since when, minutes from UTC, where) of a ref, newest first: the log is played backwards."""
        state: dict[str, bytes | None] = dict(self._store.refs())
        current = self._target(ref, state.get)
        for operation in self._operations():
            for move in operation.moves:
                state[move.name] = move.old
            before = self._target(ref, state.get)
            if before != current and current is not None:
                yield operation.time_us, operation.utc_offset_minutes, current
            current = before
        if current is not None:
            yield 0, 0, current

    def _target(self, ref: str, value_of: Callable[[str], bytes | None]) -> VersionId | None:
        value = value_of(ref)
        if value is None:
            return None
        if ref.startswith((HEADS, TAGS)):
            return target_of(value)
        head = HeadValue.decode(value)
        if head.version is not None:
            return head.version
        return self._target(f"{HEADS}{head.branch}", value_of) or EMPTY_ID

    def _suggestion(self, name: str) -> str:
        import difflib  # late: start-up

        from mvcd.repo.records import stages

        known = [written(r) for p in (HEADS, TAGS) for r in self._store.refs(p)]
        known += stages.names(self._store)
        remote = [r.removeprefix(REMOTES) for r in self._store.refs(REMOTES) if f"/{HEADS}" in r]
        known += [
            part for r in remote for part in (r.replace(f"/{HEADS}", "/", 1), r.split("/", 2)[2])
        ]
        near = difflib.get_close_matches(name, dict.fromkeys(known), n=3)
        return (
            f"did you mean {' or '.join(near)}?"
            if near
            else "no branch, tag, stage or id is called so"
        )


def _told(ref: str) -> str:
    return f"{'tag' if ref.startswith(TAGS) else 'branch'} of that name, which is written {written(ref)}"


def _unknown(text: str, why: str) -> Failure:
    return Failure(
        f"no version is named {text!r}", kind="unknown-revision", cause=why, help="mvc log"
    )
