"""Writes the models `lite.tflite` and `far.tflite`, and `tflite.json`, which holds what LiteRT reads of them.

Run with tflite 2.18.0 and flatbuffers 25 for writing, and ai-edge-litert 2.3.0 as the judge. `far.tflite` has
its buffers behind the flatbuffer, as models of more than 2 GiB have.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import flatbuffers
import numpy as np
import tflite
from ai_edge_litert.interpreter import Interpreter

HERE = Path(__file__).parent
NAMES = {"float32": "F32", "int8": "I8", "int32": "I32"}
RNG = np.random.default_rng(6)
KINDS = {"float32": 0, "int32": 2, "int8": 9}
TENSORS: list[tuple[str, np.ndarray | tuple[int, ...], bool]] = [
    ("x", (1, 4), False),
    ("dense/kernel", RNG.integers(-99, 99, (3, 4)).astype("i1"), True),
    ("dense/bias", RNG.integers(-99, 99, 3).astype("i4"), True),
    ("y", (1, 3), False),
    ("shape", np.array([3, 1], "i4"), False),
    ("z", (3, 1), False),
]


def vector(b: flatbuffers.Builder, items: list[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependInt32(item)
    return b.EndVector()


def references(b: flatbuffers.Builder, items: list[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return b.EndVector()


def buffer(b: flatbuffers.Builder, data: bytes, at: int) -> int:
    """Within the flatbuffer, or from byte `at` of the file on."""
    inside = 0
    if data and not at:
        b.StartVector(1, len(data), 16)
        b.head -= len(data)
        b.Bytes[b.head : b.head + len(data)] = data
        inside = b.EndVector()
    tflite.BufferStart(b)
    if inside:
        tflite.BufferAddData(b, inside)
    if data and at:
        tflite.BufferAddOffset(b, at)
        tflite.BufferAddSize(b, len(data))
    return tflite.BufferEnd(b)


def tensor(b: flatbuffers.Builder, name: str, value: object, number: int, quantised: bool) -> int:
    shape = value.shape if isinstance(value, np.ndarray) else value
    kind = KINDS[value.dtype.name] if isinstance(value, np.ndarray) else 9 if name in "xyz" else 0
    said, extents = b.CreateString(name), vector(b, list(shape))
    b.StartVector(4, 1, 4)
    b.PrependFloat32(0.5)
    scale = b.EndVector()
    b.StartVector(8, 1, 8)
    b.PrependInt64(0)
    zero = b.EndVector()
    tflite.QuantizationParametersStart(b)
    tflite.QuantizationParametersAddScale(b, scale)
    tflite.QuantizationParametersAddZeroPoint(b, zero)
    quantisation = tflite.QuantizationParametersEnd(b)
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, extents)
    tflite.TensorAddType(b, kind)
    tflite.TensorAddBuffer(b, number)
    tflite.TensorAddName(b, said)
    if quantised or name in "xyz":
        tflite.TensorAddQuantization(b, quantisation)
    return tflite.TensorEnd(b)


def operator(
    b: flatbuffers.Builder,
    code: int,
    inputs: list[int],
    outputs: list[int],
    options: tuple[int, int],
) -> int:
    given, made = vector(b, inputs), vector(b, outputs)
    tflite.OperatorStart(b)
    tflite.OperatorAddOpcodeIndex(b, code)
    tflite.OperatorAddInputs(b, given)
    tflite.OperatorAddOutputs(b, made)
    tflite.OperatorAddBuiltinOptionsType(b, options[0])
    tflite.OperatorAddBuiltinOptions(b, options[1])
    return tflite.OperatorEnd(b)


def model(first: int) -> tuple[bytes, bytes]:
    """The flatbuffer, and what lies behind it from byte `first` on; with 0 all lies within."""
    b = flatbuffers.Builder(4096)
    behind, buffers, tensors = b"", [buffer(b, b"", 0)], []
    for name, value, quantised in TENSORS:
        number = 0
        if isinstance(value, np.ndarray):
            number = len(buffers)
            buffers.append(buffer(b, value.tobytes(), first and first + len(behind)))
            behind += value.tobytes() + bytes(-value.nbytes % 16)
        tensors.append(tensor(b, name, value, number, quantised))
    tflite.FullyConnectedOptionsStart(b)
    dense = operator(
        b,
        0,
        [0, 1, 2],
        [3],
        (tflite.BuiltinOptions.FullyConnectedOptions, tflite.FullyConnectedOptionsEnd(b)),
    )
    tflite.ReshapeOptionsStart(b)
    reshape = operator(
        b, 1, [3, 4], [5], (tflite.BuiltinOptions.ReshapeOptions, tflite.ReshapeOptionsEnd(b))
    )
    parts = references(b, tensors), vector(b, [0]), vector(b, [5]), references(b, [dense, reshape])
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, parts[0])
    tflite.SubGraphAddInputs(b, parts[1])
    tflite.SubGraphAddOutputs(b, parts[2])
    tflite.SubGraphAddOperators(b, parts[3])
    graph = tflite.SubGraphEnd(b)
    codes = []
    for code, version in (
        (tflite.BuiltinOperator.FULLY_CONNECTED, 4),
        (tflite.BuiltinOperator.RESHAPE, 1),
    ):
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, code)
        tflite.OperatorCodeAddBuiltinCode(b, code)
        tflite.OperatorCodeAddVersion(b, version)
        codes.append(tflite.OperatorCodeEnd(b))
    all_codes, graphs, all_buffers = (
        references(b, codes),
        references(b, [graph]),
        references(b, buffers),
    )
    description = b.CreateString("a tiny model")
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, all_codes)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddDescription(b, description)
    tflite.ModelAddBuffers(b, all_buffers)
    b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
    return bytes(b.Output()), behind


def main() -> None:
    (HERE / "lite.tflite").write_bytes(model(0)[0])
    size = -(-len(model(1 << 20)[0]) // 64) * 64
    head, behind = model(size)
    (HERE / "far.tflite").write_bytes(head.ljust(size, b"\0") + behind)
    answers = {}
    for name in ("lite.tflite", "far.tflite"):
        interpreter = Interpreter(model_path=str(HERE / name))
        interpreter.allocate_tensors()
        constants = {label for label, value, _ in TENSORS if isinstance(value, np.ndarray)}
        answers[name] = {}
        for said in interpreter.get_tensor_details():
            if said["name"] in constants:
                array = interpreter.get_tensor(said["index"])
                digest = hashlib.sha256(array.tobytes()).hexdigest()
                answers[name][said["name"]] = [NAMES[array.dtype.name], list(array.shape), digest]
    (HERE / "tflite.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
