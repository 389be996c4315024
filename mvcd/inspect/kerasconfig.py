"""What the configuration in a Keras 3 archive says: the network, and how it was compiled.

A `.keras` file is a zip with `config.json` (keras.saving: nested objects of module, class_name and config)
beside the weights. Objects become flat keys that people know from their code, `layers.dense.units`, without
what no one set: names of modules, shapes that follow from others, and `shared_object_id`, an address in memory
that differs each time a model is saved.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from mvcd.inspect.flatten import flatten
from mvcd.inspect.tfevents import float32_of
from mvcd.objects.version import Value

MAX_CONFIG_BYTES = 1 << 20

_ZIP_END = struct.Struct("<4s4H2LH")  # PKWARE APPNOTE 4.3.16
_ZIP64_LOCATOR_BYTES = 20  # bytes, 4.3.15
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError, EOFError,
    ValueError, RecursionError,
)  # fmt: skip
_NOT_SET = frozenset("module registered_name shared_object_id build_config inbound_nodes".split())
_OBJECT = frozenset(("class_name", "config"))


def read(file: BinaryIO) -> dict[str, Any] | None:
    """Reads `config.json` of a seekable file; None for what is no archive of Keras, or has too large a one.
    OSError, and what the file raises, passes."""
    try:
        with zipfile.ZipFile(_small_zip(file)) as archive:
            info = archive.getinfo("config.json")
            if info.file_size > MAX_CONFIG_BYTES:
                return None
            with archive.open(info) as member:
                found = json.loads(member.read(MAX_CONFIG_BYTES))
    except _UNREADABLE:
        return None
    return found if isinstance(found, dict) else None


def network(document: Mapping[str, Any]) -> dict[str, Value] | None:
    """Flat keys of the network, its layers by their names; None for too many, or nested too deep."""
    kept = {
        key: value for key, value in document.items() if key not in ("compile_config", *_NOT_SET)
    }
    try:
        return flatten(_plain(kept))
    except (ValueError, RecursionError):
        return None


def settings(document: Mapping[str, Any]) -> dict[str, Value]:
    """Flat keys of what was given to `compile`: `optimizer` and what it was made with (`learning_rate`), the
    rest below `compile`. Raises ValueError for too many, RecursionError for what is nested too deep."""
    compiled = document.get("compile_config")
    if not isinstance(compiled, dict):
        return {}
    found: dict[str, Any] = {}
    optimizer = _plain(compiled.get("optimizer"))
    if isinstance(optimizer, dict):
        found |= {key: value for key, value in optimizer.items() if key not in ("class", "name")}
        optimizer = optimizer.get("class")
    rest = {key: _plain(value) for key, value in compiled.items() if key != "optimizer"}
    return flatten(_said({"optimizer": optimizer, **found, "compile": _said(rest)}))


def _said(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in found.items() if value is not None and value not in ({}, [])
    }


def _plain(value: Any) -> Any:
    """An object as its configuration with its `class`; one that has none as the name of its class; layers by
    their names."""
    if isinstance(value, dict):
        if value.keys() >= _OBJECT and isinstance(value["config"], dict):
            own = _said(_plain(value["config"]))
            if value["class_name"] == "DTypePolicy" and set(own) == {"name"}:
                return own["name"]
            return {"class": value["class_name"], **own} if own else value["class_name"]
        return {
            key: _by_name(item) if key == "layers" else _plain(item)
            for key, item in value.items()
            if key not in _NOT_SET
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return _written(value) if isinstance(value, float) else value


def _written(value: float) -> float:
    """As it stands in the code: Keras keeps a learning rate as a float32, 0.001 as 0.0010000000474974513."""
    with suppress(OverflowError):
        data = struct.pack("<f", value)
        if struct.unpack("<f", data)[0] == value:
            return float32_of(data)
    return value


def _by_name(layers: Any) -> Any:
    """{name: layer} where every layer has a name of its own."""
    plain = _plain(layers)
    if not isinstance(plain, list):
        return plain
    names = [layer.get("name") if isinstance(layer, dict) else None for layer in plain]
    if None in names or len(set(names)) < len(names) or not all(isinstance(n, str) for n in names):
        return plain
    return {
        name: {key: value for key, value in layer.items() if key != "name"}
        for name, layer in zip(names, plain, strict=True)
    }


def _small_zip(file: BinaryIO) -> BinaryIO:
    """The file itself. Raises BadZipFile unless its directory, which `zipfile` reads whole, is as small as
    Keras writes it: a handful of members, no comment, no zip64 end record."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _ZIP_END.size - _ZIP64_LOCATOR_BYTES))
    tail = file.read(_ZIP_END.size + _ZIP64_LOCATOR_BYTES)
    if len(tail) == _ZIP_END.size + _ZIP64_LOCATOR_BYTES:
        magic, *_, size, _, _ = _ZIP_END.unpack(tail[-_ZIP_END.size :])
        if magic == b"PK\5\6" and size <= MAX_CONFIG_BYTES and not tail.startswith(b"PK\6\7"):
            return file
    raise zipfile.BadZipFile
