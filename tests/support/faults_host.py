"""Runs `mvc` commands, each in a fork of this program with the library faults.c armed; see faults.py."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
from importlib import import_module
from typing import Any

VERBS = (
    "init add commit tag gc checkout restore rollback undo push pull fetch clone config export verify "
    "status"
)
LATER = (
    "mvcd.repo.restore.checkout mvcd.repo.care.gc mvcd.repo.undo mvcd.repo.share.pushing "
    "mvcd.repo.share.fetching mvcd.repo.share.cloning mvcd.repo.care.verify mvcd.repo.core.config "
    "mvcd.store.collect mvcd.store.repack "
    "mvcd.store.salvage mvcd.sync.push mvcd.sync.pull mvcd.sync.local tomlkit mvc.cli.progress"
)
"""Imported before the first fork: an import within a command would be done again by each."""


def run(job: dict[str, Any], report: int) -> None:
    """The fork: never returns."""
    os.chdir(job["directory"])
    for name, fd in (("out", 1), ("err", 2)):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), fd)
    faults = ctypes.CDLL(None)
    faults.faults_seen.restype = ctypes.c_long
    root, log, told = (os.fsencode(job[name]) for name in ("root", "log", "told"))
    from mvc.cli.main import cli

    faults.faults_arm(root, log, ctypes.c_long(job["nth"]), job["error"], told)
    code = 99
    try:
        cli.main(job["words"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(report, str(faults.faults_seen()).encode())
        os._exit(code)


def main() -> None:
    faulthandler.enable()
    for verb in VERBS.split():
        import_module(f"mvc.cli.commands.{verb}")
    for module in LATER.split():
        import_module(module)
    for line in sys.stdin:
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                run(json.loads(line), writing)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            seen = pipe.read() or "-1"
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps([status, int(seen)]), flush=True)


main()
