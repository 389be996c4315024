"""Statements about versions: what they say, who signed them, and which files are not as they were signed."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import mvc as package
from mvc.integrations import bundles
from tests.support.commandline import Mvc, write

PEM, PRIVATE = serialization.Encoding.PEM, serialization.PrivateFormat


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put_key(
    path: Path,
    *,
    curve: ec.EllipticCurve | None = None,
    form: serialization.PrivateFormat = PRIVATE.PKCS8,
    password: bytes | None = None,
) -> str:
    """A new key in `path`, and its public half beside it, with the ending .pub."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    locked = serialization.BestAvailableEncryption(password) if password else None
    path.write_bytes(key.private_bytes(PEM, form, locked or serialization.NoEncryption()))
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return str(path)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return put_key(tmp_path / "signing.pem")


@pytest.fixture
def public(key: str) -> str:
    return key.replace(".pem", ".pub")


@pytest.fixture
def sealed(mvc: Mvc, saved: Path, key: str, tmp_path: Path) -> str:
    """The bundle of v2, in a file."""
    path = str(tmp_path / "v2.sig")
    assert mvc("attest", "--key", key, "-o", path).out == f"Wrote {path}\n"
    return path


# ---------------------------------------------------------------- statements


def test_a_model_is_its_files_and_their_digest(mvc: Mvc, saved: Path) -> None:
    write(saved, {".gitignore": "*.pyc\n", "b/x": "1", "b.txt": "2"})
    (saved / "link").symlink_to("b/../b.txt")
    (saved / "b" / "up").symlink_to("../link")
    (saved / "folder").symlink_to("b")
    (saved / "through").symlink_to("folder/x")
    package.Repo(saved).commit("links")
    said = mvc("attest").json
    files = {row["name"]: row["digest"] for row in said["predicate"]["resources"]}
    assert files["link"] == files["b/up"] == files["b.txt"] == sha256(b"2")
    assert files["through"] == files["b/x"] == sha256(b"1")
    assert not {".gitignore", "folder"} & files.keys()
    names = [row["name"] for row in said["predicate"]["resources"]]
    assert names == sorted(names, key=lambda name: name.split("/"))
    root = sha256(b"".join(bytes.fromhex(files[name]) for name in names))
    assert said["subject"] == [{"name": "v3", "digest": {"sha256": root}}]
    form = said["predicate"]["serialization"]
    assert form["allow_symlinks"] is True and ".mvc" in form["ignore_paths"]
    assert mvc("attest").out == mvc("attest", "v3").out, "equal to the byte"


@pytest.mark.parametrize("target", ["/etc/hostname", "../up", "nothing", "circle", "circle/x"])
def test_links_out_of_the_version_are_refused(mvc: Mvc, saved: Path, target: str) -> None:
    (saved / "circle").symlink_to(target)
    package.Repo(saved).commit("link")
    assert "circle leads to" in mvc("attest", code=1).err


def test_what_cannot_be_said_is_refused(mvc: Mvc, saved: Path) -> None:
    repo = package.Repo(saved)
    repo.run([sys.executable, "-c", ""], env={"PLACE": "caf\udce9"})
    with pytest.raises(package.Failure, match="not UTF-8"):
        package.attest(repo, kind="slsaprovenance1")
    repo.write("bare", {".gitignore": b"x"}, "only git's")
    assert "model_signing leaves out" in mvc("attest", "bare", code=1).err
    repo.write("bare", {".gitignore": None}, "nothing")
    assert "has no files" in mvc("attest", "bare", code=1).err


def test_provenance_names_what_went_in_and_came_out(mvc: Mvc, saved: Path) -> None:
    write(saved, {"params.yaml": "lr: 0.5\nbound: .inf\n"})
    repo = package.Repo(saved)
    repo.run([sys.executable, "-c", "open('w.bin', 'w').write('w')"], seed=7, env={"GPU": "a"})
    said = mvc("attest", "--type", "slsaprovenance1", "--builder-id", "https://ci.example.org").json
    made, ran = said["predicate"]["buildDefinition"], said["predicate"]["runDetails"]
    subjects = {row["name"]: row["digest"]["sha256"] for row in said["subject"]}
    assert subjects["w.bin"] == sha256(b"w") and "data/train.csv" not in subjects
    assert made["buildType"] == "urn:mvc:run"
    told = made["externalParameters"]
    assert (told["seed"], told["command"][0], told["environment"]["GPU"]) == (
        7,
        sys.executable,
        "a",
    )
    assert told["hyperparameters"]["bound"] == "inf"
    used = made["resolvedDependencies"]
    assert used[0] == {"uri": f"urn:mvc:version:{repo.resolve('v2')}"}
    digests = {row["name"]: row["digest"] for row in used if "name" in row}
    assert digests["data/train.csv"] == {"sha256": sha256(b"x,y\n1,2\n")}
    assert len(digests["packages"]["sha256"]) == 64
    assert ran["builder"] == {"id": "https://ci.example.org"}
    assert ran["metadata"]["invocationId"] == f"urn:mvc:version:{repo.resolve('v3')}"
    assert ran["metadata"]["startedOn"] < ran["metadata"]["finishedOn"]
    by_hand = mvc("attest", "v1", "--type", "slsaprovenance1").json["predicate"]
    assert by_hand["buildDefinition"]["buildType"] == "urn:mvc:save"
    assert "startedOn" not in by_hand["runDetails"]["metadata"]
    assert "--builder-id is for" in mvc("attest", "--builder-id", "x", code=2).err


