"""Components by the names that people give them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import overload

from mvcd.errors import UsageError
from mvcd.objects.version import Component


@overload
def component_of(name: str) -> Component: ...
@overload
def component_of(name: str | None) -> Component | None: ...
def component_of(name: str | None) -> Component | None:
    """Returns the component of this name; None stays None. Raises UsageError where there is none."""
    if name is None:
        return None
    try:
        return Component(name)
    except ValueError:
        raise UsageError(
            f"there is no component {name!r}",
            cause="the components are " + ", ".join(c.value for c in Component),
        ) from None


STATE = "state"
"""The sub-part of weights that goes on with a training, as people name it."""


def parts_of(names: Iterable[str] | None) -> tuple[Collection[Component] | None, bool | None]:
    """Turns names of components, and "state", into components, and what of their weights: only training state
    (True), only the model (False), both (None). Raises UsageError for an unknown name."""
    if names is None:
        return None, None
    given = [names] if isinstance(names, str) else list(names)
    found = list(dict.fromkeys(component_of(name) for name in given if name != STATE))
    if Component.WEIGHTS in found:
        return found, None if STATE in given else False
    return ([*found, Component.WEIGHTS], True) if STATE in given else (found, None)


def components_of(names: Iterable[str] | None) -> Collection[Component] | None:
    """Turns names of components into components; None stays None. Raises UsageError for an unknown name."""
    if names is None:
        return None
    return [component_of(name) for name in ([names] if isinstance(names, str) else names)]
