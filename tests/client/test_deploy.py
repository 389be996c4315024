"""`mvc export` and `mvc verify-deploy`, and the same from Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mvc as package
from mvc import Repo
from tests.support.commandline import Mvc


def test_export_then_verify(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    id = Repo(saved).resolve("v1")
    out = tmp_path / "out"
    assert mvc("export", "v1", str(out)).out == (
        f"v1 {id[:10]} is in {out}\n"
        "  5 files, 80 B\n"
        f"  version {id}\n"
        f"mvc verify-deploy {out}  checks it, there or anywhere\n"
    )
    for rev in ((), ("v1",), (id,), (id.upper(),)):
        assert mvc("verify-deploy", str(out), *rev).out == (
            f"ok  v1 {id[:10]}, 5 files, 80 B: all equal\n  version {id}\n"
        )


def test_differences_are_exit_1_and_a_broken_manifest_14(
    mvc: Mvc, saved: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mvc("export", "v1", str(out))
    (out / "params.yaml").write_text("lr: 9\n")
    (out / "evil\x1b[31m").write_text("")
    ran = mvc("verify-deploy", str(out), "HEAD", code=1)
    one, two = Repo(saved).resolve("v1"), Repo(saved).resolve("v2")
    assert ran.out == (
        f"another version  v1 {one[:10]} {one}\n  expected        {two}\n"
        "differs  hyperparameters params.yaml\nextra    -               evil\\x1b[31m\n"
    )
    document = mvc("verify-deploy", str(out), "HEAD", "--json", code=1).json
    assert (document["ok"], document["same_version"], document["expected"]) == (False, False, two)
    assert document["problems"] == [
        {"problem": "differs", "component": "hyperparameters", "path": "params.yaml"},
        {"problem": "extra", "component": None, "path": "evil\x1b[31m"},
    ]
    manifest = out / "mvc-manifest.json"
    manifest.write_text(manifest.read_text().replace('"number": 1', '"number": 2'))
    assert "mvc-manifest.json is damaged" in mvc("verify-deploy", str(out), code=14).err


def test_only_some_components(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    made = mvc("export", "HEAD", out, "--only", "weights,results", "--json").json
    assert (made["components"], made["files"]) == (["weights", "results"], 2)
    assert "2 files, 57 B, of weights and results only: all equal" in mvc("verify-deploy", out).out
    assert sorted(os.listdir(out)) == ["metrics.json", "model.safetensors", "mvc-manifest.json"]
    assert "no component 'wights'" in mvc("export", "HEAD", out, "--only", "wights", code=2).err
    assert "is not empty" in mvc("export", "HEAD", out, code=1).err
    again = mvc("export", "v1", out, "--replace", "--json").json
    assert again["replaced"] == made["version"]


def test_a_copy_in_the_workspace_is_warned_of(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    assert "is in the workspace" in mvc("export", "v1", "deployed").err
    assert mvc("export", "v1", str(tmp_path / "out")).err == ""


def test_a_stage_is_named(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    mvc("promote", "v2", "production")
    out = str(tmp_path / "out")
    assert "(production, record 1) is in" in mvc("export", "production", out).out
    assert "(production, record 1)" in mvc("verify-deploy", out, "production").out
    mvc("promote", "v1", "production")
    assert "another version" in mvc("verify-deploy", out, "production", code=1).out


def test_a_record_that_the_stage_does_not_have(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    """The same version, promoted with other words by somebody who wrote the manifest himself."""
    copy = tmp_path / "copy"
    shutil.copytree(saved, copy)
    mvc("promote", "v2", "production", "-m", "approved")
    with Repo(copy, author="Eve") as other:
        other.promote("v2", "production", reason="approved by everybody")
        other.export("production", tmp_path / "out")
    out = str(tmp_path / "out")
    assert mvc("verify-deploy", out).out.startswith("ok")
    assert mvc("verify-deploy", out, "production", code=1).out == (
        "record   -               mvc-manifest.json: no record of the stage's history\n"
    )
    with Repo(copy) as other:
        assert package.verify_deploy(out, "production", repo=other.root).ok


def test_a_machine_that_has_only_the_copy(saved: Path, tmp_path: Path) -> None:
    repo = Repo(saved)
    id = repo.resolve("v1")
    made = repo.export("v1", tmp_path / "a" / "out")
    assert (made.deployed.version, made.replaced) == (id, None)
    repo.close()
    os.rename(saved, tmp_path / "elsewhere")
    code = f"""
import sys, mvc
report = mvc.verify_deploy("out", {id!r})
assert report.ok and report.deployed.number == 1, report
try:
    mvc.verify_deploy("out", "v1")
except mvc.NoRepository:
    print("fine")
assert not [m for m in sys.modules if m.startswith("grpc")]
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "a", capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_from_python(saved: Path, tmp_path: Path) -> None:
    repo = Repo(saved)
    repo.export("v1", tmp_path / "out", only=["weights"])
    found = package.verify_deploy(tmp_path / "out", "v1", repo=saved)
    assert found.ok and [c.value for c in found.deployed.components] == ["weights"]
    with pytest.raises(package.UsageError):
        repo.export("v1", tmp_path / "out", only=["wights"])
    repo.close()
