"""Directories and files that are there after a power failure, for the faces."""

from mvcd.disk.directories import make_directories
from mvcd.disk.replace import replace_file
from mvcd.disk.sync import sync_directories, sync_files
from mvcd.disk.wholes import settle, workplace

__all__ = [
    "make_directories",
    "replace_file",
    "settle",
    "sync_directories",
    "sync_files",
    "workplace",
]
