"""`mvc ui`."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.face import Face
from mvc.cli.options import BUSY, DAMAGE, Option, verb

if TYPE_CHECKING:
    from mvc.api.repo import Repo

_MAIL_BYTES = 25 << 20
"""What most mail servers take at most."""


@verb("ui", exits=BUSY | DAMAGE)
@click.option(
    "--port",
    cls=Option,
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Listen on this port. [default: one that is free]",
)
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
@click.option(
    "--export",
    "directory",
    metavar="DIR",
    help="Serve nothing: write the page as files into the new directory DIR, a report to pass on.",
)
@click.option(
    "--last",
    cls=Option,
    type=click.IntRange(min=1),
    metavar="N",
    help="With --export: only the N newest versions, and those that were published.",
)
@click.option(
    "--where",
    metavar="EXPR",
    help="With --export: only versions for which EXPR holds, and those that were published.",
)
@click.option(
    "--tensors",
    is_flag=True,
    help="With --export: measure what changed in each tensor, which reads the data of the weights.",
)
@click.pass_context
def command(
    context: click.Context,
    port: int,
    no_browser: bool,
    directory: str | None,
    last: int | None,
    where: str | None,
    tensors: bool,
) -> None:
    """Show the repository as a page in the browser: versions, differences, plots, stages, storage, the daemon.

    It is served on this machine and for you alone: the address works once, in the browser that opens it first.
    A version's row appears as soon as it is saved. Ctrl-C ends it. Needs the extra: pip install 'mvcd[web]'.

    With --export nothing is served. DIR/index.html opens with a double click, and DIR works on any web server,
    below any path. The report has records, lists and figures, and no content of files. It replaces an
    earlier one in DIR as a whole.
    """
    from mvc.web.server import require_extra  # late: start-up

    face = context.ensure_object(Face)
    if directory is None and (last is not None or where is not None or tensors):
        raise click.UsageError("--last, --where and --tensors need --export DIR", context)
    if directory is not None and (port or no_browser):
        raise click.UsageError("--export serves nothing: it takes no --port", context)
    require_extra()
    if directory is None:
        show_page(face, face.repo, port=port, no_browser=no_browser)
    else:
        _export(face, directory, last=last, where=where, tensors=tensors)


def _export(
    face: Face, directory: str, *, last: int | None, where: str | None, tensors: bool
) -> None:
    from mvc.cli.page_shapes import shapes  # late: an extra
    from mvc.web.report import write_report

    with face.waiting("the report"):
        made = write_report(face.repo, shapes(), directory, where=where, last=last, tensors=tensors)
    index = os.path.join(directory, "index.html")
    if made.directory.startswith(face.repo.root + os.sep):
        face.warn(
            f"{directory} is in the workspace: if it is tracked, versions have the report too"
        )
    face.answer(
        {
            "directory": made.directory,
            "index": os.path.join(made.directory, "index.html"),
            "versions": made.versions,
            "files": made.files,
            "bytes": made.size,
        },
        [f"Wrote {text.safe(index)}: {text.plural(made.versions, 'version')}, "
         f"{text.size(made.size)} in {text.plural(made.files, 'file')}"],
    )  # fmt: skip
    if made.size > _MAIL_BYTES:
        face.hint("That is much for a mail: --last N writes a smaller one.")
    face.hint(
        "Open it in a browser, pack its directory to pass it on, or put that on any web server."
    )


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
