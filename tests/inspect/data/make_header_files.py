"""Writes the GGUF and ONNX fixtures beside it. Run with gguf 0.19.0, onnx 1.23.2 and numpy:
`python make_header_files.py`.

The files are what these libraries wrote; the tests read them without. `headers.json` holds what they say of
each tensor (dtype, shape, SHA-256 of its bytes), so that the golden answers are not our own opinion.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import gguf
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
RNG = np.random.default_rng(11)


def say(dtype: str, shape: tuple[int, ...], data: bytes) -> list[object]:
    return [dtype, list(shape), hashlib.sha256(data).hexdigest()]


def make_gguf() -> dict[str, list[object]]:
    path = HERE / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_name("tiny")
    writer.add_token_list([f"<{i}>" for i in range(200)])
    writer.add_token_scores([i / 7 for i in range(200)])
    writer.add_array("tiny.list", [1, 2, 3])
    weights = RNG.standard_normal((4, 64)).astype("f4")
    writer.add_tensor("blk.0.attn_q.weight", weights)
    writer.add_tensor("blk.0.attn_k.weight", weights.astype("f2"))
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor("blk.1.ffn.weight", gguf.quants.quantize(weights, kind), raw_dtype=kind)
    writer.add_tensor("output_norm.weight", np.ones(5, "f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    reader = gguf.GGUFReader(path)
    return {
        t.name: say(t.tensor_type.name, tuple(int(n) for n in reversed(t.shape)), t.data.tobytes())
        for t in reader.tensors
    }


def initializers() -> list[onnx.TensorProto]:
    weights = RNG.standard_normal((3, 5)).astype("f4")
    raw = [
        numpy_helper.from_array(weights, "raw.f32"),
        numpy_helper.from_array(weights.astype("f2"), "raw.f16"),
        numpy_helper.from_array(np.arange(4, dtype="i8"), "raw.i64"),
    ]
    typed = [
        helper.make_tensor("typed.f32", TensorProto.FLOAT, (3, 5), weights.ravel()),
        helper.make_tensor("typed.f64", TensorProto.DOUBLE, (3, 5), weights.ravel().astype("f8")),
        helper.make_tensor("typed.i64", TensorProto.INT64, (3,), [-1, 0, 1 << 40]),
        helper.make_tensor("typed.i32", TensorProto.INT32, (2,), [-7, 7]),
        helper.make_tensor("typed.i8", TensorProto.INT8, (2,), [-128, 127]),
        helper.make_tensor("typed.u64", TensorProto.UINT64, (2,), [0, (1 << 64) - 1]),
        helper.make_tensor("typed.bf16", TensorProto.BFLOAT16, (2,), [1.5, -2.0]),
        helper.make_tensor("typed.bool", TensorProto.BOOL, (3,), [True, False, True]),
        helper.make_tensor("scalar", TensorProto.FLOAT, (), [3.5]),
    ]
    return raw + typed


DTYPES = {
    "FLOAT": "F32", "DOUBLE": "F64", "FLOAT16": "F16", "BFLOAT16": "BF16", "BOOL": "BOOL", "INT64": "I64",
    "INT32": "I32", "INT8": "I8", "UINT64": "U64",
}  # fmt: skip


def make_onnx() -> dict[str, list[object]]:
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("MatMul", ["x", "raw.f32"], ["y"], name="first"),
        helper.make_node("Relu", ["y"], ["z"], name="second"),
        helper.make_node("Odd", ["z"], ["out"], domain="org.example"),
    ]
    graph = helper.make_graph(
        nodes, "tiny", [value("x", TensorProto.FLOAT, ["batch", 3])],
        [value("out", TensorProto.FLOAT, ["batch", 5])], initializers(),
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("org.example", 1)]
    model = helper.make_model(graph, producer_name="maker", opset_imports=opsets)
    helper.set_model_props(model, {"epoch": "3"})
    onnx.save(model, HERE / "model.onnx")
    onnx.save(
        model, HERE / "external.onnx", save_as_external_data=True, location="external.data", size_threshold=0,
        all_tensors_to_one_file=True,
    )  # fmt: skip
    found = {}
    for tensor in onnx.load(HERE / "external.onnx").graph.initializer:
        array = numpy_helper.to_array(tensor)
        name = TensorProto.DataType.Name(tensor.data_type)
        found[tensor.name] = say(DTYPES[name], array.shape, array.tobytes())
    return found


def packed(kind: int, name: str, values: list[float], *, raw: bool) -> onnx.TensorProto:
    made = helper.make_tensor(name, kind, (len(values),), values)
    return numpy_helper.from_array(numpy_helper.to_array(made), name) if raw else made


def make_odd_onnx() -> dict[str, list[object]]:
    """Tensors in every place and every form: constants, branches, functions, sparse, bits sharing bytes."""
    value = helper.make_tensor_value_info
    small = [
        packed(kind, f"{name}.{form}", values, raw=form == "raw")
        for form in ("raw", "typed")
        for kind, name, values in (
            (TensorProto.UINT4, "U4", [0, 1, 2, 15, 7]), (TensorProto.INT4, "I4", [-8, 7, -1]),
            (TensorProto.UINT2, "U2", [3, 0, 1, 2, 3]), (TensorProto.INT2, "I2", [-2, 1, 0]),
            (TensorProto.FLOAT4E2M1, "F4", [0.5, -6.0, 1.0]),
            (TensorProto.FLOAT6E2M3, "F6_E2M3", [0.5, -7.5, 1.0, 0.125, 2.0]),
            (TensorProto.FLOAT6E3M2, "F6_E3M2", [0.5, -28.0, 1.0]),
            (TensorProto.FLOAT16, "F16", [0.5, -2.0]), (TensorProto.FLOAT8E5M2, "F8_E5M2", [0.5, -2.0]),
            (TensorProto.COMPLEX64, "C64", [1 + 2j, -3j]),
        )
    ]  # fmt: skip
    weights = numpy_helper.from_array(RNG.standard_normal((2, 3)).astype("f4"), "branch.w")
    branch = helper.make_graph([helper.make_node("Identity", ["branch.w"], ["then.y"])], "then", [],
                               [value("then.y", TensorProto.FLOAT, [2, 3])], [weights])  # fmt: skip
    constant = helper.make_tensor(
        "", TensorProto.FLOAT, (2, 3), RNG.standard_normal(6).astype("f4")
    )
    other = helper.make_graph([helper.make_node("Constant", [], ["else.y"], value=constant)], "else", [],
                              [value("else.y", TensorProto.FLOAT, [2, 3])])  # fmt: skip
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("sparse", TensorProto.FLOAT, (2,), [1.5, 2.5]),
        helper.make_tensor("", TensorProto.INT64, (2,), [3, 5]), [10],
    )  # fmt: skip
    nodes = [
        helper.make_node(
            "Constant", [], ["big"], value=numpy_helper.from_array(np.arange(300, dtype="f4"))
        ),
        helper.make_node(
            "Constant", [], ["cond"], value=helper.make_tensor("", TensorProto.BOOL, (), [True])
        ),
        helper.make_node("If", ["cond"], ["y"], then_branch=branch, else_branch=other),
        helper.make_node("Halve", ["y"], ["z"], domain="local"),
    ]
    body = [
        helper.make_node(
            "Constant", [], ["half"], value=helper.make_tensor("", TensorProto.FLOAT, (), [0.5])
        ),
        helper.make_node("Mul", ["a", "half"], ["b"]),
    ]
    function = helper.make_function(
        "local", "Halve", ["a"], ["b"], body, [helper.make_opsetid("", 17)]
    )
    graph = helper.make_graph(nodes, "odd", [], [value("z", TensorProto.FLOAT, [2, 3])], small,
                              sparse_initializer=[sparse])  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    model = helper.make_model(graph, functions=[function], opset_imports=opsets)
    onnx.save(model, HERE / "odd.onnx")
    constants = {node.output[0]: node.attribute[0].t for node in (*nodes[:2], body[0])}
    constants |= {"branch.w": weights, "else.y": constant, **{t.name: t for t in small}}
    constants |= {"sparse.values": sparse.values, "sparse.indices": sparse.indices}
    found = {}
    for name, tensor in constants.items():
        raw = numpy_helper.from_array(numpy_helper.to_array(tensor)).raw_data
        kind = TensorProto.DataType.Name(tensor.data_type)
        dtype = (
            name.split(".")[0].replace("F6_", "FLOAT6")
            if name.endswith((".raw", ".typed"))
            else DTYPES[kind]
        )
        found[name] = say(dtype, tuple(tensor.dims), raw)
    return found


if __name__ == "__main__":
    for stale in ("external.data",):
        (HERE / stale).unlink(missing_ok=True)
    answers = {"model.gguf": make_gguf(), "model.onnx": make_onnx(), "odd.onnx": make_odd_onnx()}
    (HERE / "headers.json").write_text(json.dumps(answers, indent=1) + "\n")
