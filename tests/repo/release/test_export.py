"""Deployment copies: what they are, that they come whole or not at all, and that nothing wrong passes."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mvcd.disk import wholes
from mvcd.errors import Busy, CorruptObject, Failure
from mvcd.ids import VersionId
from mvcd.objects.version import Component
from mvcd.repo.ondisk.below import paths_below
from mvcd.repo.release import export as exporting
from mvcd.repo.release.export import ExportResult
from mvcd.repo.release.export_manifest import NAME, ExportManifest
from mvcd.repo.release.verify_deploy import verify_deploy
from tests.repo.dying import Moments
from tests.store.children import Child, die
from tests.support.engine import Repository
from tests.support.workspace import Bench, File, Link

BIG = os.urandom(3 << 20)


@pytest.fixture
def model(bench: Bench) -> Bench:
    bench.make(
        {
            "model.py": "layers = 2\n",
            "serve.sh": File("#!/bin/sh\n", executable=True),
            "latest.bin": Link("weights/model.bin"),
            "params.yaml": "lr: 0.1\n",
            "metrics.json": '{"acc": 0.9}\n',
            "empty.txt": "",
        }
    )
    bench.write({"weights/model.bin": BIG})
    bench.add()
    bench.commit("first")
    bench.save({"weights/model.bin": BIG[::-1]}, "second")
    return bench


@pytest.fixture
def out(scratch: Path) -> str:
    return str(scratch / "deployed" / "copy")


def export(bench: Bench, rev: str, out: str, **options: Any) -> ExportResult:
    options = {"only": None, **options}
    return bench.repo.export(rev, out, **options)


def problems(out: str, expected: VersionId | None = None) -> list[tuple[str, str]]:
    return [(p.problem, p.path) for p in verify_deploy(out, expected=expected).problems]


def files(directory: str) -> dict[str, bytes]:
    return {p: Path(directory, p).read_bytes() for p in paths_below(directory) if p != NAME}


# -------------------------------------------------------------------- what is exported


def test_a_copy_is_the_version_and_says_so(model: Bench, out: str) -> None:
    result = export(model, "HEAD", out)
    assert files(out) == model.files() | {"latest.bin": BIG[::-1]}
    assert os.access(f"{out}/serve.sh", os.X_OK) and not os.access(f"{out}/model.py", os.X_OK)
    assert os.readlink(f"{out}/latest.bin") == "weights/model.bin"
    assert os.listdir(os.path.dirname(out)) == ["copy"]
    report = verify_deploy(out, expected=model.repo.resolve("HEAD"))
    assert report.ok and report.manifest == result.manifest
    assert result.replaced is None and result.manifest.promotion is None


def test_anyone_can_check_it_without_us(model: Bench, out: str) -> None:
    export(model, "HEAD", out)
    rows = json.loads(Path(out, NAME).read_bytes())["files"]
    for row in rows:
        path = Path(out, row["path"])
        data = os.readlink(path).encode() if row["mode"] == "symlink" else path.read_bytes()
        assert (row["sha256"], row["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
    lines = "".join(f"{r['sha256']}  {r['path']}\n" for r in rows if r["mode"] != "symlink")
    subprocess.run(["sha256sum", "--check", "--quiet"], input=lines, text=True, cwd=out, check=True)


def test_a_part_proves_itself(model: Bench, out: str) -> None:
    export(model, "v1", out, only=[Component.WEIGHTS, Component.HYPERPARAMETERS])
    assert sorted(files(out)) == ["latest.bin", "params.yaml", "weights/model.bin"]
    assert verify_deploy(out, expected=model.repo.resolve("v1")).ok
    assert not verify_deploy(out, expected=model.repo.resolve("v2")).ok


def test_the_model_without_its_training_state_proves_itself(bench: Bench, out: str) -> None:
    weights = ["c/model.bin", "c/optimizer.pt", "c/rng_state.pth", "c/tokenizer.json"]
    bench.save({**dict.fromkeys(weights, "x" * 200), "README.md": "y"})
    for state, found in (
        (False, ["c/model.bin", "c/tokenizer.json"]),
        (True, weights[1:3]),
        (None, weights),
    ):
        export(bench, "v1", f"{out}{state}", only=[Component.WEIGHTS], state=state)
        assert sorted(files(f"{out}{state}")) == found
        report = verify_deploy(f"{out}{state}", expected=bench.repo.resolve("v1"))
        assert report.ok
        left = [f.entry.path for f in report.manifest.left_out]
        assert sorted([*left, *found]) == weights
        document = json.loads(Path(f"{out}{state}", NAME).read_bytes())
        assert document["format_version"] == (2 if left else 1)
    edit(f"{out}False", lambda d: d["left_out"].pop())
    with pytest.raises(CorruptObject, match="manifest"):
        verify_deploy(f"{out}False")
    Path(f"{out}True", "c/model.bin").write_text("x" * 200)
    assert problems(f"{out}True") == [("extra", "c/model.bin")]


def test_a_stage_goes_along(model: Bench, out: str) -> None:
    made = model.repo.promote("v1", "production", context=model.context(), reason="good")
    export(model, "production", out)
    found = verify_deploy(out).manifest.promotion
    assert found == made.promotion
    export(model, "v1", out + "2")
    assert verify_deploy(out + "2").manifest.promotion is None


def test_an_empty_component_and_an_empty_version(model: Bench, out: str) -> None:
    model.remove("empty.txt")
    model.commit("no data")
    export(model, "HEAD", out, only=[Component.DATA])
    assert files(out) == {} and verify_deploy(out).ok
    with pytest.raises(Failure, match="empty version"):
        export(model, "v0", out + "2")


def test_a_version_with_a_file_of_that_name(bench: Bench, out: str) -> None:
    bench.save({NAME: "{}"})
    with pytest.raises(Failure) as caught:
        export(bench, "HEAD", out)
    assert caught.value.kind == "reserved-name" and not os.path.exists(out)


# -------------------------------------------------------------------- where it may go


def test_what_is_not_ours_is_not_replaced(model: Bench, out: str) -> None:
    os.makedirs(out)
    export(model, "v1", out)  # empty: fine
    with pytest.raises(Failure, match="not empty") as caught:
        export(model, "v2", out)
    assert caught.value.cause == "it has v1" and caught.value.help == "mvc export REV DIR --replace"
    Path(out, "notes.txt").write_text("mine")
    with pytest.raises(Failure) as caught:
        export(model, "v2", out, replace=True)
    assert caught.value.cause == "notes.txt is not of the export that it was"
    os.unlink(f"{out}/{NAME}")
    with pytest.raises(Failure, match="not empty"):
        export(model, "v2", out, replace=True)
    Path(out, NAME).write_text("{}")
    with pytest.raises(Failure, match="not empty"):
        export(model, "v2", out, replace=True)
    for other in ("file", "link"):
        place = f"{out}-{other}"
        Path(place).write_text("") if other == "file" else os.symlink(out, place)
        with pytest.raises(Failure, match="not a directory"):
            export(model, "v2", place, replace=True)


def test_an_older_export_is_replaced(model: Bench, out: str) -> None:
    export(model, "v1", out)
    result = export(model, "v2", out, replace=True)
    assert result.replaced == model.repo.resolve("v1")
    assert verify_deploy(out, expected=model.repo.resolve("v2")).ok
    assert os.listdir(os.path.dirname(out)) == ["copy"]


def test_where_directories_cannot_be_exchanged(
    model: Bench, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(model, "v1", out)
    monkeypatch.setattr("mvcd.disk.exchange._exchanged", lambda a, b: False)
    export(model, "v2", out, replace=True)
    assert verify_deploy(out, expected=model.repo.resolve("v2")).ok
    assert os.listdir(os.path.dirname(out)) == ["copy"]


def test_one_export_at_a_time_to_a_place(model: Bench, out: str) -> None:
    beside = os.path.join(os.path.dirname(out), ".copy.mvc-export")
    os.makedirs(beside)
    fd = os.open(beside, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(Busy):
        export(model, "v1", out)
    os.close(fd)
    export(model, "v1", out)
    assert os.listdir(os.path.dirname(out)) == ["copy"]


def test_a_failure_leaves_nothing(model: Bench, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    export(model, "v1", out)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "_write_manifest", full)
    with pytest.raises(OSError, match="No space"):
        export(model, "v2", out, replace=True)
    assert verify_deploy(out, expected=model.repo.resolve("v1")).ok
    assert os.listdir(os.path.dirname(out)) == ["copy"]


# -------------------------------------------------------------------- kill -9


@pytest.mark.thorough
def test_killed_at_any_step_it_is_old_or_new(model: Bench, out: str) -> None:
    old, new = model.repo.resolve("v1"), model.repo.resolve("v2")
    root = str(model.root)
    export(model, "v1", out)
    model.repo.close()
    fatal, seen = 1, set[VersionId]()
    while True:
        moments, status = _dying_export(root, out, fatal)
        if status == 0:
            break
        report = verify_deploy(out)
        assert report.ok, (moments, report.problems)
        seen.add(report.manifest.version)
        with Repository.open(root) as repo:
            repo.export("v2", out, replace=True)
            assert verify_deploy(out, expected=new).ok
            assert os.listdir(os.path.dirname(out)) == ["copy"], f"left by {moments}"
            repo.export("v1", out, replace=True)
        fatal += 1
    assert seen == {old, new} and fatal > 20
    model.repo = Repository.open(root)


def _dying_export(root: str, out: str, fatal: int) -> tuple[list[str], int]:
    def work(report: Callable[[str], None]) -> None:
        moments = Moments(fatal, report)
        swap = wholes.exchange

        def exchange(*paths: str) -> None:
            moments.reached("exchange")
            swap(*paths)
            moments.reached("exchanged")

        wholes.exchange = exchange
        with Repository.open(root) as repo:
            repo.export("v2", out, replace=True)

    status, lines = Child(work).end()
    return lines, status


def test_die_is_what_it_says() -> None:
    assert Child(lambda _: die()).end()[0] == -9


# -------------------------------------------------------------------- what is found


def test_every_difference_has_its_name(model: Bench, out: str) -> None:
    export(model, "HEAD", out)
    with open(f"{out}/weights/model.bin", "r+b") as file:
        file.seek(1_000_000)
        file.write(b"tampered")
    Path(out, "params.yaml").write_text("lr: 0.10\n")
    os.unlink(f"{out}/metrics.json")
    os.chmod(f"{out}/model.py", 0o755)
    os.unlink(f"{out}/latest.bin")
    os.symlink("model.py", f"{out}/latest.bin")
    os.mkdir(f"{out}/__pycache__")
    Path(out, "__pycache__/model.pyc").write_bytes(b"")
    os.mkfifo(f"{out}/pipe")
    os.mkdir(f"{out}/an empty directory")
    assert problems(out) == [
        ("differs", "latest.bin"),
        ("missing", "metrics.json"),
        ("mode", "model.py"),
        ("differs", "params.yaml"),
        ("differs", "weights/model.bin"),
        ("extra", "__pycache__/model.pyc"),
        ("extra", "pipe"),
    ]
    os.unlink(f"{out}/empty.txt")
    os.mkfifo(f"{out}/empty.txt")
    assert ("differs", "empty.txt") in problems(out)


def test_links_out_of_the_copy_are_not_followed(model: Bench, out: str) -> None:
    export(model, "HEAD", out)
    os.rename(f"{out}/weights", f"{out}-weights")
    os.symlink(f"{out}-weights", f"{out}/weights")
    assert problems(out) == [("missing", "weights/model.bin"), ("extra", "weights")]


def edit(out: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = Path(out, NAME)
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def row(document: dict[str, Any], path: str) -> dict[str, Any]:
    return next(r for r in document["files"] if r["path"] == path)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: row(d, "params.yaml").update(recipe="00" * 32),
        lambda d: row(d, "params.yaml").update(size=9),
        lambda d: row(d, "params.yaml").update(path="../params.yaml"),
        lambda d: row(d, "params.yaml").update(path="/etc/passwd"),
        lambda d: row(d, "params.yaml").update(component="results"),
        lambda d: row(d, "params.yaml").update(component="secrets"),
        lambda d: row(d, "params.yaml").update(mode="setuid"),
        lambda d: row(d, "params.yaml").update(sha256="x"),
        lambda d: row(d, "params.yaml").update(size=-1),
        lambda d: row(d, "params.yaml").update(size=True),
        lambda d: d["files"].pop(),
        lambda d: d["files"].append(d["files"][0]),
        lambda d: d["files"].append(3),
        lambda d: d.update(files={}),
        lambda d: d.update(number=7),
        lambda d: d.update(message="another"),
        lambda d: d.update(version="00" * 32),
        lambda d: d.update(version="v2"),
        lambda d: d.update(record=base64.b64encode(b"\xff").decode()),
        lambda d: d.update(record="not base64"),
        lambda d: d.update(record=3),
        lambda d: d["components"].pop("weights"),
        lambda d: d["components"]["weights"].update(bytes=1),
        lambda d: d["components"].update(secrets={}),
        lambda d: d.update(format="something"),
        lambda d: d.update(format_version=2),
        lambda d: d.pop("stage"),
        lambda d: d["stage"].update(name="staging"),
        lambda d: d["stage"].update(record=2),
        lambda d: d["stage"].update(record_bytes="AAAA"),
        lambda d: d.update(annotations={"k": 1}),
        lambda d: d.update(annotations="text"),
    ],
)
def test_a_manifest_that_was_edited_is_refused(
    model: Bench, out: str, change: Callable[[dict[str, Any]], object]
) -> None:
    model.repo.promote("v2", "production", context=model.context())
    export(model, "production", out, only=[Component.HYPERPARAMETERS, Component.WEIGHTS])
    edit(out, change)
    with pytest.raises(CorruptObject) as caught:
        verify_deploy(out)
    assert caught.value.kind == "damaged-manifest" and caught.value.cause


def test_a_file_and_its_sha256_changed_together_are_found(model: Bench, out: str) -> None:
    export(model, "HEAD", out)
    Path(out, "params.yaml").write_text("lr: 0.2\n")
    changed = hashlib.sha256(b"lr: 0.2\n").hexdigest()
    edit(out, lambda d: row(d, "params.yaml").update(sha256=changed))
    assert problems(out) == [("differs", "params.yaml")]
    edit(out, lambda d: row(d, "model.py").update(sha256="0" * 64))
    assert ("differs", "model.py") in problems(out)


def test_the_manifest_of_another_version_is_another_version(model: Bench, out: str) -> None:
    export(model, "v1", out)
    export(model, "v2", out + "2")
    os.replace(f"{out}2/{NAME}", f"{out}/{NAME}")
    assert problems(out) == [("differs", "weights/model.bin")]
    assert not verify_deploy(out, expected=model.repo.resolve("v1")).same_version


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"null", b"\xff", b'{"format":1}', b"[" * 100_000]
)
def test_garbage_is_no_manifest(model: Bench, out: str, data: bytes) -> None:
    os.makedirs(out)
    Path(out, NAME).write_bytes(data)
    with pytest.raises(CorruptObject):
        verify_deploy(out)


def test_no_manifest(out: str) -> None:
    with pytest.raises(Failure, match="not a directory"):
        verify_deploy(out)
    os.makedirs(out)
    with pytest.raises(Failure) as caught:
        verify_deploy(out)
    assert caught.value.kind == "no-manifest"
    os.symlink("/etc/passwd", f"{out}/{NAME}")
    with pytest.raises(Failure):
        verify_deploy(out)


def test_a_file_that_was_cut_as_plain_bytes_is_right(model: Bench, out: str) -> None:
    """As by an mvc that did not know safetensors yet."""
    header = b'{"a":{"dtype":"F32","shape":[100000],"data_offsets":[0,400000]}}'
    header += b" " * (-len(header) % 8)
    model.save({"weights/model.bin": len(header).to_bytes(8, "little") + header + BIG[:400_000]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvcd.repo.contents.drafts.layout", lambda read_at, size: None)
        model.remove("weights/model.bin")
        data = len(header).to_bytes(8, "little") + header + BIG[1:400_001]
        model.save({"weights/other.bin": data})
    export(model, "HEAD", out)
    assert verify_deploy(out).ok
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvcd.repo.release.verify_deploy._plain_recipe", lambda path: None)
        assert problems(out) == [("differs", "weights/other.bin")]


def test_the_manifest_reads_back(model: Bench, out: str) -> None:
    made = export(model, "HEAD", out).manifest
    assert ExportManifest.decode(made.encode()) == made
    assert Path(out, NAME).read_bytes() == made.encode()


def test_annotations_are_told_and_prove_nothing(model: Bench, out: str) -> None:
    model.repo.annotate("HEAD", {"acc": "0.93", "gone": "x"}, context=model.context())
    model.repo.annotate("HEAD", {"gone": None}, context=model.context())
    made = export(model, "HEAD", out).manifest
    assert made.annotations == {"acc": "0.93"}
    assert ExportManifest.decode(made.encode()) == made
    assert json.loads(Path(out, NAME).read_bytes())["annotations"] == {"acc": "0.93"}
    edit(out, lambda d: d.update(annotations={"acc": "1.0"}))
    assert problems(out) == []
