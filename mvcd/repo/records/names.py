"""What branches and tags may be called, and how people write such a name.

A name has 1 to 200 bytes of UTF-8: characters that can be seen, and spaces within, in Unicode's composed form
(NFC). It does not begin with "-" or ".", nor end with "." or ".lock", nor hold ".." or an empty part between
slashes. So git's names, the Hub's and most of MLflow's are names here.

Some names would be read as something else: v1 is version 1, HEAD where the workspace stands, 64 hex digits an
id, @NAME a stage. Such a branch or tag is written with its long form, `tags/v1`, wherever a name or a revision
is asked for. And since a revision has marks of its own (`~ ^ : @{`) and a shell more, %XX stands for a byte of
UTF-8 in hex, as in URLs: `feature%2F12` is `feature/12`, `x%20y` is `x y`, `100%25` is `100%`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from mvcd.errors import UsageError
from mvcd.repo.records.refs import HEADS, REMOTES, TAGS

MAX_NAME_BYTES = 200
"""Bytes. A signature's ref has the name of the tag, 80 bytes more, and may have 500."""

_ESCAPE = rb"%([0-9a-fA-F]{2})"
_TO_ESCAPE = r"(?a)[^\w./+@=,#-]"
_EARLIER = r"[A-Za-z0-9_][A-Za-z0-9._/+-]*"
_NUMBER = r"v[0-9]+"
_ID = r"[0-9a-fA-F]{64}"
_WHAT = {HEADS: "branch", TAGS: "tag"}


def rule_broken(name: str) -> str | None:
    """The rule of names that this one breaks, in words; None for a name."""
    return next(_broken(name), None)


def _broken(name: str) -> Iterator[str]:
    if not name:
        yield "it is empty"
    for character in name:
        if not character.isprintable():
            yield f"it has the character U+{ord(character):04X}, which cannot be seen"
    if (size := len(name.encode(errors="replace"))) > MAX_NAME_BYTES:
        yield f"it has {size} bytes in UTF-8, and a name at most {MAX_NAME_BYTES}"
    if composed(name) != name:
        yield "it is not in Unicode's composed form (NFC)"
    if name.startswith(("-", ".")):
        yield f"a name does not begin with {name[0]!r}"
    if name != name.strip():
        yield "a name neither begins nor ends with a space"
    if "" in name.split("/"):
        yield "a part of it, between slashes, is empty"
    if ".." in name:
        yield "a name has no '..'"
    for end in (".lock", "."):
        if name.endswith(end):
            yield f"a name does not end with {end!r}"


def check_name(name: str, what: str) -> None:
    """Raises UsageError unless `name` may name a branch or tag; `what` it is to name is for the message."""
    if broken := rule_broken(name):
        raise UsageError(f"{name!r} cannot name a {what}", kind="bad-name", cause=broken)


def is_earlier(name: str) -> bool:
    """Whether releases before this page allowed the name too."""
    return re.fullmatch(_EARLIER, name) is not None and read_as(name) is None


def composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def unescaped(text: str) -> str:
    """The name that a person wrote. What is no UTF-8 stays as it is written."""
    if "%" in text:
        try:
            data = re.sub(_ESCAPE, lambda m: bytes([int(m[1], 16)]), text.encode())
            text = data.decode()
        except UnicodeError:
            pass
    return composed(text)


def read_as(name: str) -> str | None:
    """What a revision of this name is, before any branch or tag that is called so; None if it is free."""
    if name == "HEAD":
        return "HEAD is where the workspace stands"
    if re.fullmatch(_NUMBER, name):
        return f"{name} is version {int(name[1:])}"
    if re.fullmatch(_ID, name):
        return "64 hex digits are the id of a version"
    if name.startswith("@"):
        return "what begins with @ is HEAD or a stage"
    return None


def long_form(ref: str) -> str:
    """How to write any ref, given its name, where it cannot be taken for another."""
    return re.sub(_TO_ESCAPE, _escaped, ref)


def written(ref: str, taken: Callable[[str], bool] = lambda _: False) -> str:
    """How to write a branch or tag as a revision, given its ref: short where that is enough. `taken`: whether
    there is a ref of a name; the short form of a tag is that of a branch of its name."""
    space = HEADS if ref.startswith(HEADS) else TAGS
    name = ref.removeprefix(space)
    other = read_as(name) or name.startswith((HEADS, TAGS, REMOTES, "#"))
    if other or (space == TAGS and taken(HEADS + name)):
        return long_form(ref)
    return long_form(name)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return character if not character.isascii() else f"%{ord(character):02X}"


def new_name(text: str, space: str, command: str | None = None) -> str:
    """The name that a person gives a new branch or tag, in either form. `command`: what comes before the name
    in the command that helps. Raises UsageError."""
    name, what = unescaped(text.removeprefix(space)), _WHAT[space]
    check_name(name, what)
    if not text.startswith(space) and (other := read_as(name)):
        long = long_form(space + name)
        raise UsageError(
            f"{text!r} alone cannot name a {what}",
            kind="bad-name",
            cause=other,
            help=f"{command or f'mvc {what} '}{long}  (its long form, here and wherever it is named)",
        )
    return name


def known_name(text: str, space: str, has: Callable[[str], bool]) -> str:
    """The name of a branch or tag that a person means where no other revision can be meant. `has`: whether
    there is a ref. Older releases let a tag be called `tags/x`."""
    short, whole = unescaped(text.removeprefix(space)), unescaped(text)
    return whole if not has(space + short) and has(space + whole) else short


def ref_meant(text: str, has: Callable[[str], bool]) -> str | None:
    """The branch or tag that a person means by a revision, branch first; None if it means something else."""
    name = unescaped(text)
    if name.startswith((HEADS, TAGS)) and has(name):
        return name
    if read_as(name) is not None:
        return None
    return next((space + name for space in (HEADS, TAGS) if has(space + name)), None)
