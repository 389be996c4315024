"""Processes for which the modes of files count, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_PR_CAPBSET_DROP = 24  # prctl(2)
_OVER_MODES = (1, 2, 3)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
STRANGER = 54321
"""A user and group that nobody of the machine has."""


def bound() -> None:
    """In a child, before it starts its program: that gets no right beyond the modes of files."""
    if os.getuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in _OVER_MODES:
            if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                os._exit(70)


def give_away(root: Path) -> None:
    """Makes a directory and all in it another user's, to be read by everybody: to be written by nobody here."""
    for directory, _, files in os.walk(root, topdown=False):
        for path in [directory, *(os.path.join(directory, name) for name in files)]:
            if os.path.islink(path):
                continue
            mode = 0o755 if os.path.isdir(path) or os.access(path, os.X_OK) else 0o644
            os.chmod(path, mode & (0o777 if os.getuid() == 0 else 0o555))
            if os.getuid() == 0:
                os.chown(path, STRANGER, STRANGER)


def take_back(root: Path) -> None:
    """So that the test's own directories can be removed."""
    for directory, _, _ in os.walk(root):
        os.chmod(directory, 0o755)


def mvc(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`mvc WORDS`, bound to the modes of files."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "mvc", *words], cwd=cwd, env=env, preexec_fn=bound,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
