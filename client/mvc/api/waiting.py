"""Messages to a person while a program waits."""

from mvcd.waiting import Waiting

__all__ = ["Waiting"]
