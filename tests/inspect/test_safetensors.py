"""The safetensors reader against the safetensors library, which is the judge of its rules."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect.layout import Layout, layout
from mvcd.inspect.safetensors import MAX_HEADER_BYTES
from mvcd.inspect.spans import DTYPE_BITS, MAX_NAME_BYTES, MAX_TENSORS, TensorInfo
from mvcd.inspect.statistics import is_number


def read(data: bytes) -> Layout | None:
    return layout(lambda offset, length: data[offset : offset + length], len(data))


def file_of(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def library_accepts(data: bytes) -> bool:
    try:
        safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return False
    return True


SIMPLE = {"a": entry("U8", [3], 0, 3), "b": entry("F16", [2, 1], 3, 7)}


def test_spans_are_the_bytes_the_library_wrote() -> None:
    rng = np.random.default_rng(1)
    dtypes = [np.float32, np.float64, np.float16, np.int8, np.uint16, np.int64, np.bool_]
    tensors = {
        f"layer.{i}.{np.dtype(t).name}": (rng.random((i + 1, 3)) * 100).astype(t)
        for i, t in enumerate(dtypes)
    }
    tensors |= {"scalar": np.array(2.5, np.float32), "empty": np.zeros((0, 4), np.float32)}
    data = safetensors.numpy.save(tensors, metadata={"format": "np", "note": "[,{"})
    found = read(data)
    assert found is not None and found.format == "safetensors"
    assert found.spans[0].tensor is None and found.spans[0].offset == 0
    assert found.spans[0].size == 8 + int.from_bytes(data[:8], "little")
    named = {s.tensor.name: s for s in found.spans if s.tensor}
    assert named.keys() == tensors.keys() - {"empty"}
    for name, span in named.items():
        expected = tensors[name]
        assert data[span.offset : span.offset + span.size] == expected.tobytes()
        assert span.tensor is not None
        assert span.tensor.shape == expected.shape
        assert span.tensor.element_size == expected.itemsize


@pytest.mark.parametrize("dtype", DTYPE_BITS)
def test_every_dtype_of_the_library(dtype: str) -> None:
    bits = DTYPE_BITS[dtype]
    data = file_of({"t": entry(dtype, [8], 0, bits)}, bytes(bits))
    assert library_accepts(data)
    found = read(data)
    assert found is not None
    assert found.spans[1].tensor == TensorInfo("t", dtype, (8,), max(1, bits // 8))


PLAIN = {
    "gap": file_of({"a": entry("U8", [3], 1, 4)}, bytes(4)),
    "gap between": file_of({**SIMPLE, "b": entry("F16", [2], 4, 8)}, bytes(8)),
    "overlap": file_of({**SIMPLE, "b": entry("F16", [2], 2, 6)}, bytes(6)),
    "same bytes twice": file_of(
        {"a": entry("U8", [3], 0, 3), "b": entry("U8", [3], 0, 3)}, bytes(3)
    ),
    "uncovered tail": file_of(SIMPLE, bytes(8)),
    "truncated": file_of(SIMPLE, bytes(6)),
    "wrong length": file_of({"a": entry("F32", [3], 0, 3)}, bytes(3)),
    "backwards": file_of({"a": entry("U8", [3], 3, 0)}, bytes(3)),
    "no dtype": file_of({"a": entry("", [6], 0, 3)}, bytes(3)),
    "dtype is no text": file_of({"a": {**entry("U8", [3], 0, 3), "dtype": 8}}, bytes(3)),
    "half a byte": file_of({"a": entry("F4", [3], 0, 1)}, bytes(1)),
    "negative": file_of({"a": entry("U8", [-3], 0, 3)}, bytes(3)),
    "two negatives": file_of({"a": entry("U8", [-3, -1], 0, 3)}, bytes(3)),
    "true as a size": file_of({"a": entry("U8", [3, True], 0, 3)}, bytes(3)),
    "a float as a size": file_of({"a": entry("U8", [3.0], 0, 3)}, bytes(3)),
    "overflow": file_of({**SIMPLE, "c": entry("U8", [1 << 32, 1 << 32], 7, 7)}, bytes(7)),
    "offset overflow": file_of({"a": entry("U8", [3], 1 << 64, (1 << 64) + 3)}, bytes(3)),
    "three offsets": file_of(
        {"a": {**entry("U8", [3], 0, 3), "data_offsets": [0, 3, 3]}}, bytes(3)
    ),
    "no shape": file_of({"a": {"dtype": "U8", "data_offsets": [0, 3]}}, bytes(3)),
    "metadata of numbers": file_of({"__metadata__": {"epoch": 3}, **SIMPLE}, bytes(7)),
    "metadata is a list": file_of({"__metadata__": [], **SIMPLE}, bytes(7)),
    "a list": file_of([SIMPLE], bytes(7)),
    "NaN": file_of(b'{"a":NaN}'),
    "not UTF-8": file_of(b'{"\xff":{}}'),
    "UTF-16": file_of(json.dumps(SIMPLE).encode("utf-16"), bytes(7)),
    "lone surrogate": file_of({"\ud800": entry("U8", [3], 0, 3)}, bytes(3)),
    "nested too deep": file_of(b'{"a":' + b"[" * 100_000),
    "a number of 5000 digits": file_of(b'{"a":' + b"9" * 5000 + b"}"),
    "zero header": bytes(64),
    "huge header": (1 << 63).to_bytes(8, "little") + b"{" * 64,
    "header past the end": file_of(SIMPLE, b"")[:20],
    "empty": b"",
    "eight bytes": bytes(8),
}


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN.keys())
def test_what_breaks_a_rule_is_plain_and_the_library_agrees(data: bytes) -> None:
    assert read(data) is None
    assert not library_accepts(data)


@pytest.mark.parametrize(
    "data",
    [
        file_of(b'{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"a":'
                b'{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}', bytes(3)),
        file_of({"n" * (MAX_NAME_BYTES + 1): entry("U8", [3], 0, 3)}, bytes(3)),
        file_of({"a": entry("U8", [1] * 65, 0, 1)}, bytes(1)),
        file_of({}),
    ],
    ids=["duplicate name", "long name", "65 dimensions", "no tensor"],
)  # fmt: skip
def test_where_we_are_stricter(data: bytes) -> None:
    assert library_accepts(data)
    assert read(data) is None


def test_a_dtype_that_nobody_knows_does_not_hide_the_others() -> None:
    unknown = {**entry("I4", [6], 3, 6), "scale": 0.5}
    data = file_of(
        {"a": entry("U8", [3], 0, 3), "q": unknown, "b": entry("F16", [1], 6, 8)}, bytes(8)
    )
    found = read(data)
    assert found is not None
    assert [span.tensor for span in found.spans if span.tensor] == [
        TensorInfo("a", "U8", (3,), 1),
        TensorInfo("q", "I4", (6,), 1),
        TensorInfo("b", "F16", (1,), 2),
    ]
    assert not is_number("I4"), "its bytes have no figures"
    gap = file_of({"q": unknown}, bytes(6))
    assert read(gap) is None, "its place still counts"


def test_keys_beside_the_usual_ones() -> None:
    data = file_of({"a": {**entry("U8", [3], 0, 3), "note": "x"}}, bytes(3))
    assert library_accepts(data) and read(data) is not None


def test_header_with_leading_space_and_without_padding() -> None:
    data = file_of(b" \n" + json.dumps(SIMPLE).encode(), bytes(7))
    assert library_accepts(data) == (read(data) is not None)


def test_a_header_larger_than_the_limit_is_never_read() -> None:
    asked = []

    def read_at(offset: int, length: int) -> bytes:
        asked.append(length)
        return ((MAX_HEADER_BYTES + 1).to_bytes(8, "little") + b"{")[offset : offset + length]

    assert layout(read_at, 1 << 40) is None
    assert sum(asked) <= 32, "the first bytes, once for cutting and once for the other formats"


@pytest.mark.parametrize(
    "text",
    [
        b"[],",
        b"{},",
        b'"":0,',
        b'"":{},',
        b'"a":[[[',
    ],
)
def test_hostile_headers_take_bounded_memory(text: bytes) -> None:
    data = file_of(b"{" + text * ((MAX_HEADER_BYTES - 1) // len(text)))
    tracemalloc.start()
    try:
        assert read(data) is None
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_too_many_tensors() -> None:
    many = {f"{i:x}": entry("U8", [1], i, i + 1) for i in range(MAX_TENSORS + 1)}
    assert read(file_of(many, bytes(len(many)))) is None


sizes = st.integers(-1, 6) | st.sampled_from([1 << 31, 1 << 62, 1 << 64, 1.0, True, None, "1"])
fields = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["U8", "F16", "F4", "F6_E2M3", "F32", "C64", "F99", 8]),
        "shape": st.lists(sizes, max_size=3),
        "data_offsets": st.lists(st.integers(0, 12), min_size=2, max_size=2) | st.lists(sizes),
    },
    optional={"extra": st.just(1)},
)
headers = st.dictionaries(
    st.sampled_from(["a", "b", "__metadata__"]), fields | st.just({"k": "v"}), max_size=3
)


@settings(deadline=None)
@given(header=headers, length=st.integers(0, 12))
def test_agrees_with_the_library_on_odd_headers(
    header: dict[str, dict[str, object]], length: int
) -> None:
    data = file_of(header, bytes(length))
    has_bytes = length > 0  # tensors without elements have no span
    unknown = any(fields.get("dtype") == "F99" for fields in header.values())
    extra = any("extra" in fields for fields in header.values())
    if unknown:
        assert not library_accepts(data)
    elif not extra:
        assert (read(data) is not None) == (library_accepts(data) and has_bytes)
    elif read(data) is not None:
        assert library_accepts(data)


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
    wrong=st.integers(-1, 1),
)
def test_agrees_with_the_library_on_likely_headers(
    cuts: list[int], order: object, wrong: int
) -> None:
    header, end = {}, 0
    for index, size in enumerate(cuts):
        header[f"t{index}"] = entry("I16", [size], end, end + 2 * size)
        end += 2 * size
    names = sorted(header, key=lambda _: order.random())  # type: ignore[attr-defined]
    data = file_of({name: header[name] for name in names}, bytes(end + wrong))
    assert (read(data) is not None) == library_accepts(data) == (wrong == 0)
