from mvcd.ids import Bytes

def cut_points(
    data: Bytes,
    final: bool,
    min_size: int,
    max_size: int,
    limit: int,
    kernel: str | None = None,
    /,
) -> list[int]: ...
def kernels() -> list[str]: ...
