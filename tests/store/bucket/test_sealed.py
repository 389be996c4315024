"""Sealed buckets: what lies in them tells nothing, and no change passes unseen."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from mvc import Repo
from mvcd.errors import AuthError, Failure, IntegrityError, UsageError
from mvcd.ids import ChunkId
from mvcd.store.bucket.agekey import IDENTITY_VARIABLE, unwrap, wrap
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.bucket.bucketseal import seal, unsealed
from mvcd.store.bucket.indexrun import object_name
from mvcd.store.bucket.sealed import SealedBlobs
from tests.store.contract import StoreContract
from tests.store.objects import mark_values
from tests.support.simulated import Bucket

KEY = bytes(range(32))


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(random.Random(1))


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """The file of a private key, and its public key; no other key is on this machine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(IDENTITY_VARIABLE, raising=False)
    made = pyrage.x25519.Identity.generate()
    path = tmp_path / "age.key"
    path.write_text(f"# created for a test\n{made}\n")
    return path, str(made.to_public())


class TestSealedStore(StoreContract):
    """A store in a sealed bucket does what every store does."""

    def make(self) -> BucketStore:
        blobs = SealedBlobs(Bucket(random.Random(1)).client(), KEY)
        BucketStore.create(blobs).close()
        return BucketStore.open(blobs, cache=str(self.directory), grace_seconds=0)

    def sweep_regardless_of_leases(
        self, store: BucketStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(store, "sessions", set())
            store.collect(mark_values)


@given(
    data=st.binary(max_size=300), cuts=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)))
)
def test_any_range_of_an_object_is_that_of_its_content(
    data: bytes, cuts: list[tuple[int, int]]
) -> None:
    blobs = SealedBlobs(Bucket(random.Random(1)).client(), KEY)
    name = f"packs/{object_name(data)}"
    blobs.put(name, data)
    spans = [(min(a, b, len(data)), min(max(a, b), len(data))) for a, b in cuts]
    assert blobs.get_ranges(name, spans) == [data[a:b] for a, b in spans]
    assert blobs.get(name)[0] == data


def test_the_bytes_in_the_bucket_are_those_of_the_page(bucket: Bucket) -> None:
    """SEALED.md, section Objects, by the library's own functions in another order."""
    data = os.urandom(100)
    name = f"packs/{object_name(data)}"
    SealedBlobs(bucket.client(), KEY).put(name, data)
    key = HKDFExpand(SHA256(), 32, b"mvc bucket object " + name.encode()).derive(KEY)
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).decryptor()
    assert stream.update(bucket.client().get(name)[0]) == data


def test_a_byte_changed_anywhere_is_an_error(bucket: Bucket) -> None:
    plain, blobs = bucket.client(), SealedBlobs(bucket.client(), KEY)
    run = f"runs/{object_name(b'rows')}"
    blobs.put(run, b"rows")
    blobs.create("refs", b"state")
    for name in (run, "refs"):
        stored = plain.get(name)[0]
        for at in range(len(stored)):
            plain.delete([name])
            plain.put(name, stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :])
            with pytest.raises(IntegrityError, match="was changed there"):
                blobs.get(name)
        plain.delete([name])
        plain.put(name, stored[:-1])
        with pytest.raises(IntegrityError):
            blobs.get(name)


def test_a_state_of_another_name_or_in_the_clear_is_not_taken(bucket: Bucket) -> None:
    plain, blobs = bucket.client(), SealedBlobs(bucket.client(), KEY)
    blobs.create("other", b"state")
    plain.put("refs", plain.get("other")[0])
    with pytest.raises(IntegrityError, match="'refs'"):
        blobs.get("refs")
    plain.delete(["refs"])
    BucketStore.create(plain).close()
    with pytest.raises(IntegrityError, match="'refs'"):
        blobs.get("refs")


def test_nothing_of_the_content_can_be_read_in_the_bucket(bucket: Bucket) -> None:
    secret = b"the weights of a model " * 50
    blobs = SealedBlobs(bucket.client(), KEY)
    with BucketStore.create(blobs) as store, store.session() as session:
        from mvcd.codec.encode import Encoder

        session.put(ChunkId.of(secret), Encoder().encode(secret))
        session.commit([])
    plain = bucket.client()
    stored = b"".join(plain.get(info.name)[0] for info in plain.list(""))
    assert b"weights" not in stored
    assert bytes(ChunkId.of(secret)) not in stored


# ---------------------------------------------------------------------- keys of people


def test_a_bucket_is_sealed_to_a_key_and_opened_by_it(
    bucket: Bucket, identity: tuple[Path, str]
) -> None:
    path, public = identity
    assert seal(bucket.client(), [public], None)
    blobs = unsealed(bucket.client(), str(path))
    BucketStore.create(blobs).close()
    with pytest.raises(Failure) as caught:  # who does not know that it is sealed
        BucketStore.open(bucket.client())
    assert caught.value.kind == "sealed"


def test_recipients_are_replaced_and_the_key_stays(
    bucket: Bucket, identity: tuple[Path, str]
) -> None:
    path, public = identity
    seal(bucket.client(), [public], None)
    BucketStore.create(unsealed(bucket.client(), str(path))).close()
    other = pyrage.x25519.Identity.generate()
    mine = path.with_name("other.key")
    mine.write_text(str(other))
    assert not seal(bucket.client(), [str(other.to_public())], str(path))
    BucketStore.open(unsealed(bucket.client(), str(mine))).close()
    with pytest.raises(AuthError, match="you cannot open it"):
        unsealed(bucket.client(), str(path))


