"""The part of `Repo` that is about the files of a version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, overload

from mvc.api.components import component_of
from mvc.api.opened import Opened, Path

if TYPE_CHECKING:
    from mvc.api.results import Listed, PathEntry


class FileVerbs(Opened):
    """Methods of `Repo` about the files of a version, none of which needs a workspace."""

    @overload
    def ls(
        self,
        rev: str = "HEAD",
        path: Path | None = None,
        *,
        component: str | None = None,
        digest: str | None = None,
        recursive: Literal[True] = True,
    ) -> Iterator[Listed]: ...
    @overload
    def ls(
        self,
        rev: str = "HEAD",
        path: Path | None = None,
        *,
        component: str | None = None,
        digest: str | None = None,
        recursive: Literal[False],
    ) -> Iterator[PathEntry]: ...
    def ls(
        self,
        rev: str = "HEAD",
        path: Path | None = None,
        *,
        component: str | None = None,
        digest: str | None = None,
        recursive: bool = True,
    ) -> Iterator[Listed] | Iterator[PathEntry]:
        """Yields the files of a version, by component and path; with `digest`, each has its digest by that
        algorithm (see `file_digest`).

        Unless `recursive`, it yields what lies directly in the directory `path`, directories too, by name, and
        reads only what it needs for that. Raises Failure when `path` names nothing.
        """
        from mvcd.repo.contents.digests import algorithm_named  # late: start-up
        from mvcd.repo.history import listing

        top = None if path is None else self._inside(path)
        part = component_of(component)
        wanted = None if digest is None else algorithm_named(digest)
        if recursive:
            return listing.ls(self._core, rev, top, component=part, digest=wanted)
        return iter(listing.ls_directory(self._core, rev, top, component=part, digest=wanted))

    def stat(self, path: Path, rev: str = "HEAD") -> PathEntry:
        """Tells what lies at a path of a version: its kind ("file", "symlink" or "directory"), size and part.

        Reads a few nodes of the version's lists, however long they are. Raises Failure: kind "no-such-path"
        when nothing lies there.
        """
        from mvcd.repo.history import listing  # late: start-up

        return listing.stat(self._core, self._inside(path), rev)

    def exists(self, path: Path, rev: str = "HEAD") -> bool:
        """Tells whether a version has a file or directory at a path. Raises Failure without such a version."""
        from mvcd.repo.history import listing  # late: start-up

        return listing.exists(self._core, self._inside(path), rev)

    def read(self, path: Path, rev: str = "HEAD") -> bytes:
        """Returns the bytes of a file of a version."""
        from mvcd.repo.history import listing  # late: start-up

        return listing.read(self._core, self._inside(path), rev)

    def file_digest(self, path: Path, rev: str = "HEAD", algorithm: str = "sha256") -> str:
        """Returns a digest of a file of a version in hex: `algorithm` is "sha256", "git-sha1" (git's id of a
        blob with these bytes) or "md5". That of a link is of its text.

        The file is read the first time, and the digest remembered; `[digests]` in `mvc.toml` lets commits
        compute it. Raises Failure when the version has no such file, IntegrityError when its bytes are damaged,
        UsageError for another algorithm.
        """
        from mvcd.repo.contents.digests import algorithm_named  # late: start-up
        from mvcd.repo.history import listing

        wanted = algorithm_named(algorithm)
        return listing.file_digest(self._core, self._inside(path), rev, algorithm=wanted)

    def file_digests(
        self, rev: str = "HEAD", paths: Iterable[Path] = (), algorithm: str = "sha256"
    ) -> dict[str, str]:
        """Returns the digests of all files of a version, or of those at and below `paths`, by path.

        Raises like `file_digest`, and Failure when a path names nothing.
        """
        tops: list[Path | None] = [*paths] or [None]
        return {
            file.path: file.digest
            for top in tops
            for file in self.ls(rev, top, digest=algorithm)
            if file.digest is not None
        }
