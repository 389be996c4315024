"""Writes `saved_model.pb`, `frozen.pb` and `graphs.json`, which holds their constants.

Run with the protocol buffers of tensorboard 2.21.0, which are TensorFlow's own, and numpy 2.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_pb2 import TensorProto

HERE = Path(__file__).parent
TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10, "float16": 19}
NAMES = {
    "float32": "F32",
    "float64": "F64",
    "int32": "I32",
    "int64": "I64",
    "bool": "BOOL",
    "float16": "F16",
}
RNG = np.random.default_rng(8)
CONSTANTS = {
    "raw": RNG.standard_normal((3, 4)).astype("f4"),
    "half": RNG.standard_normal((2, 3)).astype("f2"),
    "wide": RNG.standard_normal(5),
}
LISTED = {
    "floats": np.array([1.5, -2.5, 3], "f4"),
    "one": np.array(0.25, "f4"),
    "filled": np.full((4, 2), 7, "i4"),
    "negative": np.array([-1, 5], "i8"),
    "flags": np.array([True, False, True]),
    "halves": np.array([1, 2], "f2"),
}


def proto(array: np.ndarray, listed: bool) -> TensorProto:
    made = TensorProto(dtype=TYPES[array.dtype.name])
    for extent in array.shape:
        made.tensor_shape.dim.add(size=extent)
    flat = array.flatten()
    if not listed:
        made.tensor_content = array.tobytes()
    elif array.dtype.name == "float32":
        made.float_val.extend(flat.tolist())
    elif array.dtype.name == "float16":
        made.half_val.extend(flat.view("u2").tolist())
    elif array.dtype.name == "bool":
        made.bool_val.extend(flat.tolist())
    elif array.dtype.name == "int64":
        made.int64_val.extend(flat.tolist())
    else:
        made.int_val.extend(flat[:1].tolist())  # the last one counts for the rest
    return made


def constant(name: str, array: np.ndarray, listed: bool) -> NodeDef:
    node = NodeDef(name=name, op="Const")
    node.attr["dtype"].type = TYPES[array.dtype.name]
    node.attr["value"].tensor.CopyFrom(proto(array, listed))
    return node


def graph() -> GraphDef:
    made = GraphDef()
    for name, array in CONSTANTS.items():
        made.node.append(constant(name, array, False))
    for name, array in LISTED.items():
        made.node.append(constant(name, array, True))
    text = made.node.add(name="text", op="Const")
    text.attr["value"].tensor.CopyFrom(TensorProto(dtype=7, string_val=[b"saver"]))
    made.node.add(name="x", op="Placeholder")
    made.node.add(name="y", op="MatMul", input=["x", "raw"])
    made.versions.producer = 1882
    return made


def main() -> None:
    frozen = graph()
    meta = MetaGraphDef()
    meta.meta_info_def.tags.append("serve")
    meta.meta_info_def.tensorflow_version = "2.19.0"
    meta.graph_def.CopyFrom(frozen)
    function = meta.graph_def.library.function.add()
    function.signature.name = "__inference_call_7"
    function.node_def.append(constant("scale", np.array([3, 4], "f4"), False))
    signature = meta.signature_def["serving_default"]
    for extent in (-1, 3):
        signature.inputs["x"].tensor_shape.dim.add(size=extent)
    signature.inputs["x"].dtype = 1
    signature.outputs["y"].dtype = 1
    body = meta.SerializeToString(deterministic=True)
    size, number = bytearray(), len(body)
    while number > 127:
        size.append(number & 127 | 128)
        number >>= 7
    (HERE / "saved_model.pb").write_bytes(b"\x08\x01\x12" + bytes(size) + bytes([number]) + body)
    (HERE / "frozen.pb").write_bytes(frozen.SerializeToString(deterministic=True))
    constants = CONSTANTS | LISTED
    saved = constants | {"__inference_call_7/scale": np.array([3, 4], "f4")}
    answers = {
        file: {
            name: [NAMES[a.dtype.name], list(a.shape), hashlib.sha256(a.tobytes()).hexdigest()]
            for name, a in found.items()
        }
        for file, found in (("saved_model.pb", saved), ("frozen.pb", constants))
    }
    (HERE / "graphs.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
