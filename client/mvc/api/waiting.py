"""What a person is told while a program waits."""

from mvcd.waiting import Waiting

__all__ = ["Waiting"]
