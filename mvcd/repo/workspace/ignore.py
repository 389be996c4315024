"""What is never versioned: the built-in list and `.mvcignore` files, in gitignore's syntax and order.

One question is asked per entry while walking down from the workspace's root: is this name, in a directory
that is itself under care, left out? So a pattern is matched against the entry alone, never against what
lies below a match: an excluded directory is simply not entered, and, as in git, nothing in it can be
brought back by a later `!pattern`. The deepest `.mvcignore` that has a matching pattern decides, by its
last match; if none has, the built-in list decides.

The translation to regular expressions follows gitignore(5) and git's wildmatch.c; a test holds it against
`git check-ignore`. It is our own because pathspec's GitIgnoreSpec (1.1.1) also matches whatever lies
below a match, and gets the usual "only these files" idiom (`*`, `!*/`, `!*.ckpt`) wrong for a walk: it reports
every directory as excluded. One difference to git: `?` and `[...]` match a character, not a byte.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Self

from blake3 import blake3

from mvcd.errors import Failure
from mvcd.inspect.patterns import Sign, Token, expression
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.objects.reserved import RESERVED, reserved
from mvcd.repo.ondisk.paths import directories_above
from mvcd.repo.ondisk.unreadable import SHORTAGE, reason

IGNORE_FILE = ".mvcignore"
GIT_FILE = ".gitignore"
"""Git's own, read where `[ignore] gitignore` of mvc.toml says so; ours beside it comes first."""
MAX_FILE_BYTES = 1 << 20
"""Bytes of one ignore file; a larger one is refused."""

METADATA = ".mvc"
NEVER = frozenset(RESERVED)
"""Names that no rule can bring back, at any depth: metadata of repositories."""

_DIRECTORIES = frozenset(
    {".hg", ".svn", "__pycache__", ".ipynb_checkpoints", ".venv", "venv", "node_modules"}
)
_SUFFIXES = (".pyc", ".tmp", ".part", "~")
_PREFIX = ".~"
_NAMES = frozenset({".DS_Store"})

_BUILT_IN_DIGEST = blake3(
    repr(
        ("reserved 2", sorted(NEVER), sorted(_DIRECTORIES), _SUFFIXES, _PREFIX, sorted(_NAMES))
    ).encode()
).digest(length=16)


@dataclass(frozen=True, slots=True)
class IgnoreMatch:
    """Why a path is left out: the pattern, the file it stands in (None: built in) and its line from 1."""

    pattern: str
    source: str | None
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.pattern}" if self.source else self.pattern


def is_never(name: str) -> bool:
    """Whether a name is one of NEVER, or some file system takes it for one."""
    return reserved(name) is not None


def built_in(name: str, *, directory: bool) -> str | None:
    """The built-in pattern that leaves `name` out, if any. Plain string tests: 0.3 us an entry."""
    if is_never(name) or (directory and name in _DIRECTORIES):
        return f"{name}/"
    if name.startswith(_PREFIX):
        return f"{_PREFIX}*"
    if name.endswith(_SUFFIXES):
        return next(f"*{suffix}" for suffix in _SUFFIXES if name.endswith(suffix))
    return name if name in _NAMES else None


class _Pattern(NamedTuple):
    text: str
    line: int
    negated: bool
    directories_only: bool
    basename: (
        bool  # matched against the name, at any depth; otherwise against the path from the file
    )
    matches: re.Pattern[str]


@dataclass(frozen=True)
class _File:
    """One ignore file. Its patterns are compiled on first use: a scan without changes needs none."""

    base: str  # the directory it stands in, "" or with a trailing slash
    text: str
    name: str

    @cached_property
    def patterns(self) -> list[_Pattern]:
        """The last line first, since the last match decides."""
        return list(_parse(self.text))[::-1]

    def decides(self, path: str, name: str, *, directory: bool) -> _Pattern | None:
        relative = path[len(self.base) :]
        for pattern in self.patterns:
            if pattern.directories_only and not directory:
                continue
            if pattern.matches.fullmatch(name if pattern.basename else relative):
                return pattern
        return None


