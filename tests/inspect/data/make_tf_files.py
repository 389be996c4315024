"""Writes the TensorFlow fixtures in `tf/`. Run with tensorflow-cpu 2.21.0: `python make_tf_files.py`.

`tf.json` holds what TensorFlow's own reader says of each variable (dtype, shape, SHA-256 of its bytes).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent
NAMES = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float64": "F64",
    "int64": "I64",
    "bool": "BOOL",
}
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def main() -> None:
    shutil.rmtree(HERE / "tf", ignore_errors=True)
    rng = np.random.default_rng(5)
    values = {f"w{i}": tf.Variable(rng.standard_normal((i + 1, 3)).astype("f4")) for i in range(40)}
    values |= {
        "half": tf.Variable(np.ones(4, "f2")),
        "brain": tf.Variable(tf.cast([1.5, -2.0], tf.bfloat16)),
        "double": tf.Variable(np.ones((2, 2))), "flag": tf.Variable([True, False]),
        "text": tf.Variable("hello"),
    }  # fmt: skip
    path = tf.train.Checkpoint(step=tf.Variable(7, dtype=tf.int64), **values).write(
        str(HERE / "tf" / "ckpt")
    )
    reader = tf.train.load_checkpoint(path)
    answers = {}
    for name, dtype in reader.get_variable_to_dtype_map().items():
        if dtype != tf.string:
            array = reader.get_tensor(name)
            digest = hashlib.sha256(array.tobytes()).hexdigest()
            answers[name.removesuffix(SUFFIX)] = [NAMES[dtype.name], list(array.shape), digest]
    (HERE / "tf" / "tf.json").write_text(json.dumps(answers, indent=1) + "\n")
    (HERE / "tf" / "parts.json").write_text(json.dumps(partitioned(), indent=1) + "\n")


def partitioned() -> dict[str, list[object]]:
    """Variables in slices, as estimators on parameter servers save them."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        for name, shape, partitioner in (
            ("rows", (10, 3), v1.fixed_size_partitioner(4, axis=0)),
            ("columns", (4, 300), v1.fixed_size_partitioner(3, axis=1)),
            ("vector", (130,), v1.fixed_size_partitioner(2)),
            ("whole", (2, 2), None),
        ):
            start = v1.random_normal_initializer(seed=len(name))
            v1.get_variable(name, shape, initializer=start, partitioner=partitioner)
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(HERE / "tf" / "parts"), write_meta_graph=False)
    (HERE / "tf" / "checkpoint").unlink(missing_ok=True)
    reader = tf.train.load_checkpoint(path)
    found = {}
    for name in reader.get_variable_to_shape_map():
        array = reader.get_tensor(name)
        found[name] = ["F32", list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
    return found


if __name__ == "__main__":
    main()
