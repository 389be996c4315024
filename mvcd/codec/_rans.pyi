from mvcd.ids import Bytes

def encode(
    data: Bytes,
    base: Bytes,
    width: int,
    floats: bool,
    shift: int,
    scratch: bytearray | memoryview,
    /,
) -> bytes: ...
def encode_each(
    data: list[Bytes],
    bases: list[Bytes],
    width: int,
    floats: bool,
    shift: int,
    scratch: bytearray | memoryview,
    /,
) -> list[bytes]: ...
def decode(
    body: Bytes, size: int, base: Bytes, width: int, out: bytearray | memoryview | None, /
) -> bytes | None: ...
def decode_each(items: list[tuple[Bytes, int, Bytes, int]], /) -> list[bytes | None]: ...
def scratch(size: int, width: int, /) -> int: ...
def select(level: int, /) -> int: ...
