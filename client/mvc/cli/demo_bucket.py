"""The bucket of a demo: empty before, and again afterwards unless it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from mvc.cli import text
from mvc.cli.signals import whole

_WHAT = {
    "refs": "what moves, swapped as a whole",
    "packs": "content, many chunks together",
    "runs": "which chunk is where",
    "logs": "older operations",
}


@contextmanager
def demo_bucket(url: str | None, *, kept: bool) -> Iterator[None]:
    """Sees to it that nothing is at an address before, nor afterwards unless it is `kept`. Raises UsageError
    where something is, and what reading and writing a bucket raise."""
    if url is None:
        yield
        return
    from mvc.api.buckets import bucket_use, empty_bucket  # late: start-up

    if bucket_use(url):
        raise click.UsageError(
            f"{text.safe(url)} is not empty: name a place in it, {text.safe(url.rstrip('/'))}/mvc-demo",
            click.get_current_context(),
        )
    try:
        yield
    finally:
        with whole():
            if kept:
                click.echo(f"{text.safe(url)} stays: mvc clone {text.safe(url)}", err=True)
            else:
                empty_bucket(url)


def bucket_lines(url: str) -> list[str]:
    """What is there, by sort."""
    from mvc.api.buckets import bucket_use  # late: start-up

    found = bucket_use(url)
    rows = [
        (sort, text.plural(use.objects, "object"), text.size(use.bytes), _WHAT.get(sort, ""))
        for sort, use in sorted(found.items(), key=lambda one: one[1].bytes)
    ]
    return text.table(rows, right=(1, 2))
