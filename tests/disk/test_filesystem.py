from __future__ import annotations

import pytest

from mvcd.disk.filesystem import filesystem_type, require_local
from mvcd.errors import Failure
from mvcd.store.lmdb_store import LmdbStore

MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /proc rw,nosuid - proc proc rw
40 21 0:45 / /home rw,relatime shared:20 - nfs4 server:/home rw,vers=4.2
41 40 8:2 / /home/ada/local rw,relatime - xfs /dev/sdb1 rw
42 21 0:50 / /mnt/my\\040share rw - cifs //server/share rw
43 21 0:51 / /data rw,relatime - ext4 /dev/sdc1 rw
44 43 0:52 / /data rw,relatime - lustre mgs:/scratch rw
45 21 0:53 / /remote rw master:1 propagate_from:2 - fuse.sshfs ada@host: rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/x", "ext4"),
        ("/home/ada/project", "nfs4"),
        ("/home", "nfs4"),
        ("/homestead", "ext4"),
        ("/home/ada/local/project", "xfs"),
        ("/mnt/my share/x", "cifs"),
        ("/data/x", "lustre"),
        ("/remote/x", "fuse.sshfs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(tmp_path, path, kind):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert filesystem_type(path, str(mounts)) == kind


def test_network_file_systems_are_refused_with_the_way_out(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    for path in ("/home/ada/project", "/mnt/my share/x", "/data/x", "/remote/x"):
        with pytest.raises(Failure) as caught:
            require_local(path, str(mounts))
        assert caught.value.kind == "network-filesystem"
        assert "mvc init --store DIR" in caught.value.help
    require_local("/home/ada/local/project", str(mounts))


def test_create_and_open_ask(tmp_path):
    def refuse(path: str) -> None:
        raise Failure(path, kind="network-filesystem")

    path = tmp_path / "store"
    with pytest.raises(Failure, match="store"):
        LmdbStore.create(path, require_local=refuse)
    assert not path.exists()
    LmdbStore.create(path).close()
    with pytest.raises(Failure, match="store"):
        LmdbStore.open(path, require_local=refuse)


def test_where_mounts_are_unknown_everything_is_local(tmp_path):
    require_local("/anything", str(tmp_path / "absent"))