class Patterns:
    """Patterns on their own, with no directory to walk: whatever lies below a match matches too."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._patterns = list(_parse("\n".join(lines)))[::-1]

    def match(self, path: str) -> bool:
        """By the last pattern that matches `path` or a directory above it."""
        above = list(directories_above(path))
        for pattern in self._patterns:
            candidates = above if pattern.directories_only else [*above, path]
            for one in candidates:
                name = one.rpartition("/")[2]
                if pattern.matches.fullmatch(name if pattern.basename else one):
                    return not pattern.negated
        return False


class IgnoreRules:
    """The rules in force inside one directory: its own `.mvcignore` and those above it.

    `digest` (16 bytes) changes whenever any of these files, or the built-in list, does.
    """

    __slots__ = ("_files", "digest", "directory", "names")

    def __init__(
        self, directory: str, files: tuple[_File, ...], digest: bytes, names: tuple[str, ...]
    ) -> None:
        self.directory = directory  # "" for the root, otherwise with a trailing slash
        self._files = files  # the deepest first
        self.digest = digest
        self.names = names  # of the files that have rules, the weightier last

    @classmethod
    def top(cls, *, git: bool = False) -> Self:
        """At the workspace's root, before its own files are looked at; `git`: `.gitignore` counts too."""
        return cls("", (), _BUILT_IN_DIGEST, (GIT_FILE, IGNORE_FILE) if git else (IGNORE_FILE,))

    def inside(self, name: str) -> Self:
        """In the subdirectory `name`, before its own `.mvcignore` is looked at."""
        return type(self)(f"{self.directory}{name}/", self._files, self.digest, self.names)

    def here(self, text: str | None, name: str = IGNORE_FILE) -> Self:
        """With a file of this directory's own, which reads `text` (None: there is none)."""
        if text is None:
            return self
        file = _File(self.directory, text, name)
        said = b"\0".join((self.digest, self.directory.encode(), text.encode()))
        digest = blake3(said).digest(length=16)
        return type(self)(self.directory, (file, *self._files), digest, self.names)

    def read(self, directory: str) -> Self:
        """With all files of this directory, which lies at `directory`. Raises as `read` does."""
        rules = self
        for name in self.names:
            rules = rules.here(read(directory, name), name)
        return rules

    def match(self, name: str, *, directory: bool) -> IgnoreMatch | None:
        """What leaves the entry `name` of this directory out; None if it is under care."""
        if self._files and not is_never(name):
            path = self.directory + name
            for file in self._files:
                pattern = file.decides(path, name, directory=directory)
                if pattern:
                    if pattern.negated:
                        return None
                    return IgnoreMatch(pattern.text, file.base + file.name, pattern.line)
        default = built_in(name, directory=directory)
        return IgnoreMatch(default, None, 0) if default else None


def check(root: str, path: str, top: IgnoreRules | None = None) -> IgnoreMatch | None:
    """What leaves `path` (relative to the workspace `root`, `/`-separated) out: a rule that matches it or
    a directory above it. A path that does not exist is judged as a file, or as a directory if it ends in `/`.

    `top` has the rules before any file is looked at. Raises UnusableRules when an ignore file cannot be read.
    """
    *above, last = path.rstrip("/").split("/")
    rules = (top or IgnoreRules.top()).read(root)
    at = root
    for name in above:
        match = rules.match(name, directory=True)
        if match:
            return match
        at = os.path.join(at, name)
        rules = rules.inside(name).read(at)
    try:
        directory = stat.S_ISDIR(os.lstat(os.path.join(at, last)).st_mode)
    except OSError:
        directory = path.endswith("/")
    return rules.match(last, directory=directory)


class UnusableRules(Failure):
    """An ignore file whose rules nobody can tell: to go on without them might version what was meant to stay
    out. `why` goes behind "its .mvcignore", or whichever `name` it has."""

    def __init__(self, path: str, why: str, *, cause: str | None = None) -> None:
        help = f"correct it, or make it readable: chmod u+r {shlex.quote(path)}"
        super().__init__(f"{path} {why}", kind="unusable-rules", cause=cause, help=help)
        self.why = why
        self.name = os.path.basename(path)


