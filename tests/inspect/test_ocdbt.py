"""Databases as TensorStore reads them, Orbax checkpoints in them, and damaged ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect import ocdbt, orbax, tensorfiles
from mvcd.inspect.crc32c import crc32c
from mvcd.inspect.spans import NotThisFormat
from mvcd.inspect.tensorfile import Beside, TensorFile
from mvcd.repo.contents.unpacking import DamagedStream
from tests.support.reading import elements, reading

DATA = Path(__file__).parent / "data" / "ocdbt"
ANSWERS = json.loads((DATA / "ocdbt.json").read_text())
Files = dict[str, bytes]


def directory(kind: str) -> Files:
    root = DATA / kind
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def beside(files: Files) -> Beside:
    return lambda name: (reading(files[name]), len(files[name])) if name in files else None


def value(found: ocdbt.StoredValue, files: Files) -> bytes:
    if found.inline is not None:
        return found.inline
    return files[found.path][found.offset : found.offset + found.size]


def read(files: Files) -> TensorFile | None:
    data = files["_METADATA"]
    return tensorfiles.read(reading(data), len(data), "_METADATA", beside(files))


@pytest.mark.parametrize("kind", ["inner", "plain", "empty"])
def test_keys_and_values_are_what_tensorstore_reads(kind: str) -> None:
    """The last of several versions, of trees with inner nodes; values in nodes and outside."""
    files = directory(kind)
    found = ocdbt.read(beside(files))
    told = {key: hashlib.sha256(value(each, files)).hexdigest() for key, each in found.items()}
    assert told == ANSWERS[kind]
    if told:
        assert len({each.inline is None for each in found.values()}) == 2
        opened = ocdbt.as_files(found, beside(files))
        for key, each in found.items():
            read_at, size = opened(key) or (reading(b""), -1)
            assert (
                read_at(0, size) == value(each, files)
                and read_at(2, size) == value(each, files)[2:]
            )
        assert opened("layer/0/000") is None


@pytest.mark.parametrize("kind", ["zarr2", "zarr3"])
def test_arrays_are_what_orbax_saved(kind: str) -> None:
    files = directory(kind)
    found = read(files)
    assert found is not None and found.format == "orbax" and found.metadata == {"ocdbt": True}
    assert {
        name: [t.dtype, list(t.shape), hashlib.sha256(elements(t, files)).hexdigest()]
        for name, t in found.tensors.items()
    } == ANSWERS["arrays"]
    places = [place for t in found.tensors.values() for place in t.content]
    assert any(place.literal for place in places), "zeros are few bytes, and lie in the tree"
    assert any(place.beside.startswith("ocdbt.process_0/d/") for place in places)
    assert orbax.refusal(beside(files)) is None


def rewritten(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """An envelope whose body was changed, as a writer of it would have it."""
    body = data[14:-4]
    if data[13]:
        body = zstandard.ZstdDecompressor().decompress(body, 1 << 20)
    body = change(body)
    made = data[:4] + (len(body) + 18).to_bytes(8, "little") + b"\0\0" + body
    return made + crc32c(made).to_bytes(4, "little")


def manifest(root: bytes = b"", *, paths: bytes = b"\0", kind: int = 0) -> Files:
    """A manifest of one version whose root is as said, in the files of `paths`."""
    body = (
        bytes(16)
        + bytes([kind])
        + b"\x80\x08\x80\x08\x04\0"
        + paths
        + b"\1\1"
        + root
        + bytes(11)
        + b"\0"
    )
    head = (0x0CDB3A2A).to_bytes(4) + bytes(10)
    return {"manifest.ocdbt": rewritten(head + body + bytes(4), lambda same: same)}


ROOT = b"\0\0\0\x40"  # a leaf, in the first file, at its start, of 64 bytes


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no manifest"),
        (manifest(ROOT, kind=1), "numbered files"),
        (manifest(ROOT), "no file of that number"),
        (manifest(ROOT, paths=b"\1\1\0a"), "not there"),
        (manifest(ROOT, paths=b"\1\4\0../a"), "no path below"),
        (manifest(ROOT, paths=b"\1\2\0/a"), "no path below"),
        (manifest(ROOT, paths=b"\1\2\3ab"), "no path"),
        (manifest(ROOT, paths=b"\2\2\1\1\0\0ab"), "no path"),
        (manifest(ROOT, paths=b"\1\1\0\xff"), "no path"),
        (manifest(ROOT, paths=b"\xff\xff\xff\xff\x0f"), "more entries than bytes"),
        (manifest(ROOT, paths=b"\1\1\0a") | {"a": bytes(64)}, "no node there"),
    ],
)
def test_what_is_no_database(files: Files, reason: str) -> None:
    with pytest.raises(NotThisFormat, match=reason):
        ocdbt.read(beside(files))


def test_a_wrong_checksum_is_told() -> None:
    files = directory("zarr2")
    for name in ("manifest.ocdbt", next(f for f in files if f.startswith("d/"))):
        data = bytearray(files[name])
        data[-6] ^= 1
        damaged = files | {name: bytes(data)}
        assert orbax.refusal(beside(damaged)) == "a checksum is wrong"
        found = read(damaged)
        assert found is not None and not found.tensors and "arrays" in found.metadata


def test_files_that_are_not_here_leave_out_their_arrays() -> None:
    files = directory("zarr2")
    lost = next(
        place.beside for t in (read(files) or TensorFile("", {})).tensors.values() for place in t.content
        if place.beside
    )  # fmt: skip
    del files[lost]
    found = read(files)
    assert found is not None and 0 < len(found.tensors) < len(ANSWERS["arrays"])


@pytest.mark.parametrize(
    "bound", ["MAX_STORED_BYTES", "MAX_NODE_BYTES", "MAX_KEY_BYTES", "MAX_KEYS"]
)
def test_a_database_past_a_limit_is_refused(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    files = directory("inner")
    monkeypatch.setattr(ocdbt, bound, 60)
    with pytest.raises(NotThisFormat, match="too many"):
        ocdbt.read(beside(files))


def test_a_node_that_unpacks_to_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    files = directory("zarr2")
    data = files["manifest.ocdbt"]
    bomb = zstandard.ZstdCompressor().compress(bytes(200 << 20))
    made = data[:4] + (len(bomb) + 18).to_bytes(8, "little") + b"\0\1" + bomb
    files["manifest.ocdbt"] = made + crc32c(made).to_bytes(4, "little")
    with pytest.raises(NotThisFormat, match="too many"):
        ocdbt.read(beside(files))


def nodes(files: Files) -> Iterator[str]:
    yield from (name for name, data in files.items() if data[:2] == b"\x0c\xdb")


@settings(deadline=None)
@given(data=st.data(), kind=st.sampled_from(["zarr2", "zarr3", "inner", "plain"]))
def test_damage_that_a_checksum_covers_is_read_or_refused(data: st.DataObject, kind: str) -> None:
    """Bodies are changed, and checksums with them: a hostile writer's database."""
    files = directory(kind)

    def change(body: bytes) -> bytes:
        made = bytearray(body)
        for _ in range(data.draw(st.integers(1, 3))):
            made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
        return bytes(
            made[: data.draw(st.integers(1, len(made)))] if data.draw(st.booleans()) else made
        )

    name = data.draw(st.sampled_from(sorted(nodes(files))))
    if len(files[name]) == int.from_bytes(files[name][4:12], "little"):
        files[name] = rewritten(files[name], change)
    try:
        found = ocdbt.read(beside(files))
    except NotThisFormat:
        found = {}
    assert all(
        not path.startswith("/") and ".." not in path.split("/") for _, path, *_ in found.values()
    )
    tensors = read(files) if "_METADATA" in files else None
    for tensor in tensors.tensors.values() if tensors is not None else ():
        assert not isinstance(tensor.content, bytes)
        if not tensor.coded:
            try:
                assert len(elements(tensor, files)) == tensor.size
            except DamagedStream as damage:
                assert str(damage)
