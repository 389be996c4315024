"""The configuration in a `.keras` file: keys as in the code that made the model, and how it was compiled."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from mvcd.inspect import kerasconfig
from mvcd.inspect.recorded import read
from mvcd.objects.version import Component


def of(name: str, /, **config: Any) -> dict[str, Any]:
    """An object as `keras.saving.serialize_keras_object` writes it."""
    return {
        "module": "keras.x", "class_name": name, "config": config, "registered_name": None,
        "shared_object_id": id(config),
    }  # fmt: skip


DOCUMENT = {
    **of(
        "Sequential",
        name="sequential",
        layers=[
            of("InputLayer", name="input", batch_shape=[None, 8]),
            of("Dense", name="dense", units=16, dtype=of("DTypePolicy", name="float32"),
               kernel_initializer=of("GlorotUniform", seed=None)),
        ],
    ),
    "compile_config": {
        "optimizer": of("Adam", name="adam", learning_rate=0.0010000000474974513, weight_decay=None),
        "loss": "mse", "metrics": ["mae"], "loss_weights": None, "run_eagerly": False,
    },
}  # fmt: skip


def archive(document: object, name: str = "config.json") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, json.dumps(document))
        file.writestr("model.weights.h5", b"\x89HDF")
    return buffer.getvalue()


def test_layers_stand_by_their_names_without_what_no_one_set() -> None:
    assert kerasconfig.network(DOCUMENT) == {
        "class": "Sequential", "name": "sequential",
        "layers.input.class": "InputLayer", "layers.input.batch_shape.0": None,
        "layers.input.batch_shape.1": 8, "layers.dense.class": "Dense",
        "layers.dense.units": 16, "layers.dense.dtype": "float32",
        "layers.dense.kernel_initializer": "GlorotUniform",
    }  # fmt: skip


def test_what_was_given_to_compile_is_settings() -> None:
    data = archive(DOCUMENT)
    found = read(Component.WEIGHTS, "models/best.keras", io.BytesIO(data), len(data))
    assert found.problem is None
    assert found.settings == {
        "optimizer": "Adam", "learning_rate": 0.001, "compile.loss": "mse",
        "compile.metrics.0": "mae", "compile.run_eagerly": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89HDF\r\n\x1a\n" + bytes(99),
        archive({}, "other"),
        archive([1]),
        archive(DOCUMENT)[:-9],
    ],
)
def test_what_is_no_archive_of_keras_says_nothing(data: bytes) -> None:
    found = read(Component.WEIGHTS, "m.keras", io.BytesIO(data), len(data))
    assert (found.settings, found.problem) == ({}, None)


@pytest.mark.parametrize("key", ["compile_config", "config"])
def test_what_is_nested_too_deep_is_told(key: str) -> None:
    deep = '{"' + key + '": ' + '{"a": ' * 900 + "1" + "}" * 901
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("config.json", deep)
    document = kerasconfig.read(buffer)
    assert document is None or kerasconfig.network(document) is None or key == "compile_config"
    found = read(Component.WEIGHTS, "m.keras", buffer, len(buffer.getvalue()))
    assert found.settings == {}
