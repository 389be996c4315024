"""A bucket whose objects are encrypted before they go there (SEALED.md)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from mvcd.errors import IntegrityError
from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import BlobInfo, Blobs, Tag
from mvcd.store.bucket.bucketstate import SEALED_MAGIC

KEY_BYTES = 32
_BLOCK_BYTES = 16
_NONCE_BYTES = 12
_HASH_CHARACTERS = 64


class SealedBlobs:
    """See `mvcd.store.bucket.blobs.Blobs`. Owns the bucket it was given: `close` closes it."""

    def __init__(self, blobs: Blobs, key: bytes) -> None:
        """`key`: the bucket's, KEY_BYTES long."""
        self._blobs = blobs
        self._key = key
        self.read_only = blobs.read_only

    sealed = True

    @property
    def url(self) -> str:
        return self._blobs.url

    def get(self, name: str) -> tuple[bytes, Tag]:
        """Raises IntegrityError too, for an object that is not as it was written."""
        data, tag = self._blobs.get(name)
        return self._plain(name, data), tag

    def get_changed(self, name: str, tag: Tag) -> tuple[bytes, Tag] | None:
        """Raises what `get` does."""
        found = self._blobs.get_changed(name, tag)
        return None if found is None else (self._plain(name, found[0]), found[1])

    def _plain(self, name: str, data: bytes) -> bytes:
        if data.startswith(SEALED_MAGIC):
            return self._opened(name, data)
        digest = name.rpartition("/")[2]
        if len(digest) != _HASH_CHARACTERS:
            raise _changed(name, "it is not encrypted, as it was")
        plain = self._crypted(name, data, 0)
        if blake3(plain).hexdigest() != digest:
            raise _changed(name, "its content is not what its name says")
        return plain

    def get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes are not authentic by themselves: whoever asks compares them with a digest."""
        parts = self._blobs.get_ranges(name, spans)
        return [
            self._crypted(name, part, start) for part, (start, _) in zip(parts, spans, strict=True)
        ]

    def put(self, name: str, data: Bytes) -> None:
        self._blobs.put(name, self._crypted(name, data, 0))

    def create(self, name: str, data: Bytes) -> Tag:
        return self._blobs.create(name, self._sealed(name, data))

    def swap(self, name: str, data: Bytes, tag: Tag) -> Tag:
        return self._blobs.swap(name, self._sealed(name, data), tag)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        return self._blobs.list(prefix)

    def delete(self, names: Iterable[str]) -> None:
        self._blobs.delete(names)

    def signed(self, names: Sequence[str], seconds: int) -> Sequence[str]:
        """Whoever reads there has what is encrypted."""
        return self._blobs.signed(names, seconds)

    def sealing(self, blobs: Blobs) -> SealedBlobs:
        """Another place, sealed with the same key."""
        return SealedBlobs(blobs, self._key)

    @property
    def below(self) -> Blobs:
        """The bucket as it is for whoever has no key."""
        return self._blobs

    def close(self) -> None:
        self._blobs.close()

    # ---------------------------------------------------------------- both ways

    def _crypted(self, name: str, data: Bytes, start: int) -> bytes:
        """Bytes of an object that is written once, from `start` on, encrypted or decrypted: it is the same."""
        counter, before = divmod(start, _BLOCK_BYTES)
        mode = modes.CTR(counter.to_bytes(_BLOCK_BYTES, "big"))
        stream = Cipher(algorithms.AES(self._derived("object", name)), mode).encryptor()
        stream.update(bytes(before))
        return stream.update(data)

    def _sealed(self, name: str, data: Bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        body = AESGCM(self._derived("state", name)).encrypt(nonce, bytes(data), name.encode())
        return SEALED_MAGIC + nonce + body

    def _opened(self, name: str, data: bytes) -> bytes:
        nonce = data[len(SEALED_MAGIC) : len(SEALED_MAGIC) + _NONCE_BYTES]
        body = data[len(SEALED_MAGIC) + _NONCE_BYTES :]
        try:
            return AESGCM(self._derived("state", name)).decrypt(nonce, body, name.encode())
        except (InvalidTag, ValueError):
            raise _changed(name, "it was not written with this bucket's key") from None

    def _derived(self, what: str, name: str) -> bytes:
        info = f"mvc bucket {what} {name}".encode()
        return HKDFExpand(SHA256(), KEY_BYTES, info).derive(self._key)


def _changed(name: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"the object {name!r} of this encrypted bucket was changed there",
        kind="sealed-object-changed",
        cause=why,
        help="put back that object from a version or a copy of the bucket",
    )