def read(directory: str, name: str = IGNORE_FILE) -> str | None:
    """The text of the directory's own file of rules; None if there is none or it is no regular file.

    Raises UnusableRules when it cannot be read, is no UTF-8 or larger than MAX_FILE_BYTES, and OSError when
    this process is out of file descriptors or memory.
    """
    path = os.path.join(directory, name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
            return None
        raise _unusable(path, error) from error
    try:
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        data = os.read(fd, MAX_FILE_BYTES + 1) if regular else None
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        os.close(fd)
    if data is None:
        return None
    if len(data) > MAX_FILE_BYTES:
        raise UnusableRules(path, f"is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableRules(path, "is not UTF-8 text", cause=str(error)) from error


def _unusable(path: str, error: OSError) -> OSError | UnusableRules:
    code = error.errno or 0
    return error if code in SHORTAGE else UnusableRules(path, reason(code))


def _parse(text: str) -> Iterator[_Pattern]:
    for number, raw in enumerate(text.split("\n"), 1):
        line = _without_trailing_spaces(raw.removesuffix("\r"))
        if not line or line.startswith("#"):
            continue
        negated = line.startswith("!")
        pattern = line[negated:]
        directories_only = pattern.endswith("/")
        if directories_only:
            pattern = pattern[:-1]
        basename = "/" not in pattern
        regex = _translate(pattern.removeprefix("/"))
        if regex is not None:
            yield _Pattern(
                line, number, negated, directories_only, basename, re.compile(regex, re.DOTALL)
            )


def _without_trailing_spaces(line: str) -> str:
    kept = line.rstrip(" ")
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if backslashes % 2 and kept != line else kept


_CLASS = r"(?s)\[[!^]?\]?(?:\[:[a-z]+:\]|\\.|[^]\\])*\]"
_CLASS_ITEM = r"(?s)\[:([a-z]+):\]|\\?(.)(?:-(?!\])\\?(.))?"
_POSIX = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


def _translate(pattern: str) -> str | None:
    """A gitignore pattern, without its `!` and outer slashes, as a regular expression for fullmatch.

    None for a pattern that can match nothing: an unfinished class or escape.
    """
    tokens: list[Token] = []
    at = 0
    while at < len(pattern):
        token: Token
        char = pattern[at]
        if char == "*":
            token, at = _stars(pattern, at)
        elif char == "?":
            token, at = "[^/]", at + 1
        elif char == "/":
            token, at = Sign.SLASH, at + 1
        elif char == "[":
            found = re.match(_CLASS, pattern[at:])
            klass = _class(found.group()) if found else None
            if not found or klass is None:
                return None
            token, at = klass, at + found.end()
        elif char == "\\":
            if at + 1 == len(pattern):
                return None
            escaped = pattern[at + 1]
            token, at = Sign.SLASH if escaped == "/" else re.escape(escaped), at + 2
        else:
            token, at = re.escape(char), at + 1
        tokens.append(token)
    return expression(tokens)


def _stars(pattern: str, start: int) -> tuple[Sign, int]:
    """One `*` stays within a name; two between slashes (or an end) cross directories."""
    end = len(pattern) - len(pattern[start:].lstrip("*"))
    bounded = (start == 0 or pattern[start - 1] == "/") and pattern[end : end + 1] in ("", "/")
    if end - start == 1 or not bounded:
        return Sign.STAR, end
    if end == len(pattern):
        return Sign.REST, end
    return Sign.PARTS, end + 1


def _class(text: str) -> str | None:
    """`[...]` as a class of `re` that never matches a slash; None if its items make no sense."""
    negated = text[1] in "!^"
    items = []
    for posix, low, high in re.findall(_CLASS_ITEM, text[1 + negated : -1]):
        if posix:
            if posix not in _POSIX:
                return None
            items.append(_POSIX[posix])
        elif not high or high < low:  # wildmatch reads a reversed range as its first character
            items.append(re.escape(low))
        else:
            items.append(f"{re.escape(low)}-{re.escape(high)}")
    if not items:
        return "[^/]" if negated else None
    return f"(?!/)[{'^' if negated else ''}{''.join(items)}]"
