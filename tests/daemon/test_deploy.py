"""The files for service managers: what they start exists, and what they promise is what the program does."""

from __future__ import annotations

import configparser
import os
import plistlib
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from mvcd.daemon import main

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/systemd/mvcd.service"
PLIST = ROOT / "deploy/launchd/org.mvc.mvcd.plist"


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return parser


def test_both_start_a_verb_of_the_installed_program() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["mvcd"] == "mvcd.daemon.main:main"
    words = unit()["Service"]["ExecStart"].split()
    assert words == plistlib.loads(PLIST.read_bytes())["ProgramArguments"]
    assert words[1] in scripts
    assert main._parser().parse_args(words[2:]).verb is main.run


def test_stopping_gives_a_save_its_time() -> None:
    assert float(unit()["Service"]["TimeoutStopSec"]) >= main.STOP_SECONDS
    assert plistlib.loads(PLIST.read_bytes())["ExitTimeOut"] >= main.STOP_SECONDS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(UNIT)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
