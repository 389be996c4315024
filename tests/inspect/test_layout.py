"""What holds for every layout, whatever the bytes: no exception, a partition of the file, bounded reading."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mvcd.inspect import tensorfiles
from mvcd.inspect.layout import Layout, along, layout
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile
from tests.support.reading import reading

DATA = Path(__file__).parent / "data"
SAMPLES = sorted([*DATA.glob("*.pt"), *DATA.glob("*.pt2")])
OTHERS = [
    DATA / name
    for name in (
        "model.gguf",
        "model.onnx",
        "odd.onnx",
        "model.h5",
        "v110.h5",
        "chunks.h5",
        "lite.tflite",
        "saved_model.pb",
        "frozen.pb",
        "far.tflite",
        "sk5.pkl",
        "sk.joblib",
        "paddle.pdparams",
    )
]
HEADER = (
    b'{"__metadata__":{"format":"pt"},"a.weight":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},'
    b'"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}'
)
SAFETENSORS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(range(11))


def read(data: bytes) -> Layout | None:
    read_bytes = 0

    def read_at(offset: int, length: int) -> bytes:
        nonlocal read_bytes
        assert offset >= 0 and length >= 0
        read_bytes += length
        return data[offset : offset + length]

    found = layout(read_at, len(data))
    assert read_bytes <= 11 * len(data) + 1024, "five pickles of torch's old files, two times each"
    if found is not None:
        check(found, len(data))
    return found


def check(found: Layout, size: int) -> None:
    end = 0
    for span in found.spans:
        assert span.offset == end and span.size > 0
        end += span.size
    assert end == size
    names = [span.tensor.name for span in found.spans if span.tensor]
    assert names and len(set(names)) == len(names)
    for span in found.spans:
        if span.tensor:
            assert span.tensor.element_size in (1, 2, 4, 8)
            span.tensor.name.encode()
    glue = [span.tensor is None for span in found.spans]
    assert not any(a and b for a, b in pairwise(glue)), "glue is not split"


def test_the_samples_are_what_they_seem() -> None:
    safetensors = read(SAFETENSORS)
    assert safetensors is not None and len(safetensors.spans) == 3
    formats = {path.name: read(path.read_bytes()) for path in SAMPLES}
    assert {name: found.format for name, found in formats.items() if found} == {
        path.name: "torch-export"
        if path.suffix == ".pt2"
        else "torch-legacy"
        if path.name.startswith("legacy")
        else "torch-zip"
        for path in SAMPLES
    }


@settings(deadline=None)
@given(data=st.binary(max_size=200))
@example(data=b"PK\x03\x04" + bytes(200))
@example(data=b"\x02" + bytes(7) + b"{}")
def test_any_bytes(data: bytes) -> None:
    read(data)


@pytest.mark.parametrize("sample", [SAFETENSORS, *SAMPLES], ids=lambda s: getattr(s, "name", "st"))
def test_every_truncation_is_plain(sample: bytes | Path) -> None:
    data = sample if isinstance(sample, bytes) else sample.read_bytes()
    step = max(1, len(data) // 400)
    for size in range(0, len(data), step):
        assert read(data[:size]) is None


@settings(max_examples=400, deadline=None)
@given(data=st.data(), sample=st.sampled_from([SAFETENSORS, *(p.read_bytes() for p in SAMPLES)]))
def test_mutations_never_raise_and_always_partition(data: st.DataObject, sample: bytes) -> None:
    mutated = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        patch = data.draw(
            st.binary(min_size=1, max_size=8)
            | st.sampled_from([b"\xff" * 4, b"\xff" * 8, bytes(4), b"PK\x01\x02", b"PK\x05\x06"])
        )
        if data.draw(st.booleans()):
            mutated[at : at + len(patch)] = patch
        else:
            mutated[at:at] = patch
    read(bytes(mutated))


def flipped(sample: Path, most: int) -> Iterator[bytes]:
    """The sample with one byte inverted, at up to `most` places."""
    data = bytearray(sample.read_bytes())
    for at in range(0, len(data), len(data) // most + 1):
        data[at] ^= 0xFF
        yield bytes(data)
        data[at] ^= 0xFF


@pytest.mark.thorough
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_flipped_bytes(sample: Path) -> None:
    for data in flipped(sample, 1000):
        read(data)


@pytest.mark.parametrize("sample", OTHERS, ids=lambda s: s.name)
def test_of_other_formats_each_tensor_in_one_piece_has_a_span(sample: Path) -> None:
    data = sample.read_bytes()
    found, listed = along_of(data), tensorfiles.read(reading(data), len(data))
    assert found is not None and listed is not None and found.format == listed.format
    spans = {span.tensor.name: span for span in found.spans if span.tensor is not None}
    places: set[int] = set()
    for name, tensor in listed.tensors.items():
        match tensor.content:
            case (Range(beside="", unpacked=None, coded=False) as place,) if place.size:
                if place.offset in places:
                    assert name not in spans, "the same bytes"
                    continue
                places.add(place.offset)
                mine = spans.pop(name)
                assert (mine.offset, mine.size) == (place.offset, place.size)
                assert mine.tensor is not None and mine.tensor.dtype == tensor.dtype
    assert places and not spans


@pytest.mark.parametrize("sample", OTHERS, ids=lambda s: s.name)
def test_flipped_bytes_of_other_formats(sample: Path) -> None:
    for data in flipped(sample, 300):
        along_of(data)


def test_tensors_that_overlap_are_cut_by_the_first() -> None:
    tensors = {
        name: StoredTensor(name, "U8", (size,), (Range(at, size),))
        for name, at, size in (("b", 4, 4), ("a", 2, 4), ("end", 9, 2), ("c", 8, 1), ("past", 9, 1))
    }
    found = along(TensorFile("x", tensors), 10)
    assert found is not None
    check(found, 10)
    assert [span.tensor.name for span in found.spans if span.tensor] == ["a", "c", "past"]


def test_without_a_tensor_in_one_piece_there_is_no_layout() -> None:
    scattered = StoredTensor("a", "U8", (4,), (Range(0, 2), Range(4, 2)))
    elsewhere = StoredTensor("b", "U8", (4,), (Range(0, 4, beside="x.data"),))
    packed = StoredTensor("c", "U8", (4,), (Range(0, 3, unpacked=4),))
    held = StoredTensor("d", "U8", (1,), b"1")
    file = TensorFile("x", {each.name: each for each in (scattered, elsewhere, packed, held)})
    assert along(file, 10) is None


@pytest.mark.parametrize(
    ("dtype", "shape", "size", "stride"),
    [("F32", (3,), 12, 4), ("Q4_0", (32,), 18, 1), ("C128", (2,), 32, 8), ("F32_BE", (2,), 8, 4)],
)
def test_the_stride_of_planes(dtype: str, shape: tuple[int, ...], size: int, stride: int) -> None:
    tensor = StoredTensor("a", dtype, shape, (Range(0, size),))
    found = along(TensorFile("x", {"a": tensor}), size)
    assert found is not None and found.spans[0].tensor is not None
    assert found.spans[0].tensor.element_size == stride


def test_axes_in_another_order_are_flat_in_a_recipe() -> None:
    tensor = StoredTensor("a", "F32", (2, 3), (Range(0, 24),), (1, 0))
    found = along(TensorFile("x", {"a": tensor}), 24)
    assert found is not None and found.spans[0].tensor is not None
    assert found.spans[0].tensor.shape == (6,)


def along_of(data: bytes) -> Layout | None:
    found = layout(reading(data), len(data))
    if found is not None:
        check(found, len(data))
    return found


def test_the_name_of_the_file_does_not_matter_and_io_errors_pass() -> None:
    def broken(offset: int, length: int) -> bytes:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        layout(broken, 100)


def test_a_file_that_shrinks_while_it_is_read_is_plain() -> None:
    data = (DATA / "checkpoint.pt").read_bytes()
    assert layout(lambda o, n: data[:-1][o : o + n], len(data)) is None
