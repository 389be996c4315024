"""A git repository as it is read: by git's plumbing, without a checkout, and without a change to it.

git runs nothing that the repository brings (hooks, file monitors, filters), reads no replacement of objects,
and takes none of the variables that would point it to another repository. What comes is compared with its id.
"""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import IO, BinaryIO, Self

from mvc.api.errors import Failure, IntegrityError
from mvc.api.imported import SAFE_GIT_OPTIONS
from mvc.importers.gitrecords import (
    SUBMODULE,
    Blob,
    Change,
    GitCommit,
    GitNames,
    GitTag,
    RunningId,
    changes_in,
    commit_of,
    parted,
    tag_text,
)

_BLOCK_BYTES = 1 << 20
_KEPT_VARIABLES = (
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "GIT_SSL_CAINFO",
    "GIT_TERMINAL_PROMPT",
)


class GitSource:
    """A repository of git's that is read. Use it in `with`, or close it."""

    def __init__(self, path: str) -> None:
        """`path` is a repository, bare or not. Raises Failure: kind "no-git"."""
        self.path = path
        self.git_directory = ""
        where = os.path.join(path, ".git") if os.path.lexists(os.path.join(path, ".git")) else path
        if not os.path.isdir(path):
            raise Failure(f"{path} is no directory", kind="no-git")
        if where == path and not os.path.isdir(os.path.join(path, "objects")):
            raise self._no_git("there is no .git in it, and it is no bare repository either")
        found = self._run("rev-parse", "--absolute-git-dir", directory=where)
        self.git_directory = os.fsdecode(found.rstrip(b"\n"))
        common = self._run("rev-parse", "--git-common-dir").rstrip(b"\n")
        self.common_directory = os.path.join(self.git_directory, os.fsdecode(common))

    @property
    def work_tree(self) -> str | None:
        """The directory that it has checked out; None of a bare repository."""
        return self.path if os.path.lexists(os.path.join(self.path, ".git")) else None

    def file_at(self, rev: str, path: str) -> bytes:
        """Returns the bytes of a file of a commit; none where there is no such file."""
        return self._run("cat-file", "blob", f"{rev}:{path}", may_fail=True)

    def _no_git(self, cause: str) -> Failure:
        return Failure(
            f"{self.path} is no git repository", kind="no-git", cause=cause,
            help="name the directory at the top of one, or the address of one",
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends git's processes."""
        for name in ("_reader", "_sizes"):
            process = self.__dict__.pop(name, None)
            if process is not None:
                process.stdin.close()
                process.stdout.close()
                process.wait()

    # ---------------------------------------------------------------- names

    def names(self) -> GitNames:
        """Reads branches, tags and HEAD."""
        found = GitNames()
        form = "%(refname)%00%(objecttype)%00%(objectname)"
        remote: dict[str, str] = {}
        listed = self._run(
            "for-each-ref", f"--format={form}", "refs/heads", "refs/tags", "refs/remotes"
        )
        for line in os.fsdecode(listed).splitlines():
            ref, kind, id = line.split("\0")
            space, name = ref.split("/", 2)[1:]
            if space == "heads":
                found.branches[name] = id
            elif space == "remotes":
                remote[name.partition("/")[2]] = id
            elif (tag := self._tag(kind, id)) is None:
                found.other_tags.append(name)
            else:
                found.tags[name] = tag
        found.remote_only = sorted(remote.keys() - found.branches.keys() - {"HEAD"})
        branch = os.fsdecode(self._run("symbolic-ref", "-q", "HEAD", may_fail=True)).strip()
        if branch.removeprefix("refs/heads/") in found.branches:
            found.head = branch.removeprefix("refs/heads/")
        elif not branch:
            id = os.fsdecode(self._run("rev-parse", "-q", "--verify", "HEAD", may_fail=True))
            found.detached = id.strip() or None
        return found

    def _tag(self, kind: str, id: str) -> GitTag | None:
        """Follows a tag of a tag down to its commit; the outermost message counts."""
        said = ""
        while kind == "tag":
            headers, message = parted(self.read(id))
            said = said or tag_text(headers, message)
            id, kind = headers[b"object"].decode(), headers[b"type"].decode()
        return GitTag(id, said) if kind == "commit" else None

    @property
    def is_shallow(self) -> bool:
        """Whether it was cloned without its older history."""
        return self._run("rev-parse", "--is-shallow-repository").strip() == b"true"

    def size(self) -> int:
        """Bytes that git's objects take."""
        rows = self._run("count-objects", "-v").decode().splitlines()
        counts = dict(row.split(": ", 1) for row in rows if ": " in row)
        return (int(counts["size"]) + int(counts["size-pack"])) << 10  # git counts in KiB

    def setting(self, name: str) -> str | None:
        """Reads a setting of the repository's."""
        value = os.fsdecode(self._run("config", "--get", name, may_fail=True)).rstrip("\n")
        return value or None

    # ---------------------------------------------------------------- history

    def commits(self, tips: Iterable[str]) -> list[tuple[str, ...]]:
        """Lists (commit, its parents...) of all that `tips` reach, parents before children."""
        asked = "".join(f"{tip}\n" for tip in tips).encode()
        listed = self._run(
            "rev-list", "--topo-order", "--reverse", "--parents", "--stdin", given=asked
        )
        return [tuple(line.split()) for line in listed.decode().splitlines()]

    def changes(
        self, commits: Sequence[tuple[str, ...]], paths: Sequence[str]
    ) -> Iterator[tuple[str, list[Change]]]:
        """Yields for each commit what differs from its first parent, at or below `paths` if any are given."""
        with tempfile.TemporaryFile() as asked:
            asked.write("".join(" ".join(row[:2]) + "\n" for row in commits).encode())
            asked.seek(0)
            words = ["diff-tree", "--stdin", "--root", "-r", "-z", "--raw", "--always"]
            words += ["--no-renames", "--no-abbrev", "--no-ext-diff", "--no-textconv"]
            process = self._start([*words, "--", *(f":(literal,top){p}" for p in paths)], asked)
            assert process.stdout is not None
            with process.stdout as told:
                try:
                    yield from changes_in(told)
                except BaseException:
                    process.kill()
                    process.wait()
                    raise
            if process.wait():
                raise Failure(f"git diff-tree failed in {self.path}", kind="git-failed")

    def tree(self, commit: str, paths: Sequence[str]) -> dict[str, Blob]:
        """Lists the files of a commit, at or below `paths` if any are given."""
        words = ["ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths]
        found = {}
        for row in self._run(*words).split(b"\0")[:-1]:
            about, _, path = row.partition(b"\t")
            mode, _, id = about.split(b" ")
            if mode.decode() != SUBMODULE:
                found[os.fsdecode(path)] = Blob(id.decode(), mode.decode())
        return found

    def commit(self, id: str) -> GitCommit:
        """Reads who made a commit, when and why."""
        return commit_of(self.read(id))

    # ---------------------------------------------------------------- objects

    def object_bytes(self, id: str) -> int:
        """Tells how many bytes an object has."""
        return int(self._asked(self._sizes, id)[2])

    def read(self, id: str) -> bytes:
        """Returns an object's bytes. Raises IntegrityError where they are not those of its id."""
        with io.BytesIO() as to:
            self.copy(id, to)
            return to.getvalue()

    def copy(self, id: str, to: BinaryIO) -> None:
        """Writes an object's bytes to a file, a block at a time. Raises IntegrityError as `read` does."""
        _, kind, size = self._asked(self._reader, id)
        stream, left = self._reader.stdout, int(size)
        assert stream is not None
        state = RunningId(id, kind, left)
        while left and (block := stream.read(min(left, _BLOCK_BYTES))):
            state.update(block)
            to.write(block)
            left -= len(block)
        stream.read(1)  # the end of a line
        state.require_same()

    @cached_property
    def _reader(self) -> subprocess.Popen[bytes]:
        return self._start(["cat-file", "--batch"], subprocess.PIPE)

    @cached_property
    def _sizes(self) -> subprocess.Popen[bytes]:
        return self._start(["cat-file", "--batch-check"], subprocess.PIPE)

    def _asked(self, process: subprocess.Popen[bytes], id: str) -> list[bytes]:
        """The line that git answers: id, kind and size in bytes."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{id}\n".encode())
        process.stdin.flush()
        answer = process.stdout.readline().split()
        if len(answer) != 3:
            raise IntegrityError(
                f"git has no object {id} in {self.path}",
                cause="the repository is damaged, or a partial clone",
                help=f"git -C {self.path} fsck  (or import from a complete clone)",
            )
        return answer

    # ---------------------------------------------------------------- git

    def _words(self, directory: str | None = None) -> list[str]:
        return ["git", *SAFE_GIT_OPTIONS, f"--git-dir={directory or self.git_directory}"]

    def _start(self, words: Sequence[str], given: IO[bytes] | int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._words(), *words], env=surroundings(),
            stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _run(
        self,
        *words: str,
        given: bytes = b"",
        directory: str | None = None,
        may_fail: bool = False,
    ) -> bytes:
        try:
            done = subprocess.run(
                [*self._words(directory), *words], env=surroundings(),
                input=given, capture_output=True, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise no_program() from None
        if done.returncode and not may_fail:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            cause = said[0].removeprefix("fatal: ") if said else f"git ended with {done.returncode}"
            if not self.git_directory:
                raise self._no_git(cause)
            raise Failure(f"git {words[0]} failed in {self.path}", kind="git-failed", cause=cause)
        return done.stdout


def surroundings() -> dict[str, str]:
    """The variables that git runs with."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in _KEPT_VARIABLES
    }
    fixed = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1"}
    return {**kept, **fixed, "LC_ALL": "C"}


def no_program() -> Failure:
    """What is raised where there is no git."""
    return Failure(
        "git is not installed", kind="no-git", cause="git's history is read by git itself",
        help="install it, for instance: apt install git",
    )  # fmt: skip


def clone(url: str, to: str) -> None:
    """Copies the repository at an address whole. Raises Failure: kind "git-failed"."""
    words = ["git", *SAFE_GIT_OPTIONS, "clone", "--quiet", "--mirror", "--", url, to]
    try:
        done = subprocess.run(
            words, env=surroundings(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
    except FileNotFoundError:
        raise no_program() from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").splitlines()
        fatal = (line.removeprefix("fatal: ") for line in said if line.startswith("fatal: "))
        cause = next(fatal, None)
        raise Failure(f"git cannot clone {url}", kind="git-failed", cause=cause)
