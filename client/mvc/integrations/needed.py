"""What is said where a library is missing that an integration is about."""

from __future__ import annotations


def missing(module: str, packages: str, error: ImportError) -> ImportError:
    """The error of `import mvc.integrations.MODULE` where `packages` are not installed."""
    return ImportError(
        f"mvc.integrations.{module} needs {packages}, which does not import ({error}):"
        f" pip install {packages}",
        name=error.name,
    )
