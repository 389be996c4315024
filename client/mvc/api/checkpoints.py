"""Files that are one checkpoint, told by their paths."""

from mvcd.inspect.checkpoints import directory_of

__all__ = ["directory_of"]
