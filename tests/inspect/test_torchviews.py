"""Every tensor of torch's own files, by every name it has, as torch itself reads it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mvcd.inspect import tensorfiles, torchviews
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import NotThisFormat, Span
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile
from mvcd.inspect.torchpickle import DTYPES, Storage, StorageView
from mvcd.inspect.turning import turned

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())
FILES = [name for name in EXPECTED if name != "tensor.pt"]


def reading(data: bytes) -> TensorFile:
    found = tensorfiles.read(lambda at, size: data[at : at + size], len(data))
    assert found is not None
    return found


def elements(tensor: StoredTensor, data: bytes) -> bytes:
    """In the order of the shape."""
    assert not isinstance(tensor.content, bytes)
    lying = b"".join(data[place.offset : place.offset + place.size] for place in tensor.content)
    return turned(lying, tensor.shape, tensor.order) if tensor.order else lying


@pytest.mark.parametrize("file", FILES)
def test_every_tensor_is_what_torch_reads(file: str) -> None:
    data = (DATA / file).read_bytes()
    found = {
        name: {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "sha256": hashlib.sha256(elements(tensor, data)).hexdigest(),
        }
        for name, tensor in reading(data).tensors.items()
        if not name.startswith("sparse.")
    }
    assert found == {
        name: {**tensor, "dtype": DTYPES[tensor["dtype"].removeprefix("torch.")]}
        for name, tensor in EXPECTED[file].items()
    }


@pytest.mark.parametrize("file", ["shared.pt", "legacy_shared.pt"])
def test_elements_are_counted_once(file: str) -> None:
    tensors = reading((DATA / file).read_bytes()).tensors
    repeats = {name for name, tensor in tensors.items() if tensor.repeats}
    assert repeats == {
        "tied.head", "tied.transposed", "flat.q", "flat.k", "flat.overlaps", "columns",
        "every.third", "parameter",
    }  # fmt: skip


def test_a_storage_without_a_whole_tensor_is_cut_along_its_slices() -> None:
    data = (DATA / "shared.pt").read_bytes()
    found = layout(lambda at, size: data[at : at + size], len(data))
    assert found is not None
    cut = {span.tensor.name: span.size for span in found.spans if span.tensor}
    assert (cut["apart.a"], cut["apart.b"]) == (14, 240)
    assert cut["flat.all"] == 240 and "flat.q" not in cut
    assert {name for name in cut if name.startswith("lstm")} == {
        f"lstm.{kind}_l{layer}"
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for layer in (0, 1)
    }


def view(
    offset: int, shape: tuple[int, ...], stride: tuple[int, ...], dtype: str = "F32"
) -> StorageView:
    return StorageView(Storage("0", dtype), dtype, offset, shape, stride)


STORAGES = {"0": Span(100, 40)}


@pytest.mark.parametrize(
    "tensor",
    [
        view(8, (3,), (1,)),  # past the end
        view(0, (11,), (1,)),
        view(0, (2, 2), (1 << 62, 1)),
        view(1 << 62, (1,), (1,)),
        view(0, (1 << 40, 1 << 40), (0, 0)),  # too many rows
        StorageView(Storage("1", "F32"), "F32", 0, (1,), (1,)),  # no such storage
    ],
)
def test_claims_that_lie_name_nothing(tensor: StorageView) -> None:
    found = torchviews.tensors(STORAGES, [("x", tensor)])
    assert list(found) == ["data/0"]
    spans = torchviews.spans(STORAGES, [("x", tensor)], 140)
    assert [s.tensor.name for s in spans if s.tensor] == ["data/0"]


def test_a_dtype_nobody_knows_is_the_bytes_of_its_storage() -> None:
    unknown = view(0, (3,), (1,), "BYTES")
    assert torchviews.tensors(STORAGES, [("x", unknown)])["x"] == StoredTensor(
        "x", "BYTES", (40,), (Range(100, 40),)
    )
    shared = torchviews.tensors(STORAGES, [("x", unknown), ("y", view(0, (10,), (1,)))])
    assert list(shared) == ["y"], "which of its bytes are x is not known"


def test_slices_that_overlap_are_cut_once() -> None:
    claims = [("a", view(0, (4,), (1,))), ("b", view(2, (4,), (1,))), ("c", view(6, (4,), (1,)))]
    spans = torchviews.spans(STORAGES, claims, 140)
    assert [(s.offset, s.size, s.tensor.name) for s in spans if s.tensor] == [
        (100, 16, "a"),
        (124, 16, "c"),
    ]
    found = torchviews.tensors(STORAGES, claims)
    assert {name: tensor.repeats for name, tensor in found.items()} == dict.fromkeys("abc", False)


def test_views_in_pieces_are_bounded() -> None:
    storages = {"0": Span(0, 1 << 20)}
    claims = [(f"x{i}", view(0, (4000, 2), (3, 1))) for i in range(60)]
    with pytest.raises(NotThisFormat):
        torchviews.tensors(storages, claims)
