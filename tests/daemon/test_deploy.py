"""The files for service managers: what they start exists, and what they promise is what the program does."""

from __future__ import annotations

import configparser
import json
import os
import plistlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mvcd.daemon import main
from mvcd.daemon.serve.command import DRAIN_SECONDS
from mvcd.daemon.serve.listen import Listen
from mvcd.store.bucket.addresses import open_blobs

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/systemd/mvcd.service"
SERVER = ROOT / "deploy/systemd/mvcd-server.service"
BUCKET = ROOT / "deploy/systemd/mvcd-bucket.service"
PLIST = ROOT / "deploy/launchd/org.mvc.mvcd.plist"


def unit(path: Path = UNIT) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text())
    return parser


def test_both_start_a_verb_of_the_installed_program() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["mvcd"] == "mvcd.daemon.main:main"
    words = unit()["Service"]["ExecStart"].split()
    assert words == plistlib.loads(PLIST.read_bytes())["ProgramArguments"]
    assert words[1] in scripts
    assert main.parser().parse_args(words[2:]).verb is main.run


def test_stopping_gives_a_save_its_time() -> None:
    assert float(unit()["Service"]["TimeoutStopSec"]) >= main.STOP_SECONDS
    assert plistlib.loads(PLIST.read_bytes())["ExitTimeOut"] >= main.STOP_SECONDS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize(
    "words", [["--user", "verify", UNIT], ["verify", SERVER], ["verify", BUCKET]]
)
def test_systemd_finds_nothing_wrong(tmp_path: Path, words: list[object]) -> None:
    done = subprocess.run(
        ["systemd-analyze", *map(str, words)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


# -------------------------------------------------------------------- the team server


def yaml(path: str) -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all((ROOT / "deploy" / path).read_text()))


def stateful_set() -> dict[str, Any]:
    (found,) = [d for d in yaml("kubernetes/mvcd.yaml") if d["kind"] == "StatefulSet"]
    return found


def deployment() -> dict[str, Any]:
    """Of servers over a bucket."""
    found = yaml("kubernetes/mvcd-bucket.yaml")
    (found,) = [d for d in found if d["kind"] == "Deployment"]
    return found


def dockerfile() -> dict[str, Any]:
    """The last instruction of each kind, JSON forms parsed."""
    text = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line[:1].isalpha()]
    found: dict[str, Any] = dict(line for line in lines if len(line) == 2)
    return {k: json.loads(v) if v.startswith("[") else v for k, v in found.items()}


def compose_bucket() -> dict[str, Any]:
    """The services of servers over a bucket on one machine."""
    (found,) = yaml("compose-bucket.yaml")
    services: dict[str, Any] = found["services"]
    return services


def commands() -> dict[str, list[str]]:
    docker = dockerfile()
    container = stateful_set()["spec"]["template"]["spec"]["containers"][0]
    over_bucket = deployment()["spec"]["template"]["spec"]["containers"][0]
    return {
        "systemd": unit(SERVER)["Service"]["ExecStart"].split()[1:],
        "Dockerfile": [*docker["ENTRYPOINT"], *docker["CMD"]],
        "kubernetes": [*docker["ENTRYPOINT"], *container["args"]],
        "systemd, bucket": unit(BUCKET)["Service"]["ExecStart"].split()[1:],
        "kubernetes, bucket": [*docker["ENTRYPOINT"], *over_bucket["args"]],
        "compose, bucket": [*docker["ENTRYPOINT"], *compose_bucket()["mvcd"]["command"]],
    }


WAYS = (
    "systemd",
    "Dockerfile",
    "kubernetes",
    "systemd, bucket",
    "kubernetes, bucket",
    "compose, bucket",
)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_starts_a_server_with_tls_and_probes(way: str) -> None:
    program, *words = commands()[way]
    options = main.parser().parse_args(words)
    assert program == "mvcd"
    assert options.root
    assert options.tls_cert
    assert options.tls_key
    assert not options.insecure
    assert Listen.parse(options.http).port == 7480
    assert Listen.parse(options.listen).port == 7443
    assert options.log_format == "json"
    over_bucket = "bucket" in way
    assert (options.cache is not None, options.admin_token is not None) == (
        over_bucket,
        over_bucket,
    )


