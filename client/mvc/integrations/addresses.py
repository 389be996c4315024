"""Addresses of files in versions: `mvc://REPO@REV/PATH`.

    mvc:///home/ada/iris@main/model.pkl        a repository in a directory
    mvc://@v3/model.pkl                        the one at or above the current directory
    mvc://models.example.org/team/iris@main/   on a server

REV is any revision, by default HEAD, with `/`, `@` and `%` escaped as in URLs: `origin%2Fmain`, `main%40{2h}`.
So is an `@` in REPO. PATH is as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

PROTOCOL = "mvc"
_LOOPBACK = ("localhost", "127.", "[::1]")


@dataclass(frozen=True, slots=True)
class Address:
    """An address taken apart. `repo` is a directory, "" for the current one, or HOST/NAME of a server."""

    repo: str
    rev: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Takes apart what `str` writes, with or without `mvc://`; `mvc:/DIR` is `mvc:///DIR`, as some
        libraries write it. Raises nothing: any text is an address."""
        for prefix in (f"{PROTOCOL}://", f"{PROTOCOL}::", f"{PROTOCOL}:"):
            if text.startswith(prefix):
                text = text.removeprefix(prefix)
                break
        repo, at, rest = text.partition("@")
        if not at:
            return cls(unquote(text.rstrip("/") or text[:1]), "HEAD", "")
        rev, _, path = rest.partition("/")
        return cls(unquote(repo), unquote(rev) or "HEAD", path.strip("/"))

    def __str__(self) -> str:
        """The address without its protocol, as file systems of fsspec name files."""
        top = f"{quote(self.repo, safe='/:[]~')}@{quote(self.rev, safe='{}~^:+.')}"
        return f"{top}/{self.path}" if self.path else top

    def at(self, path: str) -> Address:
        """Another path of the same version."""
        return Address(self.repo, self.rev, path)

    def place(self, scheme: str | None = None) -> str:
        """Returns what the repository is opened by: a directory, or a URL. A server is asked over TLS unless it
        is on this machine, or `scheme` is "grpc"."""
        if not self.repo or self.repo[0] in "/.~":
            return self.repo or "."
        plain = self.repo.startswith(_LOOPBACK)
        return f"{scheme or ('grpc' if plain else 'grpcs')}://{self.repo}"
