"""`mvc ui`."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING

import click

from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, Option, verb

if TYPE_CHECKING:
    from mvc.api.repo import Repo


@verb("ui", exits=DAMAGE)
@click.option(
    "--port",
    cls=Option,
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Listen on this port. [default: one that is free]",
)
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
@click.pass_obj
def command(face: Face, port: int, no_browser: bool) -> None:
    """Show the repository as a page in the browser: versions, differences, plots, stages, storage, the daemon.

    It is served on this machine and for you alone: the address works once, in the browser that opens it first.
    A version's row appears as soon as it is saved. Ctrl-C ends it. Needs the extra: pip install 'mvcd[web]'.
    """
    from mvc.web.server import require_extra  # late: start-up

    require_extra()
    show_page(face, face.repo, port=port, no_browser=no_browser)


def show_page(face: Face, repo: Repo, *, port: int = 0, no_browser: bool = False) -> None:
    """Serves the page of a repository until Ctrl-C, once `require_extra` has been asked."""
    from mvc.cli.page_shapes import shapes  # late: an extra
    from mvc.web.server import serve

    def ready(address: str) -> None:
        face.answer({"address": address}, [address])
        if no_browser or face.json or not _has_windows():
            face.hint("Open this address in a browser, once; it is for you alone. Ctrl-C ends.")
        else:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            face.hint("Ctrl-C ends.")

    serve(repo, shapes(), port=port, ready=ready)


def _has_windows() -> bool:
    """Whether a browser would open a window; one in the terminal would take it from us."""
    if sys.platform == "darwin":
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"))
