"""A root that is being copied to: of use to nobody before it is finished (COPY.md)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self

from mvcd.errors import Failure
from mvcd.store.api import RefUpdate, Store
from mvcd.store.stores import create_store, is_bucket, objects_in_bucket, open_served, open_store
from mvcd.team.records import HostedRepository, decode, encode, key
from mvcd.team.root import Root, make_private
from mvcd.team.unfinished import COPIED_FROM, COPYING

_HARMLESS = frozenset({"serve.lock", "lost+found", "repos", "accounts"})
"""Names that a root's directory may have before there is anything in it."""
_PROBED = "accounts/probe/"
"""What a probe that was killed left in a bucket."""


@dataclass(frozen=True, slots=True)
class DraftStore:
    """A repository of an unfinished root: its place in a bucket, "" in a directory; and to which state of the
    original (`state_of`) it is known to be equal, where " unread" says that it was not read back. None: not yet
    to any."""

    place: str
    equal_to: str | None = None

    def encode(self) -> bytes:
        return encode({"place": self.place, "equal_to": self.equal_to})

    @classmethod
    def of(cls, value: dict[str, Any]) -> DraftStore:
        return cls(value["place"], value["equal_to"])


def state_of(store: Store) -> str:
    """What differs after each commit to a store, looked at now: its number of changes and the head of its audit
    log."""
    return f"{store.changes()} {store.audit_head().digest.hex()}"


class DraftRoot:
    """An unfinished root. Close it, or use it in a `with`."""

    def __init__(self, address: str, options: Mapping[str, str], accounts: Store) -> None:
        self.address = address
        self.accounts = accounts
        self._options = options

    @classmethod
    def open(cls, address: str, options: Mapping[str, str], source: Root) -> Self:
        """The unfinished copy of `source` that is there; where nothing is, a new one. Raises as `look_into`,
        and what making a store raises."""
        accounts = look_into(address, options, source)
        if accounts is None:
            accounts = _new_accounts(address, options, source.store.id)
        if is_bucket(address):
            told: Any = accounts
            options = {**options, **told.bucket_options}
        draft = cls(address, options, accounts)
        if accounts.ref(COPIED_FROM) is None:
            accounts.update_refs([RefUpdate(COPIED_FROM, None, source.path.encode())])
        return draft

    def stores(self) -> dict[str, DraftStore]:
        """The repositories that were begun, by the names of refs that say so."""
        found = self.accounts.refs(_note(""))
        return {name: decode(name, value, DraftStore.of) for name, value in found.items()}

    def begun(self, hosted: HostedRepository) -> tuple[DraftStore, Store]:
        """The store that is to be equal to a repository's, empty where it was not begun. Raises
        Failure(kind="target-exists") where another repository is in its place."""
        note = self.stores().get(_note(hosted.name))
        if note is None:
            place = f"{hosted.name}/{secrets.token_hex(8)}" if is_bucket(self.address) else ""
            note = DraftStore(place)
            self._change(hosted, None, note)
        return note, self._store(hosted, note)

    def note_equal(self, hosted: HostedRepository, note: DraftStore, state: str) -> None:
        """From now on the repository's store is known to be equal to a state of the original."""
        self._change(hosted, note, replace(note, equal_to=state))

    def refs(self, source: Root) -> dict[str, bytes]:
        """Refs that the accounts are to have: those of the original, with the places of repositories here, and
        what keeps them unfinished."""
        stores = self.stores()
        moved = {
            key("repositories", hosted.name): replace(
                hosted, place=stores[_note(hosted.name)].place
            ).encode()
            for hosted in source.accounts.repositories()
        }
        return {**source.store.refs(), **moved, **self.accounts.refs(COPYING)}

    def finish(self) -> None:
        """Makes it a root."""
        gone = self.accounts.refs(COPYING).items()
        self.accounts.update_refs([RefUpdate(name, value, None) for name, value in gone])

    def close(self) -> None:
        self.accounts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _change(self, hosted: HostedRepository, old: DraftStore | None, new: DraftStore) -> None:
        expect = None if old is None else old.encode()
        self.accounts.update_refs([RefUpdate(_note(hosted.name), expect, new.encode())])

    def _store(self, hosted: HostedRepository, note: DraftStore) -> Store:
        address = f"{self.address}/repos/{note.place or hosted.name}"
        store: Store
        if is_bucket(self.address):
            store = open_served(
                address, self._options, begin=self.address, probed=True, id=hosted.id
            )
        else:
            store = _opened_or_made(address, hosted.id)
        if store.id != hosted.id:
            store.close()
            raise _taken(self.address, f"another repository is in the place of {hosted.name}")
        return store


