"""Numbers of bytes as people read them."""

from mvcd.amounts import size

__all__ = ["size"]
