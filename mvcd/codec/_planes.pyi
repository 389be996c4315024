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
def period(data: Bytes, /) -> int: ...
def probe(data: Bytes, /) -> tuple[int, int]: ...
def lanes(data: Bytes, /) -> tuple[int, int, int, int]: ...
