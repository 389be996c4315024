_Component = tuple[bytes, int, int]
_Provenance = tuple[str, bool, tuple[str, ...], str, str, str]
_Values = dict[str, str | float | int | bool | None]

def read(
    record: bytes, /
) -> (
    tuple[
        list[bytes],
        int,
        list[_Component | None],
        str,
        int,
        int,
        str,
        int,
        _Values,
        _Values,
        _Provenance | None,
        tuple[str, ...],
    ]
    | None
):
    """Reads a record: parents, generation, (root, files, bytes) of each component, author, time in
    microseconds, minutes from UTC, message, trigger, hyperparameters, metrics, what provenance says in the
    order of its fields, tracked paths. None if protobuf has to say what it is."""

def read_front(record: bytes, /) -> tuple[list[bytes], int, int] | None:
    """Reads parents, generation and time, and nothing behind them; None if protobuf has to."""
