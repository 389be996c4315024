"""model_signing and in-toto's own classes take what mvc attests, and mvc what model_signing signs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mvc
from tests.client.conftest import template
from tests.client.test_attestations import put_key
from tests.support.commandline import AUTHOR, write

__all__ = ["template"]
pytestmark = [pytest.mark.tools]


def model_signing(*words: str | Path, code: int = 0) -> str:
    """What the command says on stdout and stderr."""
    ran = subprocess.run(
        [sys.executable, "-m", "model_signing", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert ran.returncode == code, ran.stdout
    return ran.stdout


@pytest.fixture
def repo(work: Path) -> Iterator[mvc.Repo]:
    write(
        work,
        {
            "model.safetensors": bytes(100_000), "a/b.txt": "1", "a.txt": "2", "data/train.csv": "x\n1\n",
            ".gitignore": "*.pyc\n", "café/naïve.yaml": "lr: 0.1\n",
        },
    )  # fmt: skip
    repo = mvc.Repo.init(work, author=AUTHOR)
    repo.add(".")
    repo.commit("first")
    yield repo
    repo.close()


def test_model_signing_verifies_and_names_what_was_changed(
    repo: mvc.Repo, work: Path, tmp_path: Path
) -> None:
    key, signature, out = put_key(tmp_path / "k.pem"), tmp_path / "model.sig", tmp_path / "out"
    signature.write_bytes(mvc.attest(repo, key=key))
    repo.export("HEAD", out)
    words = ("--signature", signature, "--public_key", tmp_path / "k.pub")
    assert "succeeded" in model_signing("verify", "key", out, *words)
    assert "succeeded" in model_signing("verify", "key", work, *words), "the workspace too"
    (out / "a.txt").write_text("3")
    said = model_signing("verify", "key", out, *words, code=1)
    assert "Hash mismatch" in said and "a.txt" in said and "b.txt" not in said


def test_links_are_verified_as_what_they_lead_to(
    repo: mvc.Repo, work: Path, tmp_path: Path
) -> None:
    (work / "best").symlink_to("model.safetensors")
    (work / "folder").symlink_to("a")
    repo.commit("links")
    key, signature = put_key(tmp_path / "k.pem"), tmp_path / "model.sig"
    signature.write_bytes(mvc.attest(repo, key=key))
    words = ("--signature", signature, "--public_key", tmp_path / "k.pub", "--allow_symlinks")
    assert "succeeded" in model_signing("verify", "key", work, *words)


def test_both_name_a_model_by_the_same_digest(repo: mvc.Repo, work: Path, tmp_path: Path) -> None:
    key, signature = put_key(tmp_path / "k.pem"), tmp_path / "theirs.sig"
    model_signing(
        "sign", "key", work, "--signature", signature, "--private_key", key,
        "--ignore-paths", work / ".mvc",
    )  # fmt: skip
    from mvc.integrations import bundles

    theirs = json.loads(
        bundles.opened(signature.read_bytes(), bundles.public_key(str(tmp_path / "k.pub")))
    )
    ours = json.loads(mvc.attest(repo))
    assert theirs["subject"][0]["digest"] == ours["subject"][0]["digest"]
    assert theirs["predicate"]["resources"] == ours["predicate"]["resources"]
    found = mvc.verify_attestation(signature.read_bytes(), tmp_path / "k.pub", repo=repo)
    assert found.ok and found.files == len(theirs["predicate"]["resources"])
    assert mvc.verify_attestation(signature.read_bytes(), tmp_path / "k.pub", directory=work).ok


def test_statements_are_those_of_in_toto(repo: mvc.Repo) -> None:
    from google.protobuf import json_format
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1 import statement, statement_pb2

    for kind in ("model-signing", "slsaprovenance1"):
        made = mvc.attest(repo, kind=kind)
        read = json_format.Parse(made, statement_pb2.Statement())  # type: ignore[attr-defined]
        statement.Statement.copy_from_pb(read).validate()
    predicate = json.loads(made)["predicate"]
    json_format.ParseDict(predicate, provenance_pb2.Provenance())  # type: ignore[attr-defined]
