"""Directories and files that are there after a power failure, for the faces."""

from mvcd.disk.directories import make_directories
from mvcd.disk.replace import replace_file

__all__ = ["make_directories", "replace_file"]
