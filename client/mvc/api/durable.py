"""Directories that are there after a power failure, for the faces."""

from mvcd.store.directories import make_directories

__all__ = ["make_directories"]
