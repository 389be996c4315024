"""The torch zip reader against files that torch 2.13 wrote (`data/make_torch_files.py`), and hostile zips."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from mvcd.inspect.layout import Layout, layout
from mvcd.inspect.spans import Span
from mvcd.inspect.torchpickle import DTYPES

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())


def read(data: bytes) -> Layout | None:
    return layout(lambda offset, length: data[offset : offset + length], len(data))


def tensors(data: bytes) -> dict[str, Span]:
    found = read(data)
    assert found is not None and found.format == "torch-zip"
    return {span.tensor.name: span for span in found.spans if span.tensor}


def described(span: Span, data: bytes) -> dict[str, object]:
    assert span.tensor is not None
    digest = hashlib.sha256(data[span.offset : span.offset + span.size]).hexdigest()
    return {"dtype": span.tensor.dtype, "shape": list(span.tensor.shape), "sha256": digest}


def expected(file: str) -> dict[str, dict[str, object]]:
    """What torch said, with dtypes as safetensors spells them."""
    return {
        name: {**tensor, "dtype": DTYPES[tensor["dtype"].removeprefix("torch.")]}
        for name, tensor in EXPECTED[file].items()
    }


@pytest.mark.parametrize("file", ["checkpoint.pt", "dtypes.pt", "module.pt", "protocol5.pt"])
def test_names_dtypes_shapes_and_bytes_are_those_torch_reports(file: str) -> None:
    data = (DATA / file).read_bytes()
    assert {name: described(s, data) for name, s in tensors(data).items()} == expected(file)


def test_cuts_follow_the_tensors_that_lie_apart() -> None:
    data = (DATA / "views.pt").read_bytes()
    found = {
        name: (s.tensor.dtype, s.tensor.shape) for name, s in tensors(data).items() if s.tensor
    }
    assert found == {
        "slice": ("F32", (4,)),  # two slices of one storage
        "same.slice": ("F32", (16,)),
        "tied.a": ("F32", (3, 2)),  # the first of two names
        "transposed": ("F32", (15,)),  # in another order than the shape's
        "channels_last": ("F32", (96,)),
        "scalar": ("F32", ()),
        "data/6": ("F32", (2,)),  # its name, "data/0", looks like a storage
        "sparse.1.0": ("I64", (2, 3)),
        "sparse.1.1": ("F32", (3,)),
        "nested.0.x": ("F32", (1, 1, 7)),
        "nested.1.0": ("F32", (2,)),
    }  # "empty" has no bytes
    for name in ("tied.a", "scalar", "nested.0.x", "nested.1.0"):
        assert described(tensors(data)[name], data) == expected("views.pt")[name]


def test_a_bare_tensor_keeps_its_shape() -> None:
    data = (DATA / "tensor.pt").read_bytes()
    assert described(tensors(data)["data/0"], data) == expected("tensor.pt")[""]


def test_payloads_of_members_with_the_zip_module_as_judge() -> None:
    data = (DATA / "checkpoint.pt").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        payloads = sorted(
            archive.read(name) for name in archive.namelist() if "/data/" in name
        )  # fmt: skip
    spans = tensors(data).values()
    assert sorted(data[s.offset : s.offset + s.size] for s in spans) == payloads


@pytest.mark.parametrize("file", ["checkpoint.pt", "dtypes.pt", "views.pt"])
def test_live_torch_writes_what_the_fixtures_hold(file: str) -> None:
    torch = pytest.importorskip("torch", reason="oracle: only where torch is installed")
    data = (DATA / file).read_bytes()
    names = {n.partition(".")[0] for n in tensors(data)}
    loaded = torch.load(io.BytesIO(data), weights_only=True)
    again = io.BytesIO()
    torch.save(loaded, again)
    assert {n.partition(".")[0] for n in tensors(again.getvalue())} == names


# ---------------------------------------------------------------- zips that torch did not write


def archive(
    members: dict[str, bytes], *, deflate: tuple[str, ...] = (), comment: bytes = b""
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as written:
        for name, body in members.items():
            method = zipfile.ZIP_DEFLATED if name in deflate else zipfile.ZIP_STORED
            written.writestr(zipfile.ZipInfo(name), body, method)
        written.comment = comment
    return out.getvalue()


NO_PICKLE = {"m/data.pkl": b"not a pickle", "m/data/0": b"abcd", "m/data/1": b"xyz"}


def test_without_a_readable_pickle_storages_are_bytes() -> None:
    found = tensors(archive(NO_PICKLE))
    assert list(found) == ["data/0", "data/1"]
    assert [(s.tensor.dtype, s.tensor.shape) for s in found.values() if s.tensor] == [
        ("BYTES", (4,)),
        ("BYTES", (3,)),
    ]


def test_zip64_sizes_of_a_member() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as written:
        written.writestr("m/data.pkl", b"")
        with written.open("m/data/0", "w", force_zip64=True) as member:
            member.write(b"abcd")
    assert tensors(out.getvalue())["data/0"].size == 4


def test_zip64_directory_entry() -> None:
    data = archive({"m/data.pkl": b"", "m/data/0": b"abcd"})
    entry = data.rindex(b"PK\x01\x02")
    local = struct.unpack_from("<I", data, entry + 42)[0]
    extra = struct.pack("<HHQQQ", 1, 24, 4, 4, local)
    wide = bytearray(data[entry : entry + 46])
    wide[20:28] = wide[42:46] * 0 + b"\xff" * 8
    wide[42:46] = b"\xff" * 4
    wide[30:32] = len(extra).to_bytes(2, "little")
    name = data[entry + 46 : entry + 54]
    end = bytearray(data[data.rindex(b"PK\x05\x06") :])
    directory = struct.unpack_from("<I", end, 16)[0]
    body = data[:entry] + bytes(wide) + name + extra
    end[12:16] = (len(body) - directory).to_bytes(4, "little")
    found = tensors(body + bytes(end))
    assert [s.size for s in found.values()] == [4]
    assert data[found["data/0"].offset :][:4] == b"abcd"


@pytest.mark.parametrize(
    "data",
    [
        archive({**NO_PICKLE, "m/byteorder": b"big"}),
        archive(NO_PICKLE, deflate=("m/data.pkl",)),
        archive(NO_PICKLE, comment=b"hello"),
        archive({"data.pkl": b"", "data/0": b"abcd"}),
        archive({"m/data.pkl": b""}),
        archive({"m/data.pkl": b"", "m/data/x": b"abcd", "m/data/0/1": b"abcd"}),
        archive({"a.npy": b"abcd"}),
        archive({}),
    ],
    ids="big-endian,pickle deflated,comment,no root,no storage,other names,npz,no member".split(
        ","
    ),
)
def test_other_zips_are_plain(data: bytes) -> None:
    assert read(data) is None


def test_a_compressed_storage_stays_glue() -> None:
    found = tensors(archive({**NO_PICKLE, "m/data/0": b"abcd" * 100}, deflate=("m/data/0",)))
    assert list(found) == ["data/1"]


def test_two_members_of_one_name_are_plain() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as written:
            for body in (b"", b"x"):
                written.writestr("m/data.pkl", body)
            written.writestr("m/data/0", b"abcd")
    assert read(out.getvalue()) is None


def patched(field: int, value: int, width: int) -> bytes:
    """NO_PICKLE with one field of its last directory entry replaced."""
    data = bytearray(archive(NO_PICKLE))
    at = data.rindex(b"PK\x01\x02") + field
    data[at : at + width] = value.to_bytes(width, "little")
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        patched(42, 0, 4),  # header offset: the first member's, so two members overlap
        patched(42, 1, 4),
        patched(42, 0x7FFFFFFF, 4),
        patched(42, 0xFFFFFFFF, 4),  # zip64 promised, but no extra field
        patched(24, 1000, 4),  # size differs from packed size
        patched(8, 1, 2),  # encrypted
        patched(34, 1, 2),  # another disk
        patched(28, 0xFFFF, 2),  # name reaches past the directory
    ],
)
def test_lies_in_the_directory_are_plain(data: bytes) -> None:
    assert read(data) is None


def test_sizes_past_the_end_are_plain() -> None:
    data = bytearray(archive(NO_PICKLE))
    at = data.rindex(b"PK\x01\x02")
    data[at + 20 : at + 28] = (1 << 30).to_bytes(4, "little") * 2
    assert read(bytes(data)) is None


def test_a_directory_larger_than_the_limit_is_never_read() -> None:
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 9, 9, 1 << 31, 100, 0)
    size = 100 + (1 << 31) + len(end)
    asked = 0

    def read_at(offset: int, length: int) -> bytes:
        nonlocal asked
        asked += length
        if offset == size - len(end):
            return end[:length]
        return b"PK\x03\x04".ljust(length, b"\0") if offset == 0 else bytes(length)

    assert layout(read_at, size) is None
    assert asked < 1000


def test_many_members_take_bounded_memory() -> None:
    data = archive({"m/data.pkl": b""} | {f"m/data/{i}": b"x" for i in range(5_000)})
    tracemalloc.start()
    try:
        assert len(tensors(data)) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