# ---------------------------------------------------------------- signed and compared


def test_a_bundle_is_compared_with_a_version_and_a_directory(
    mvc: Mvc, saved: Path, sealed: str, public: str, tmp_path: Path
) -> None:
    assert "files, as signed" in mvc("verify-attestation", sealed, "--key", public).out
    out = tmp_path / "out"
    mvc("export", "v2", str(out))
    words = ("verify-attestation", sealed, "--key", public, "--directory", str(out))
    assert "as signed" in mvc(*words).out
    write(out, {"params.yaml": "lr: 9\n", "data/evil.csv": "x"})
    (out / "model.py").unlink()
    found = mvc(*words, "--json", code=1).json
    assert (found["changed"], found["missing"], found["extra"]) == (
        ["params.yaml"], ["model.py"], ["data/evil.csv"],
    )  # fmt: skip
    shown = mvc(*words, code=1).out
    assert "changed: params.yaml" in shown and "not signed: data/evil.csv" in shown
    assert (
        "changed: params.yaml"
        in mvc("verify-attestation", sealed, "v1", "--key", public, code=1).out
    )


def test_a_bundle_in_the_workspace_is_told(mvc: Mvc, saved: Path) -> None:
    assert "is in the workspace" in mvc("attest", "-o", "model.sig").err


def test_a_bundle_in_the_directory_is_no_file_of_the_model(
    mvc: Mvc, saved: Path, sealed: str, public: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mvc("export", "v2", str(out))
    here = out / "here.sig"
    here.write_bytes(Path(sealed).read_bytes())
    mvc("verify-attestation", str(here), "--key", public, "--directory", str(out))
    (out / "more").symlink_to("model.py")
    words = ("verify-attestation", str(here), "--key", public, "--directory", str(out))
    assert "without links" in mvc(*words, code=1).err


def test_provenance_asks_only_for_what_it_names(
    mvc: Mvc, saved: Path, key: str, public: str, tmp_path: Path
) -> None:
    bundle = str(tmp_path / "slsa.json")
    mvc("attest", "--type", "slsaprovenance1", "--key", key, "-o", bundle)
    found = mvc("verify-attestation", bundle, "--key", public, "--json").json
    assert (found["kind"], found["files"]) == ("slsaprovenance1", 2)
    write(tmp_path / "some", {"metrics.json": "{}"})
    words = ("verify-attestation", bundle, "--key", public, "--directory", str(tmp_path / "some"))
    found = mvc(*words, "--json", code=1).json
    assert (found["changed"], found["missing"]) == (["metrics.json"], ["model.safetensors"])


def test_another_key_and_a_changed_statement_are_told(
    mvc: Mvc, saved: Path, sealed: str, public: str, tmp_path: Path
) -> None:
    other = put_key(tmp_path / "other.pem").replace(".pem", ".pub")
    ran = mvc("verify-attestation", sealed, "--key", other, code=14)
    assert "not by this key" in ran.err and "the bundle names the key" in ran.err
    document = json.loads(Path(sealed).read_bytes())
    payload = base64.b64decode(document["dsseEnvelope"]["payload"]).replace(b'"v2"', b'"v3"')
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    Path(sealed).write_text(json.dumps(document))
    assert (
        "the bundle names this key"
        in mvc("verify-attestation", sealed, "--key", public, code=14).err
    )


MODEL: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "m", "digest": {"sha256": sha256(bytes(32))}}],
    "predicateType": "https://model_signing/signature/v1.0",
    "predicate": {
        "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
        "resources": [{"name": "a", "algorithm": "sha256", "digest": "00" * 32}],
    },
}


