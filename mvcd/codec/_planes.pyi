from typing import Literal, overload

from mvcd.ids import Bytes

def split(
    out: bytearray | memoryview, data: Bytes, width: int, floats: bool, base: Bytes | None, /
) -> None: ...
def join(
    size: int,
    planes: tuple[Bytes, ...],
    tail: Bytes,
    floats: bool,
    base: Bytes | None,
    out: bytearray | memoryview | None,
    /,
) -> bytes | None: ...
def decode_bodies(items: list[tuple[int, int, Bytes]], /) -> list[bytes | None]: ...
@overload
def decode_body(
    width: int, size: int, body: Bytes, out: None, scratch: bytearray | memoryview, /
) -> bytes | None: ...
@overload
def decode_body(
    width: int,
    size: int,
    body: Bytes,
    out: bytearray | memoryview,
    scratch: bytearray | memoryview,
    /,
) -> Literal[True] | None: ...
def encode_bodies(
    datas: list[Bytes],
    width: int,
    floats: bool,
    choices: tuple[int, int, int, int],
    room: int,
    scratch: bytearray | memoryview,
    /,
) -> tuple[bytearray, list[int]]: ...
def body_scratch(size: int, /) -> int: ...
def period(data: Bytes, /) -> int: ...
def probe(data: Bytes, /) -> tuple[int, int]: ...
def lanes(data: Bytes, /) -> tuple[int, int, int, int]: ...
def tiers(data: Bytes, limit: int, scratch: bytearray | memoryview, /) -> bytes | None: ...
def untier(stored: Bytes, size: int, scratch: bytearray | memoryview, /) -> bytes | None: ...
def tiers_scratch(size: int, /) -> int: ...
def tiers_select(level: int, /) -> int: ...
