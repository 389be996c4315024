"""Whether a directory is on a file system of another machine.

LMDB maps its file and shares locks through memory; over a network neither is coherent, and the result
is silent damage or locks that never come (lmdb.h: "Do not use LMDB databases on remote filesystems,
even between processes on the same host"). Only Linux tells the type; elsewhere the answer is no.
"""

from __future__ import annotations

import os
import re

from mvcd.errors import Failure

MOUNTS = "/proc/self/mountinfo"
_TYPES = """
    9p acfs afs beegfs ceph cifs coda davfs fhgfs fuse.ceph-fuse fuse.davfs fuse.gcsfuse
    fuse.glusterfs fuse.goofys fuse.juicefs fuse.mount.s3 fuse.mountpoint-s3 fuse.rclone
    fuse.s3fs fuse.sshfs gfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs
    panfs pvfs2 smb3 smbfs wekafs
"""
NETWORK_TYPES = frozenset(_TYPES.split())


def require_local(path: str, mounts: str = MOUNTS) -> None:
    """Raises Failure when `path` is on a network file system."""
    kind = filesystem_type(path, mounts)
    if kind in NETWORK_TYPES:
        raise Failure(
            f"{path} is on a network file system ({kind})",
            kind="network-filesystem",
            cause="memory maps and locks are not reliable there, and history could be damaged",
            help="mvc init --store DIR  (DIR on a local disk)",
        )


def filesystem_type(path: str, mounts: str = MOUNTS) -> str | None:
    """Type of the file system that holds `path` (or its nearest existing parent); None if unknown."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    best, kind = "", None
    target = os.path.realpath(path)
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = _unescape(fields.split(" ")[4])
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # the last of equal mounts hides the others
            best, kind = point, rest.split(" ")[0]
    return kind


def _unescape(text: str) -> str:
    """Mount points escape blanks and backslashes as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
