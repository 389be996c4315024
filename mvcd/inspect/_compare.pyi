from mvcd.ids import Bytes
from mvcd.inspect.compare import Row

def compare(old_dtype: int, old: Bytes, new_dtype: int, new: Bytes, /) -> Row: ...
def extent(
    dtype: int, data: Bytes, old_dtype: int = 0, old: Bytes | None = None, /
) -> tuple[float, float]: ...
def histogram(
    low: float, high: float, bins: int, dtype: int, data: Bytes, old_dtype: int = 0,
    old: Bytes | None = None, /,
) -> list[int]: ...  # fmt: skip
def select(level: int, /) -> int: ...
