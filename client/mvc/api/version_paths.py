"""The writing of versions and paths: `REV:PATH` is taken apart, a ref gets the name that a person types."""

from __future__ import annotations

from mvcd.repo.records.names import long_form, written
from mvcd.repo.records.revisions import split_path

__all__ = ["long_form", "split_path", "written"]
