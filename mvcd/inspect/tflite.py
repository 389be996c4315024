"""The tensors of a TensorFlow Lite model (tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3).

    Model       operator codes, subgraphs, buffers
    SubGraph    tensors (shape, type, number of a buffer, name, quantisation) and operators
    Buffer      bytes within the flatbuffer, or behind it by offset and size where the model exceeds 2 GiB

A tensor whose buffer is empty is computed, and not listed. Quantised ones are listed as the integers that they
are; a digest of all scales and zero points stands in the metadata. Sparse ones are in code.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from math import prod

from mvcd.inspect.flatbuffer import Buffer, FlatTable
from mvcd.inspect.spans import (
    MAX_NAME_BYTES,
    MAX_RANK_DIMENSIONS,
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    is_name,
)
from mvcd.inspect.tensorfile import Digested, Metadata, Range, StoredTensor, TensorFile

FORMAT = "tflite"
_VERSION = 3
_MAX_SUBGRAPH_TABLES = 4096
_MAX_OPERATOR_TABLES = 1_000_000
_MAX_PORT_NAMES = 256
_MAX_DESCRIPTION_BYTES = 64 << 10
_MAX_SCALES_BYTES = 1 << 20

_DTYPES = {
    0: ("F32", 32), 1: ("F16", 16), 2: ("I32", 32), 3: ("U8", 8), 4: ("I64", 64), 6: ("BOOL", 8),
    7: ("I16", 16), 8: ("C64", 64), 9: ("I8", 8), 10: ("F64", 64), 11: ("C128", 128), 12: ("U64", 64),
    15: ("U32", 32), 16: ("U16", 16), 17: ("I4", 4), 18: ("BF16", 16),
}  # fmt: skip
"""Name and bits of each TensorType that has numbers."""

_OPERATORS = """
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
    EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
    LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6
    RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM
    EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND
    TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN
    EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX
    MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV
    SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT
    REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV
    REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU
    SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU
    REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
    NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
    PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
    HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE
    READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM
    MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
    UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
    STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
    STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
    STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
    STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM
    STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT
    STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
    STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA
    STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER
    STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE
    STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT
""".split()
"""BuiltinOperator by number."""

_CUSTOM = _OPERATORS.index("CUSTOM")


def looks_like(head: bytes, size: int) -> bool:
    return head[4:8] == b"TFL3" and size >= 32


def read(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat."""
    buffer = Buffer(read_at, size)
    model = buffer.root()
    if model.number(0, "I") != _VERSION:
        raise NotThisFormat("another version")
    graphs = model.tables(2, _MAX_SUBGRAPH_TABLES)
    reader = _Reader(model.tables(4, 2 * MAX_TENSORS), size)
    operators: Counter[str] = Counter()
    names = [_operator(code) for code in model.tables(1, len(_OPERATORS) * 16)]
    for number, graph in enumerate(graphs):
        reader.graph(graph, f"subgraph{number}." if number else "")
        for operator in graph.tables(3, _MAX_OPERATOR_TABLES):
            code = operator.number(0, "I")
            operators[names[code] if code < len(names) else f"operator {code}"] += 1
    metadata: dict[str, Metadata] = {"description": model.text(3, _MAX_DESCRIPTION_BYTES)}
    metadata |= {"operators": dict(sorted(operators.items())), "subgraphs": len(graphs)}
    if graphs:
        metadata |= {"inputs": reader.ports(graphs[0], 1), "outputs": reader.ports(graphs[0], 2)}
    if reader.quantised:
        digest = reader.digest.hexdigest()
        metadata["quantization"] = Digested("quantised tensor", reader.quantised, digest)
    return TensorFile(FORMAT, reader.found, metadata)


def _operator(code: FlatTable) -> str:
    """Codes from 127 on have a field of their own; the older one has a placeholder then."""
    number = max(code.number(0, "b"), code.number(3, "i"))
    if number == _CUSTOM:
        return code.text(1, MAX_NAME_BYTES) or "CUSTOM"
    return _OPERATORS[number] if 0 <= number < len(_OPERATORS) else f"operator {number}"


class _Reader:
    def __init__(self, buffers: list[FlatTable], size: int) -> None:
        self._buffers = buffers
        self._size = size
        self._used: set[int] = set()
        self.found: dict[str, StoredTensor] = {}
        self.digest = hashlib.blake2b(digest_size=16)
        self.quantised = 0

    def graph(self, graph: FlatTable, prefix: str) -> None:
        for tensor in graph.tables(0, MAX_TENSORS):
            number = tensor.number(2, "I")
            name = prefix + tensor.text(3, MAX_NAME_BYTES)
            kind = _DTYPES.get(tensor.number(1, "b"))
            place = self._place(number)
            if place is None or kind is None or not is_name(name) or not name or name in self.found:
                continue
            if len(self.found) >= MAX_TENSORS:
                raise NotThisFormat("too many tensors")
            shape = _shape(tensor)
            whole = place.size == -(-prod(shape) * kind[1] // 8) and tensor.table(6) is None
            content = place if whole else Range(place.offset, place.size, coded=True)
            repeats = number in self._used
            self._used.add(number)
            self.found[name] = StoredTensor(name, kind[0], shape, (content,), repeats=repeats)
            self._quantised(name, tensor.table(4))

    def ports(self, graph: FlatTable, field: int) -> dict[str, Metadata]:
        """Inputs or outputs by name: dtype and shape."""
        tensors, found = graph.tables(0, MAX_TENSORS), dict[str, Metadata]()
        for number in graph.numbers(field, "i", _MAX_PORT_NAMES):
            if not 0 <= number < len(tensors):
                raise NotThisFormat("no tensor of that number")
            tensor = tensors[number]
            kind = _DTYPES.get(tensor.number(1, "b"), ("text or a resource", 0))[0]
            found[tensor.text(3, MAX_NAME_BYTES)] = f"{kind} {list(_shape(tensor))}"
        return found

    def _place(self, number: int) -> Range | None:
        """None for a tensor without bytes of its own."""
        if number >= len(self._buffers):
            raise NotThisFormat("no buffer of that number")
        buffer = self._buffers[number]
        start, size = buffer.vector(0, 1)
        if not size:
            start, size = buffer.number(1, "Q"), buffer.number(2, "Q")
        if start + size > self._size:
            raise NotThisFormat("a buffer past the end")
        return Range(start, size) if size else None

    def _quantised(self, name: str, said: FlatTable | None) -> None:
        if said is None:
            return
        parts = name.encode(), said.raw(2, 4, _MAX_SCALES_BYTES), said.raw(3, 8, _MAX_SCALES_BYTES)
        if parts[1]:
            self.quantised += 1
            for part in parts:
                self.digest.update(len(part).to_bytes(8, "little") + part)


def _shape(tensor: FlatTable) -> tuple[int, ...]:
    shape = tensor.numbers(0, "i", MAX_RANK_DIMENSIONS)
    if any(extent < 0 for extent in shape):
        raise NotThisFormat("no shape")
    return shape
