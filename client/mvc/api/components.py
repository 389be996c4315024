"""Components by the names that people give them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mvcd.errors import UsageError
from mvcd.objects.version import Component


def component_of(name: str) -> Component:
    """Returns the component of this name. Raises UsageError where there is none."""
    try:
        return Component(name)
    except ValueError:
        raise UsageError(
            f"there is no component {name!r}",
            cause="the components are " + ", ".join(c.value for c in Component),
        ) from None


def components_of(names: Iterable[str] | None) -> Collection[Component] | None:
    """Turns names of components into components; None stays None. Raises UsageError for an unknown name."""
    if names is None:
        return None
    return [component_of(name) for name in ([names] if isinstance(names, str) else names)]
