"""Libraries of extras, asked for before they are needed."""

from mvcd.extras import require_libraries

__all__ = ["require_libraries"]
