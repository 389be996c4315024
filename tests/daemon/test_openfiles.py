"""The lease probe against writers of every kind, in this process and in others."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mvcd.daemon.openfiles import Writer, probe

WRITER = """
import mmap, os, sys
path, how = sys.argv[1:]
file = open(path, "ab" if how == "append" else "r+b")
if how == "mapped":
    view = mmap.mmap(file.fileno(), 0)
    file.close()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


@pytest.mark.parametrize("how", ["append", "in place", "mapped"])
def test_a_writer_in_another_process_is_seen_until_it_ends(file: Path, how: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        assert probe(str(file)) is Writer.OPEN
        writer.kill()
        writer.wait()
    assert probe(str(file)) is Writer.NONE


def test_a_mapping_whose_descriptor_is_closed_is_a_writer(file: Path) -> None:
    with file.open("r+b") as out:
        view = mmap.mmap(out.fileno(), 0)
    assert probe(str(file)) is Writer.OPEN
    view.close()
    assert probe(str(file)) is Writer.NONE


def test_readers_are_no_writers(file: Path) -> None:
    with file.open("rb"):
        assert probe(str(file)) is Writer.NONE


def test_what_cannot_have_writers(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    with file.open("ab"):
        assert probe(str(link)) is Writer.NONE
    os.mkfifo(file.with_name("fifo"))
    assert probe(str(file.with_name("fifo"))) is Writer.NONE
    assert probe(str(file.with_name("nothing"))) is Writer.GONE


def test_a_writer_that_comes_during_a_probe_does_not_end_us(file: Path) -> None:
    """The kernel signals the holder of a lease that it breaks; by default that would be death."""
    opener = "import sys\nwhile True: open(sys.argv[1], 'ab').close()"
    with subprocess.Popen([sys.executable, "-c", opener, str(file)]) as writer:
        try:
            found = {probe(str(file)) for _ in range(3000)}
        finally:
            writer.kill()
    assert found <= {Writer.NONE, Writer.OPEN}
