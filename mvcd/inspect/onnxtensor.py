"""A tensor of an ONNX model (TensorProto of onnx/onnx.proto): its dtype, and where its data lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from mvcd.inspect.spans import is_name
from mvcd.inspect.tensorfile import Range

DTYPES = {
    1: ("F32", 4), 2: ("U8", 1), 3: ("I8", 1), 4: ("U16", 2), 5: ("I16", 2), 6: ("I32", 4), 7: ("I64", 8),
    9: ("BOOL", 1), 10: ("F16", 2), 11: ("F64", 8), 12: ("U32", 4), 13: ("U64", 8), 14: ("C64", 8),
    15: ("C128", 16), 16: ("BF16", 2), 17: ("F8_E4M3", 1), 18: ("F8_E4M3FNUZ", 1), 19: ("F8_E5M2", 1),
    20: ("F8_E5M2FNUZ", 1), 24: ("F8_E8M0", 1),
}  # fmt: skip
_PACKED = {
    21: ("U4", 4), 22: ("I4", 4), 23: ("F4", 4), 25: ("U2", 2), 26: ("I2", 2), 27: ("FLOAT6E2M3", 6),
    28: ("FLOAT6E3M2", 6),
}  # fmt: skip
"""Bits of elements that share bytes, the first one in the lowest bits. Those of six bits have ONNX's name: it
says where they lie in three bytes, and safetensors, which has them too, does not."""

_OTHERS = {8: "STRING"} | {number: name for number, (name, _) in _PACKED.items()}


@dataclass(slots=True)
class TensorProto:
    """A TensorProto as it is read."""

    dims: list[int] = field(default_factory=list)
    dtype: int = 0
    name: str = ""
    raw: Range | None = None
    runs: list[Range] = field(default_factory=list)  # of a fixed-width typed list
    values: list[int] = field(default_factory=list)  # of a varint list
    external: dict[str, str] = field(default_factory=dict)
    partial: bool = False

    def size(self) -> int | None:
        known = DTYPES.get(self.dtype)
        if known is not None:
            return prod(self.dims) * known[1]
        packed = _PACKED.get(self.dtype)
        return None if packed is None else -(-prod(self.dims) * packed[1] // 8)

    def content(self) -> bytes | tuple[Range, ...] | None:
        """None when the data is nowhere, or not as long as shape and dtype say."""
        size = self.size()
        if self.external:
            return _external(self.external, size)
        if self.raw is not None:
            return (self.raw,) if size in (None, self.raw.size) else None
        if size is None:
            return None
        if self.values:
            return self._listed(size)
        return tuple(self.runs) if sum(run.size for run in self.runs) == size else None

    def _listed(self, size: int) -> bytes | None:
        """The values as `raw_data` would hold them. Elements of 6 bits have an entry each, smaller ones share
        one as they share a byte."""
        if self.dtype in _PACKED and _PACKED[self.dtype][1] == 6:
            if len(self.values) != prod(self.dims):
                return None
            packed = b"".join(
                sum((v & 63) << 6 * i for i, v in enumerate(self.values[at : at + 4])).to_bytes(
                    3, "little"
                )
                for at in range(0, len(self.values), 4)
            )
            return packed[:size]
        width = DTYPES[self.dtype][1] if self.dtype in DTYPES else 1
        data = b"".join((v % (1 << 8 * width)).to_bytes(width, "little") for v in self.values)
        return data if len(data) == size else None


def _external(entries: dict[str, str], size: int | None) -> tuple[Range, ...] | None:
    location = _below(entries.get("location", ""))
    try:
        offset = int(entries.get("offset", "0")[:20])
        length = int(entries["length"][:20]) if "length" in entries else size
    except ValueError:
        return None
    if length is None or size not in (None, length) or min(offset, length) < 0 or location is None:
        return None
    return (Range(offset, length, beside=location),)


def _below(location: str) -> str | None:
    """A relative path that stays below the model's directory, in its plain form: "weights.bin" for
    "./weights.bin". None for any other."""
    if location.startswith("/") or "\\" in location or not is_name(location):
        return None
    parts = [part for part in location.split("/") if part not in ("", ".")]
    return None if not parts or ".." in parts else "/".join(parts)


def dtype_name(number: int) -> str:
    """What a dtype is called: as safetensors spells it, or by the format's own name."""
    return DTYPES[number][0] if number in DTYPES else _OTHERS.get(number, f"ONNX_{number}")
