"""Signatures by real keys: what is good, and each way not to be."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from mvcd.errors import AuthError, Failure
from mvcd.ids import VersionId
from mvcd.repo.change.signing import Signer
from mvcd.repo.records.refs import version_named
from mvcd.repo.trust import judging
from mvcd.repo.trust.judging import signature_status, tag_signature_status
from mvcd.repo.trust.signatures import Signable, SignatureState, of_tag, of_version, travelling
from mvcd.store.api import RefUpdate
from tests.repo.keys import KEYGEN, Key, make_key, trust
from tests.support.workspace import Bench


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return make_key(tmp_path_factory.mktemp("keys"), "other")


def signed(bench: Bench, key: Key) -> VersionId:
    bench.write({"params.yaml": f"lr: {bench.now_us()}\n"})
    bench.add()
    return bench.commit(signer=key.signer).version


def refs(bench: Bench) -> dict[str, bytes]:
    return bench.repo._core.store.refs("signatures/")


def plant(bench: Bench, name: str, blob: bytes) -> None:
    store = bench.repo._core.store
    store.update_refs([RefUpdate(name, store.ref(name), blob)])


def states(bench: Bench, id: VersionId, trusted: judging.Trust) -> list[SignatureState]:
    return [s.state for s in signature_status(bench.repo._core.store, id, trusted)]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_signed_commit_is_good(bench: Bench, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path, kind=kind)
    id = signed(bench, key)
    (status,) = signature_status(bench.repo._core.store, id, trust(key.line()))
    assert (status.state, status.principal, status.reason) == (
        SignatureState.GOOD,
        "ada@example.org",
        "",
    )
    assert status.key_type == key.public.split()[0]
    assert status.fingerprint.startswith("SHA256:")


def test_the_signed_bytes_are_pinned() -> None:
    id = VersionId(bytes(range(32)))
    hex = bytes(range(32)).hex()
    assert of_version(id) == Signable(
        f"signatures/{hex}/", "mvc-version", f"mvc version {hex}\n".encode()
    )
    assert of_tag("best/one", bytes(id) + "größer\n".encode()) == Signable(
        "signatures/tags/best/one/",
        "mvc-tag",
        f"mvc tag best/one\nversion {hex}\n\ngrößer\n".encode(),
    )


def test_the_signature_comes_in_the_commit_and_goes_with_its_undo(bench: Bench, key: Key) -> None:
    id = signed(bench, key)
    (name,) = refs(bench)
    assert name.startswith(f"signatures/{id}/") and len(name) == 11 + 64 + 1 + 64
    operation = next(bench.repo.operations())
    assert name in [m.name for m in operation.moves]
    bench.repo.undo(context=bench.context())
    assert refs(bench) == {}


def test_who_cannot_sign_makes_no_version(bench: Bench, tmp_path: Path) -> None:
    bench.save({"a": "1"})
    bench.write({"a": "2"})
    before = bench.repo.head, bench.repo.store.stats().objects
    with pytest.raises(AuthError, match="cannot sign") as caught:
        bench.commit(signer=Signer(str(tmp_path / "absent"), KEYGEN))
    assert caught.value.help is not None and "ssh-keygen -t ed25519 -f" in caught.value.help
    assert bench.repo.head == before[0]
    assert bench.commit(signer=make_key(tmp_path).signer).number == 2


def test_a_passphrase_that_nobody_types(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = make_key(tmp_path, "locked", passphrase="secret")
    bench.save({"a": "1"})
    keygen = judging.Keygen({"PATH": KEYGEN.environment["PATH"], "SSH_ASKPASS_REQUIRE": "force",
                             "SSH_ASKPASS": "/bin/false", "DISPLAY": ":0"})  # fmt: skip
    with pytest.raises(AuthError) as caught:
        bench.repo.sign("HEAD", context=bench.context(), signer=Signer(str(locked.path), keygen))
    assert caught.value.help is not None and "ssh-add" in caught.value.help
    with pytest.raises(AuthError) as caught:
        bench.repo.sign("HEAD", context=bench.context(), signer=Signer(locked.public, keygen))
    assert caught.value.help is not None and "ssh-agent" in caught.value.help
    assert refs(bench) == {}


def test_no_ssh_keygen_is_said_with_what_to_install(bench: Bench, key: Key) -> None:
    bench.save({"a": "1"})
    absent = judging.Keygen({"PATH": "/nowhere"})
    with pytest.raises(Failure, match="no ssh-keygen") as caught:
        bench.repo.sign("HEAD", context=bench.context(), signer=Signer(str(key.path), absent))
    assert caught.value.kind == "no-ssh-keygen"


def test_an_existing_version_takes_several_signatures(bench: Bench, key: Key, other: Key) -> None:
    id = bench.save({"a": "1"}).version
    for one in (key, other, key):
        bench.repo.sign("HEAD", context=bench.context(), signer=one.signer)
    assert len(refs(bench)) == 2
    assert states(bench, id, trust(other.line())) == [
        SignatureState.GOOD,
        SignatureState.UNKNOWN_KEY,
    ]
    assert states(bench, id, trust(key.line(), other.line("bob"))) == [SignatureState.GOOD] * 2
    assert states(bench, id, judging.Trust(keygen=KEYGEN)) == [SignatureState.UNKNOWN_KEY] * 2
    with pytest.raises(Failure, match="nothing to sign"):
        bench.repo.sign("v0", context=bench.context(), signer=key.signer)


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ('valid-before="19690101"', SignatureState.UNKNOWN_KEY),  # no time ssh-keygen can read
        ('valid-before="19700102"', SignatureState.GOOD),
        ('valid-before="197001010001"', SignatureState.EXPIRED),
        ('valid-after="20260101"', SignatureState.EXPIRED),
        ('valid-after="197001010001",valid-before="20260101"', SignatureState.GOOD),
        ('namespaces="mvc-version"', SignatureState.GOOD),
        ('namespaces="git,file"', SignatureState.UNKNOWN_KEY),
    ],
)
def test_what_the_allowed_signers_file_allows(
    bench: Bench, key: Key, options: str, state: SignatureState
) -> None:
    id = signed(bench, key)  # two minutes after the beginning of 1970
    (status,) = signature_status(bench.repo._core.store, id, trust(key.line(options=options)))
    assert status.state is state
    assert bool(status.reason) is (state is not SignatureState.GOOD)
    assert "/tmp" not in status.reason


def test_a_revoked_key(bench: Bench, key: Key, other: Key, tmp_path: Path) -> None:
    id = signed(bench, key)
    revoked = tmp_path / "revoked"
    revoked.write_text(other.public + "\n")
    assert states(bench, id, trust(key.line(), revoked=revoked)) == [SignatureState.GOOD]
    revoked.write_text(other.public + "\n" + key.public + "\n")
    assert states(bench, id, trust(key.line(), revoked=revoked)) == [SignatureState.REVOKED]
    with pytest.raises(Failure) as caught:
        trust(key.line(), revoked=tmp_path / "absent")
    assert caught.value.kind == "no-revocation-file"


def test_a_signature_of_another_version_or_namespace_is_bad(bench: Bench, key: Key) -> None:
    first, second = signed(bench, key), signed(bench, key)
    (blob,) = [b for n, b in refs(bench).items() if str(first) in n]
    fingerprint = next(iter(refs(bench))).rpartition("/")[2]
    plant(bench, f"signatures/{second}/{fingerprint}", blob)
    assert states(bench, second, trust(key.line())) == [SignatureState.BAD]
    foreign = KEYGEN.sign(of_version(second).message, "git", str(key.path))
    plant(bench, f"signatures/{second}/{fingerprint}", foreign)
    (status,) = signature_status(bench.repo._core.store, second, trust(key.line()))
    assert (status.state, "namespace" in status.reason) == (SignatureState.BAD, True)
    assert states(bench, first, trust(key.line())) == [SignatureState.GOOD]


def test_tampered_and_misfiled_blobs_are_bad(bench: Bench, key: Key) -> None:
    id = signed(bench, key)
    ((name, blob),) = refs(bench).items()
    for at in (len(blob) - 1, len(blob) // 2, 8, 40):
        plant(bench, name, blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :])
        assert states(bench, id, trust(key.line())) == [SignatureState.BAD], at
    for wrong in (b"", b"x", blob[:-1], blob + b"\0", b"SSHSIG" * 1000, bytes(60_000)):
        plant(bench, name, wrong)
        assert states(bench, id, trust(key.line())) == [SignatureState.BAD]
    plant(bench, name, blob)
    plant(bench, f"signatures/{id}/{'0' * 64}", blob)
    assert states(bench, id, trust(key.line())) == [SignatureState.GOOD, SignatureState.BAD]


def test_many_strangers_cost_no_process_each_and_hide_nobody(
    bench: Bench, key: Key, other: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MAX_STRANGER_SIGNATURES", 1)
    id = signed(bench, key)
    message, namespace = of_version(id).message, of_version(id).namespace
    for byte in range(5):  # public keys of nobody: well formed, each its own fingerprint
        blob = bytearray(KEYGEN.sign(message, namespace, str(other.path)))
        at = blob.index(b"ssh-ed25519") + 11 + 4
        blob[at] ^= byte
        plant(bench, of_version(id).ref(bytes(blob)), bytes(blob))
    found = states(bench, id, trust(key.line()))
    assert found[0] is SignatureState.GOOD and found.count(SignatureState.UNCHECKED) == 4


def test_a_certificate_is_judged_by_its_authority(bench: Bench, tmp_path: Path) -> None:
    import subprocess

    authority, key = make_key(tmp_path, "ca"), make_key(tmp_path, "ada")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(authority.path), "-I", "ada", "-n", "ada@example.org",
         "-V", "19700101:20380101", str(key.path) + ".pub"],
        check=True,
    )  # fmt: skip
    id = bench.save({"a": "1"}).version
    signer = Signer(str(tmp_path / "ada-cert.pub"), KEYGEN)
    (tmp_path / "ada-cert").write_bytes(key.path.read_bytes())
    (tmp_path / "ada-cert").chmod(0o600)
    bench.repo.sign("HEAD", context=bench.context(), signer=signer)
    allowed = f"*@example.org cert-authority {authority.public}\n"
    (status,) = signature_status(bench.repo._core.store, id, trust(allowed))
    assert (status.state, status.principal) == (SignatureState.GOOD, "ada@example.org")
    assert status.key_type == "ssh-ed25519"
    assert states(bench, id, trust(key.line())) == [SignatureState.UNKNOWN_KEY]


# -------------------------------------------------------------------- tags


def test_a_tag_is_signed_with_its_name_version_and_message(bench: Bench, key: Key) -> None:
    bench.save({"a": "1"})
    tag = bench.repo.create_tag(
        "v1.0", context=bench.context(), message="the first", signer=key.signer
    )
    assert tag.signer is not None and tag.signer.startswith("SHA256:")
    store, trusted = bench.repo._core.store, trust(key.line())
    assert [s.state for s in tag_signature_status(store, "v1.0", trusted)] == [SignatureState.GOOD]
    assert signature_status(store, tag.version, trusted) == []
    value = store.ref("tags/v1.0")
    assert value is not None
    for message in (b"the second", b"", b"the first\xff"):
        plant(bench, "tags/v1.0", value[:32] + message)
        assert [s.state for s in tag_signature_status(store, "v1.0", trusted)] == [
            SignatureState.BAD
        ]
    assert tag_signature_status(store, "absent", trusted) == []


def test_deleting_a_tag_takes_its_own_signatures_only(bench: Bench, key: Key) -> None:
    bench.save({"a": "1"})
    for name in ("best", "best/one"):
        bench.repo.create_tag(name, context=bench.context(), signer=key.signer)
    bench.repo.delete_tag("best", context=bench.context())
    assert [n.split("/")[2:4] for n in refs(bench)] == [["best", "one"]]
    bench.repo.undo(context=bench.context())
    store = bench.repo._core.store
    assert [s.state for s in tag_signature_status(store, "best", trust(key.line()))] == [
        SignatureState.GOOD
    ]


# -------------------------------------------------------------------- refs and collection


def test_a_signature_ref_names_no_version() -> None:
    assert version_named(f"signatures/{'0' * 64}/{'1' * 64}", bytes(64)) is None
    assert version_named("signatures/tags/x/head", b"version " + bytes(32)) is None


def test_collection_takes_signatures_of_what_is_gone(bench: Bench, key: Key) -> None:
    kept = signed(bench, key)
    bench.repo.switch("side", context=bench.context(), create=True)
    gone = signed(bench, key)
    bench.checkout("main")
    bench.repo.delete_branch("side", context=bench.context(), force=True)
    bench.repo.create_branch("another", context=bench.context())  # the last operation stays
    plant(bench, "signatures/nonsense", b"x")
    bench.repo.gc(context=bench.context(), dry_run=True, keep_operations_us=0)
    assert len(refs(bench)) == 3
    bench.repo.gc(context=bench.context(), keep_operations_us=0)
    assert not bench.repo._core.store.has([gone])[0]
    assert [n.split("/")[1] for n in refs(bench)] == [str(kept)]


def test_what_travels_with_versions_and_tags(bench: Bench, key: Key) -> None:
    first, _ = signed(bench, key), signed(bench, key)
    for name in ("a", "a/b"):
        bench.repo.create_tag(name, context=bench.context(), signer=key.signer)
    found = travelling(bench.repo._core.store, [first], ["a"])
    assert sorted(n.rpartition("/")[0] for n in found) == [
        f"signatures/{first}", "signatures/tags/a",
    ]  # fmt: skip


def test_a_length_beyond_the_end_is_no_signature(bench: Bench, key: Key) -> None:
    id = signed(bench, key)
    (name,) = refs(bench)
    plant(bench, name, b"SSHSIG" + struct.pack(">II", 1, 0xFFFFFFFF) + b"x")
    (status,) = signature_status(bench.repo._core.store, id, trust(key.line()))
    assert status.reason == "it is cut short"
