"""`UPath("mvc:///home/ada/iris@main") / "model.pkl"`, with the extra `fsspec`."""

from __future__ import annotations

from fsspec import register_implementation
from upath import UPath

from mvc.integrations.addresses import PROTOCOL
from mvc.integrations.fsspec_fs import MvcFileSystem

__all__ = ["MvcPath"]

register_implementation(PROTOCOL, MvcFileSystem, clobber=True)


class MvcPath(UPath):
    """A path in a version, which its address names with repository and revision: `parent` keeps both."""