def test_a_signed_statement_is_read_with_care(key: str, public: str, tmp_path: Path) -> None:
    signer = bundles.private_key(key)

    def verify(**changes: Any) -> package.Attestation:
        document = json.loads(json.dumps(MODEL))
        for where, value in changes.items():
            at, *rest = where.split("__")
            target, last = document, at
            for name in rest:
                target, last = target[last], name
            target[last] = value
        bundle = bundles.sealed(json.dumps(document).encode(), signer)
        return package.verify_attestation(bundle, public, directory=tmp_path / "empty")

    (tmp_path / "empty").mkdir()
    assert verify().missing == ("a",)
    row = {"name": "a", "algorithm": "sha256", "digest": "00" * 32}
    for changes in (
        {"_type": "x"},
        {"predicateType": "https://example.org/x"},
        {"predicate": []},
        {"subject": []},
        {"subject": [{"name": "m", "digest": {"sha256": "11" * 32}}]},
        {"predicate__serialization__method": "shards"},
        {"predicate__resources": [{**row, "name": "../a"}]},
        {"predicate__resources": [{**row, "name": "/a"}]},
        {"predicate__resources": [{**row, "digest": "0"}]},
        {"predicate__resources": None},
    ):
        with pytest.raises(package.IntegrityError, match="none that mvc can check"):
            verify(**changes)
    deep = bundles.sealed(b"[" * 100_000, signer)
    with pytest.raises(package.IntegrityError):
        package.verify_attestation(deep, public, directory=tmp_path)


@pytest.mark.parametrize(
    "bundle",
    [
        b"", b"[]", b"{}", b"[" * 100_000, b'{"mediaType": 1}',
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": {}}',
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": {},'
        b' "verificationMaterial": {"certificate": {}}}',
    ],
)  # fmt: skip
def test_what_is_no_bundle_is_refused(public: str, tmp_path: Path, bundle: bytes) -> None:
    with pytest.raises(package.IntegrityError, match="no Sigstore bundle"):
        package.verify_attestation(bundle, public, directory=tmp_path)


# ---------------------------------------------------------------- keys


def test_keys_of_each_form_sign(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    repo = package.Repo(saved)
    for number, (curve, form) in enumerate(
        [
            (ec.SECP256R1(), PRIVATE.OpenSSH),
            (ec.SECP384R1(), PRIVATE.PKCS8),
            (ec.SECP521R1(), PRIVATE.TraditionalOpenSSL),
        ]
    ):
        key = put_key(tmp_path / f"{number}.pem", curve=curve, form=form)
        bundle = package.attest(repo, key=key)
        assert package.verify_attestation(bundle, key.replace(".pem", ".pub"), repo=repo).ok


def test_a_password_is_asked_for(
    mvc: Mvc, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for form in (PRIVATE.PKCS8, PRIVATE.TraditionalOpenSSL):
        key = put_key(tmp_path / "locked.pem", form=form, password=b"sesame")
        monkeypatch.setenv("MVC_KEY_PASSWORD", "sesame")
        assert mvc("attest", "--key", key).json["verificationMaterial"]
        monkeypatch.setenv("MVC_KEY_PASSWORD", "wrong")
        assert "does not open" in mvc("attest", "--key", key, code=12).err
        with pytest.raises(package.AuthError, match="which nobody gave"):
            package.attest(package.Repo(saved), key=key)


def test_other_keys_are_refused(
    mvc: Mvc, saved: Path, sealed: str, key: str, tmp_path: Path
) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "other.pem"
    path.write_bytes(other.private_bytes(PEM, PRIVATE.PKCS8, serialization.NoEncryption()))
    assert "another kind" in mvc("attest", "--key", str(path), code=12).err
    koblitz = put_key(tmp_path / "koblitz.pem", curve=ec.SECP256K1())
    assert "its curve is secp256k1" in mvc("attest", "--key", koblitz, code=12).err
    path.write_bytes(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    assert "only cosign opens" in mvc("attest", "--key", str(path), code=12).err
    path.write_bytes(b"nothing")
    assert "is no ECDSA key" in mvc("attest", "--key", str(path), code=12).err
    assert "is no ECDSA key" in mvc("verify-attestation", sealed, "--key", str(path), code=12).err
    assert "public half" in mvc("verify-attestation", sealed, "--key", key, code=12).err
    assert "cannot read the key" in mvc("attest", "--key", "nowhere", code=12).err
    assert "cannot read" in mvc("verify-attestation", "nowhere", "--key", key, code=1).err


def test_without_cryptography_the_extra_is_named(
    mvc: Mvc, saved: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    assert "pip install 'mvcd[sign]'" in mvc("attest", "--key", key, code=1).err
    assert mvc("attest").json["subject"], "the bare statement needs none"