def test_ssh_keys_and_files_of_keys_are_recipients(
    bucket: Bucket, identity: tuple[Path, str], tmp_path: Path
) -> None:
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh / "id_ed25519")]
    subprocess.run(make, check=True)
    people = tmp_path / "people"
    people.write_text(f"# who may read\n{identity[1]}\n{(ssh / 'id_ed25519.pub').read_text()}")
    seal(bucket.client(), [str(people)], None)
    for named in (None, str(identity[0]), str(ssh / "id_ed25519")):
        unsealed(bucket.client(), named)


def test_a_bucket_with_a_store_in_the_clear_is_not_sealed(
    bucket: Bucket, identity: tuple[Path, str]
) -> None:
    BucketStore.create(bucket.client()).close()
    with pytest.raises(Failure) as caught:
        seal(bucket.client(), [identity[1]], None)
    assert caught.value.kind == "not-empty"
    with pytest.raises(AuthError) as refused:
        unsealed(bucket.client(), None)
    assert refused.value.kind == "not-sealed"


def test_a_key_that_is_gone_is_told_from_a_bucket_that_was_never_sealed(
    bucket: Bucket, identity: tuple[Path, str]
) -> None:
    path, public = identity
    seal(bucket.client(), [public], None)
    BucketStore.create(unsealed(bucket.client(), str(path))).close()
    bucket.client().delete(["key"])
    with pytest.raises(IntegrityError, match=r"'key' of .* is gone"):
        unsealed(bucket.client(), str(path))


def test_what_is_no_key_is_said_so(identity: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no recipient"):
        wrap(KEY, ["age1nothing"])
    with pytest.raises(UsageError) as caught:
        wrap(KEY, [str(identity[0])])
    assert str(caught.value.cause).startswith("it is a private key")
    with pytest.raises(UsageError) as caught:
        wrap(KEY, [identity[0].read_text().strip()])
    assert "AGE-SECRET-KEY" not in f"{caught.value} {caught.value.cause} {caught.value.help}"
    with pytest.raises(UsageError) as caught:
        wrap(KEY, [str(tmp_path / "none.pub")])
    assert str(caught.value.cause).startswith("there is no such file")
    with pytest.raises(UsageError, match="no recipient"):
        wrap(KEY, [])
    with pytest.raises(AuthError, match="cannot open"):
        unwrap(wrap(KEY, [identity[1]]), None, {})
    empty = tmp_path / "empty"
    empty.write_text("nothing")
    with pytest.raises(UsageError, match="holds no private key"):
        unwrap(wrap(KEY, [identity[1]]), None, {IDENTITY_VARIABLE: str(empty)})
    with pytest.raises(IntegrityError):
        unwrap(
            pyrage.encrypt(b"else", [pyrage.x25519.Recipient.from_str(identity[1])]),
            str(identity[0]),
            {},
        )
    locked = tmp_path / "locked"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "passphrase", "-f", str(locked)]
    subprocess.run(make, check=True)
    with pytest.raises(UsageError, match="holds no private key that can be used"):
        unwrap(wrap(KEY, [identity[1]]), str(locked), {})


# ---------------------------------------------------------------------- as a person does it


def _made(place: Path) -> Repo:
    place.mkdir()
    return Repo.init(place)


def test_push_clone_and_a_plain_store_put_in_its_place(
    tmp_path: Path, identity: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, public = identity
    url = f"bucket+file://{tmp_path}/bucket"
    one = _made(tmp_path / "one")
    (tmp_path / "one" / "params.json").write_text('{"lr": 1}')
    one.add(".")
    one.commit("first")
    one.add_remote("origin", url)
    with pytest.raises(UsageError, match="no recipient"):
        one.encrypt_remote("origin", "not-a-key")
    assert one.encrypt_remote("origin", public)
    with pytest.raises(AuthError):  # its own key is nowhere where it is looked for
        one.push()
    one.config.set("remote.origin.identity", str(path))
    one.push()
    with pytest.raises(AuthError):
        Repo.clone(url, tmp_path / "two")
    monkeypatch.setenv(IDENTITY_VARIABLE, str(path))
    two, _ = Repo.clone(url, tmp_path / "two")
    assert two.config.get("remote.origin.encrypt") == "true"
    shutil.rmtree(tmp_path / "bucket")
    plain = _made(tmp_path / "plain")
    plain.add_remote("origin", url)
    (tmp_path / "plain" / "x.json").write_text("{}")
    plain.add(".")
    plain.commit("plain")
    plain.push()
    with pytest.raises(AuthError, match="is not encrypted, as it should be"):
        two.fetch()
    with pytest.raises(Failure, match="has a repository already"):
        plain.encrypt_remote("origin", public)
    plain.add_remote("path", str(tmp_path / "two"))
    with pytest.raises(UsageError, match="is no bucket"):
        plain.encrypt_remote("path", public)
    for repo in (one, two, plain):
        repo.close()


def test_who_does_not_know_of_the_key_pushes_nothing_in_the_clear(
    tmp_path: Path, identity: tuple[Path, str]
) -> None:
    url = f"bucket+file://{tmp_path}/bucket"
    one, two = _made(tmp_path / "one"), _made(tmp_path / "two")
    for repo in (one, two):
        repo.add_remote("origin", url)
    one.encrypt_remote("origin", identity[1])
    Path(two.root, "x.json").write_text("{}")
    two.add(".")
    two.commit("second")
    with pytest.raises(AuthError, match="cannot open"):
        two.push()
    assert not list((tmp_path / "bucket").glob("packs/*"))
    for repo in (one, two):
        repo.close()
