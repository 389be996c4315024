"""The verbs of `mvcd` that serve: their options, and what they do."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mvcd.daemon.serve.backup import StoreCopy


def add_backup_verbs(admin: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "copy a server directory, also while it serves; every object of the copy is read"
    backup = admin.add_parser("backup", help=text, description=text)
    backup.set_defaults(verb=_backup)
    backup.add_argument("root", metavar="DIR", help="what mvcd serve --root has")
    backup.add_argument("target", metavar="TO", help="a directory that is absent or empty")
    text = "make a server directory from a backup, and compare it with what was backed up"
    restore = admin.add_parser("restore", help=text, description=text)
    restore.set_defaults(verb=_restore)
    restore.add_argument("source", metavar="FROM", help="a backup")
    restore.add_argument("target", metavar="DIR", help="a directory that is absent or empty")


def _backup(_: object, options: argparse.Namespace) -> int:
    from mvcd.daemon.serve.backup import back_up_root

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    _tell(back_up_root(options.root, options.target, time=now), "saved")
    return 0


def _restore(_: object, options: argparse.Namespace) -> int:
    from mvcd.daemon.serve.backup import restore_root

    _tell(restore_root(options.source, options.target), "restored")
    return 0


def _tell(copies: list[StoreCopy], verb: str) -> None:
    for copy in copies:
        sys.stdout.write(
            f"{copy.path}: {copy.ref_count} refs, {copy.objects} objects, {copy.bytes} bytes"
            f"; audit row {copy.audit_rows} {copy.audit[:16]}\n"
        )
    sys.stdout.write(f"{verb}, and every object read: {len(copies)} stores\n")
