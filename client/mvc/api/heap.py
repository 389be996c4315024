"""Settings of the heap for programs that move much data."""

from mvcd.heap import keep_blocks

__all__ = ["keep_blocks"]