def look_into(address: str, options: Mapping[str, str], source: Root) -> Store | None:
    """The accounts of the unfinished copy of `source` at an address; None where nothing is. Raises
    Failure(kind="target-exists") where something else is, and what reading there raises."""
    accounts = _found_accounts(address, options)
    if accounts is None:
        _require_empty(address, options)
        return None
    try:
        begun = accounts.ref(COPIED_FROM) is not None
        untouched = not accounts.refs() and not accounts.audit_head().sequence
        if accounts.id == source.store.id and (begun or untouched):
            _require_no_more(address, accounts, source)
            return accounts
        raise _taken(
            address, "an unfinished copy of another root is there" if begun else "a root is there"
        )
    except BaseException:
        accounts.close()
        raise


def _require_no_more(address: str, accounts: Store, source: Root) -> None:
    """Raises Failure where a repository was begun that the original has not any more, or another of its name:
    it would stay there unlisted."""
    listed = {_note(hosted.name) for hosted in source.accounts.repositories()}
    more = sorted(accounts.refs(_note("")).keys() - listed)
    if more:
        name = more[0].removeprefix(_note(""))
        raise _taken(address, f"it holds {name}, which {source.path} has not any more")


def _found_accounts(address: str, options: Mapping[str, str]) -> Store | None:
    accounts = f"{address}/accounts"
    if not is_bucket(address):
        return open_store(accounts) if os.path.exists(f"{accounts}/format") else None
    try:
        return open_served(accounts, options)
    except Failure as error:
        if error.kind not in ("no-store", "no-such-bucket"):
            raise
        return None


def _require_empty(address: str, options: Mapping[str, str]) -> None:
    if is_bucket(address):
        names = (name for name, _ in objects_in_bucket(address, options))
        found = [name for name in names if not name.startswith(_PROBED)]
    elif os.path.lexists(address):
        try:
            found = sorted(set(os.listdir(address)) - _HARMLESS)
        except NotADirectoryError:
            raise Failure(f"{address} is not a directory", kind="target-exists") from None
        with suppress(FileNotFoundError):
            found += [f"repos/{name}" for name in os.listdir(f"{address}/repos")]
    else:
        return
    if found:
        raise _taken(address, f"there is {found[0]}")


def _new_accounts(address: str, options: Mapping[str, str], id: str) -> Store:
    accounts = f"{address}/accounts"
    if is_bucket(address):
        return open_served(accounts, options, begin=address, id=id)
    make_private(address)
    os.makedirs(f"{address}/repos", mode=0o700, exist_ok=True)
    return _opened_or_made(accounts, id)


def _opened_or_made(path: str, id: str) -> Store:
    if not os.path.exists(f"{path}/format"):  # or a creation was cut short here
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        create_store(path, id=id).close()
    return open_store(path)


def _note(name: str) -> str:
    """The ref that says of a repository where its store is; of "", what all such refs begin with."""
    return f"{key(COPYING[:-1], 'stores')}/{key(name) if name else ''}"


def _taken(address: str, why: str) -> Failure:
    return Failure(
        f"{address} cannot be copied to",
        kind="target-exists",
        cause=why,
        help="name a place where nothing is",
    )
