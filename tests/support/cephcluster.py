"""A Ceph cluster with its S3 gateways: processes of this machine, on loopback, in one directory; no root
needed.

It takes Debian's packages, and installs nothing itself:

    apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common

`Cluster.run` brings it up in about ten seconds: one monitor, OSDs that each keep their data in a sparse file,
and gateways. Without a manager, which only counts. Each process is known by its number, and dies with the test.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    pass

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
INSTALL = "apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common"
_UP_SECONDS = 90
_OSD_BYTES = 8 << 30  # sparse

_SETTINGS = {
    # processes of one user on loopback need no keys of their own
    "auth_cluster_required": "none",
    "auth_service_required": "none",
    "auth_client_required": "none",
    # the gateway wants an encrypted session with the monitor, which there is not without keys: it would hang
    "ms_mon_client_mode": "crc",
    "ms_bind_ipv6": "false",
    "public_network": "127.0.0.0/8",
    "cluster_network": "127.0.0.0/8",
    "log_to_stderr": "false",
    "pid_file": "",
    # all OSDs are on one host
    "osd_crush_chooseleaf_type": "0",
    "osd_pool_default_pg_num": "8",
    "osd_pool_default_pgp_num": "8",
    "osd_pool_default_pg_autoscale_mode": "off",
    "mon_max_pg_per_osd": "1000",
    "mon_data_avail_warn": "1",
    "mon_data_avail_crit": "1",
    "mgr_initial_modules": "",
    # a start is many changes of maps, each of which waits for this
    "paxos_propose_interval": "0.1",
    "paxos_min_wait": "0.02",
    # a dead OSD is noticed in 4 s, and not in 20
    "osd_heartbeat_interval": "1",
    "osd_heartbeat_grace": "4",
    "mon_osd_min_down_reporters": "1",
    "mon_osd_down_out_interval": "600",
    # a small machine
    "osd_memory_target": "939524096",
    "bluestore_cache_autotune": "false",
    "bluestore_cache_size": "134217728",
    "osd_objectstore": "bluestore",
    "bluestore_block_size": str(_OSD_BYTES),
    "bluestore_block_create": "true",
    "osd_class_update_on_start": "false",
    "osd_crush_update_on_start": "true",
    "rgw_thread_pool_size": "64",
    "rgw_dynamic_resharding": "false",
    "rgw_gc_obj_min_wait": "60",
}


absent = [name for name in PROGRAMS if shutil.which(name) is None]
needed = pytest.mark.skipif(bool(absent), reason=f"no {', '.join(absent)}: {INSTALL}")
"""The mark of tests that need it."""


class Cluster:
    """Daemons by their names: `mon.a`, `osd.0`, `rgw.0`, and so on."""

    def __init__(self, root: Path, *, osds: int, gateways: int) -> None:
        self._root = root
        self._osds = osds
        self._gateways = gateways
        self._ports = free_ports(2 + gateways)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        from tests.support.s3buckets import Endpoint  # late: an extra

        self.endpoints = [Endpoint(f"http://127.0.0.1:{port}") for port in self._ports[2:]]

    @classmethod
    @contextmanager
    def run(cls, root: Path, *, osds: int = 3, gateways: int = 2) -> Iterator[Self]:
        """Brings a cluster up, and ends it with the block."""
        cluster = cls(root, osds=osds, gateways=gateways)
        with ExitStack() as ends:
            ends.callback(cluster._end)
            cluster._bring_up()
            yield cluster

    def kill(self, name: str) -> None:
        """Ends a daemon as a power cut would."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def start(self, name: str) -> None:
        """Starts a daemon, with the data that it has."""
        kind, _, id = name.partition(".")
        if kind == "rgw":
            port = self._ports[2 + int(id)]
            # without tcp_nodelay each answer on a kept connection waits 40 ms
            front = f"beast endpoint=127.0.0.1:{port} tcp_nodelay=1"
            command = ["radosgw", "-f", "-n", f"client.rgw.{id}", "--rgw-frontends", front]
        else:
            command = [f"ceph-{kind}", "-f", "-i", id]
        with open(self._root / f"{name}.out", "ab") as out:
            self._processes[name] = subprocess.Popen(
                [*command, "-c", str(self._settings)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def wait_for(self, *gateways: int) -> None:
        """Waits until these gateways take connections."""
        for number in gateways:
            self._until(lambda port=self._ports[2 + number]: _listens(port), f"gateway {number}")

    # ------------------------------------------------------------------

    @property
    def _settings(self) -> Path:
        return self._root / "ceph.conf"

    def _bring_up(self) -> None:
        cluster = str(uuid.uuid4())
        v2, v1 = self._ports[:2]
        monitor = f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]"
        self._write_settings(cluster, monitor)
        for name in ("mon.a", *(f"osd.{n}" for n in range(self._osds))):
            (self._root / name).mkdir()
        names = str(self._root / "monmap")
        self._do("monmaptool", "--create", "--fsid", cluster, "--addv", "a", monitor, names)
        self._do("ceph-mon", "--mkfs", "-i", "a", "--monmap", names)
        self.start("mon.a")
        self._until(lambda: _listens(v2), "the monitor")
        for number in range(self._osds):
            id = str(uuid.uuid4())
            self._do("ceph-osd", "--mkfs", "-i", str(number), "--osd-uuid", id)
            self._do("ceph", "--connect-timeout", "30", "osd", "new", id, str(number))
            self.start(f"osd.{number}")
        self._until(self._osds_are_up, "the OSDs")
        user = self.endpoints[0]
        self._do(
            "radosgw-admin", "user", "create", "--uid=mvc", "--display-name=mvc",
            f"--access-key={user.access_key}", f"--secret-key={user.secret_key}",
        )  # fmt: skip
        for number in range(self._gateways):
            self.start(f"rgw.{number}")
        self.wait_for(*range(self._gateways))

    def _write_settings(self, cluster: str, monitor: str) -> None:
        root = self._root
        size = min(3, self._osds)
        more = {
            "fsid": cluster,
            "mon_host": monitor,
            "run_dir": root,
            "crash_dir": root,
            "admin_socket": root / "$name.asok",
            "log_file": root / "$name.log",
            "mon_cluster_log_file": root / "cluster.log",
            "mon_data": root / "mon.$id",
            "osd_data": root / "osd.$id",
            "osd_pool_default_size": size,
            "osd_pool_default_min_size": (size + 1) // 2,
            "mon_allow_pool_size_one": "true",
        }
        lines = [f"{name} = {value}" for name, value in {**_SETTINGS, **more}.items()]
        self._settings.write_text("\n".join(["[global]", *lines, ""]))

    def _do(self, program: str, *words: str) -> str:
        config = [] if program == "monmaptool" else ["-c", str(self._settings)]
        done = subprocess.run(
            [program, *config, *words], capture_output=True, text=True, timeout=_UP_SECONDS
        )
        assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _osds_are_up(self) -> bool:
        return bool(
            json.loads(self._do("ceph", "osd", "stat", "-f", "json"))["num_up_osds"] == self._osds
        )

    def _until(self, happened, what: str) -> None:
        """Waits for another process, which tells nobody when it is there."""
        end = time.monotonic() + _UP_SECONDS
        while not happened():
            dead = [n for n, p in self._processes.items() if p.poll() is not None]
            assert not dead, (
                f"{dead} ended: {[(self._root / f'{n}.out').read_text() for n in dead]}"
            )
            assert time.monotonic() < end, f"{what} did not come up"
            time.sleep(0.05)

    def _end(self) -> None:
        for name in list(self._processes):
            self.kill(name)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    with ExitStack() as sockets:
        found = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]
