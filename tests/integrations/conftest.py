"""A place to work in, as the command line's tests have it."""

from __future__ import annotations

from tests.client.conftest import work

__all__ = ["work"]
