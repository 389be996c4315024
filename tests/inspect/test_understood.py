"""How files were read for their tensors, and why not."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

from mvcd.inspect.kinds import ContentKind, kind_of
from mvcd.inspect.understood import Tensors, tensors
from tests.support.torchfile import View, torch_zip

DATA = Path(__file__).parent / "data"


def understood(data: bytes, path: str = "some") -> Tensors | None:
    def read_at(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    return tensors(read_at, len(data), path, kind_of(read_at, len(data)))


def test_tensors_are_counted_without_those_of_a_training() -> None:
    data = (DATA / "module.pt").read_bytes()
    found = understood(data)
    assert found is not None and found.problem is None
    assert found.tensors > 0 and found.parameters > 0 and found.state == 0
    optimizer = understood(data, "optimizer.pt")
    assert optimizer is not None
    assert (optimizer.parameters, optimizer.state) == (0, found.tensors)


def test_tied_tensors_count_once() -> None:
    parts = View("0", (2, 3)), View("0", (2, 3))
    found = understood(
        torch_zip({"emb.weight": parts[0], "head.weight": parts[1]}, {"0": bytes(24)})
    )
    assert found is not None and (found.tensors, found.parameters) == (2, 6)


def test_the_reason_of_a_refusal_is_told() -> None:
    torn = understood((DATA / "model.gguf").read_bytes()[:40])
    assert torn is not None and torn.problem and not torn.tensors
    hdf5 = understood(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert hdf5 is not None and hdf5.format == "hdf5"


def test_tensors_whose_elements_are_not_read_are_told() -> None:
    found = understood((DATA / "filters.h5").read_bytes())
    assert found is not None and found.tensors == 52
    assert found.problem is not None and found.problem.startswith("the elements of a tensor are")
    whole = understood((DATA / "adamw.pt").read_bytes())
    assert whole is not None and whole.problem is None


def test_an_object_without_tensors_is_nothing_that_was_not_understood() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"last_epoch": 3}))
    assert understood(buffer.getvalue()) == Tensors("torch-zip")


def test_what_is_no_format_at_all() -> None:
    assert understood(b"just text, and no more than that") is None
    assert ContentKind() == kind_of(lambda o, n: b"", 0)