def test_servers_over_a_bucket_are_several_and_keep_caches_only() -> None:
    found = deployment()
    assert found["spec"]["replicas"] > 1
    pod = found["spec"]["template"]["spec"]
    assert all("persistentVolumeClaim" not in volume for volume in pod["volumes"])
    container = pod["containers"][0]
    options = main.parser().parse_args(commands()["kubernetes, bucket"][1:])
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {options.cache, os.path.dirname(options.admin_token)} <= mounted
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert {"name": "MVC_ROOT", "value": options.root} in container["env"]
    service = unit(BUCKET)["Service"]
    options = main.parser().parse_args(commands()["systemd, bucket"][1:])
    assert options.cache == f"/var/cache/{service['CacheDirectory']}"
    assert os.path.dirname(options.admin_token) == f"/run/{service['RuntimeDirectory']}"


def test_servers_over_a_bucket_on_one_machine() -> None:
    services = compose_bucket()
    servers, store, proxy = services["mvcd"], services["store"], services["proxy"]
    options = main.parser().parse_args(commands()["compose, bucket"][1:])
    assert servers["deploy"]["replicas"] == 2
    assert "ports" not in servers  # two cannot have one port of the machine; the proxy has it
    assert proxy["ports"] == ["7443:7443"]
    assert servers["environment"]["MVC_ROOT"] == options.root
    assert options.root.startswith(f"s3://{store['environment']['S3_BUCKET']}/")
    mounted = {one.partition(":")[0] for one in servers["tmpfs"]}
    assert {options.cache, os.path.dirname(options.admin_token)} <= mounted
    assert servers["depends_on"] == {"store": {"condition": "service_healthy"}}
    assert servers["env_file"] == store["env_file"] == "bucket.env"
    assert servers["environment"]["AWS_ENDPOINT_URL"] == "http://store:8333"
    pytest.importorskip("obstore")
    keys = {"AWS_ACCESS_KEY_ID": "mvc", "AWS_SECRET_ACCESS_KEY": "something long"}
    open_blobs(options.root, {}, servers["environment"] | keys).close()  # refused by none of it
    assert store["healthcheck"]["test"][-1] == "http://127.0.0.1:8333/healthz"
    assert re.fullmatch(r"chrislusf/seaweedfs:\d+\.\d+", store["image"])
    (mounted_file,) = proxy["volumes"]
    settings = (ROOT / "deploy" / mounted_file.partition(":")[0]).read_text()
    assert f"bind :{Listen.parse(options.listen).port}\n" in settings
    assert "uri /readyz\n" in settings
    assert f"check port {Listen.parse(options.http).port} " in settings
    assert f"mvcd:{Listen.parse(options.listen).port}\n" in settings


def test_each_way_gives_calls_under_way_their_time() -> None:
    for path in (SERVER, BUCKET):
        assert float(unit(path)["Service"]["TimeoutStopSec"]) > DRAIN_SECONDS
    for found in (stateful_set(), deployment()):
        assert found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > DRAIN_SECONDS
    (compose,) = yaml("compose.yaml")
    for services in (compose["services"], compose_bucket()):
        assert float(services["mvcd"]["stop_grace_period"].rstrip("s")) > DRAIN_SECONDS


def test_nobody_serves_as_root_or_twice() -> None:
    uid = dockerfile()["USER"].split(":")[0]
    assert int(uid) > 0
    for found in (stateful_set(), deployment()):
        pod = found["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsUser"] == int(uid)
        assert pod["securityContext"]["runAsNonRoot"] is True
    assert stateful_set()["spec"]["replicas"] == 1
    assert unit(SERVER)["Service"]["User"] == unit(BUCKET)["Service"]["User"] == "mvc"


def test_what_the_image_is_built_from_is_there() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
    let_in = (ROOT / ".dockerignore").read_text().split()
    for name in [n for names in copied for n in names if not n.startswith(("--from", "/"))]:
        assert (ROOT / name).exists()
        assert f"!{name}" in let_in


@pytest.mark.parametrize("found", [stateful_set(), deployment()], ids=["directory", "bucket"])
def test_volumes_that_are_mounted_are_declared(found: dict[str, Any]) -> None:
    spec = found["spec"]
    pod = spec["template"]["spec"]
    declared = {v["name"] for v in pod["volumes"]}
    declared |= {v["metadata"]["name"] for v in spec.get("volumeClaimTemplates", ())}
    assert {m["name"] for m in pod["containers"][0]["volumeMounts"]} == declared
    ports = {port["name"] for port in pod["containers"][0]["ports"]}
    probes = [pod["containers"][0][p] for p in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["httpGet"]["port"] for probe in probes} <= ports
