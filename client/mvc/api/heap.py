"""How a program that moves much data uses its heap."""

from mvcd.heap import keep_blocks

__all__ = ["keep_blocks"]
