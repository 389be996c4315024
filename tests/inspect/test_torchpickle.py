"""The pickle reader: names from real pickles, nothing run from hostile ones, bounded work."""

from __future__ import annotations

import collections
import contextlib
import pickle
import sys
import time
import tracemalloc
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect import torchpickle, unpickle
from mvcd.inspect.spans import MAX_NAME_BYTES, NotThisFormat


@pytest.fixture(scope="module", autouse=True)
def stand_in_for_torch() -> Iterator[None]:
    """Modules of torch's names, so that the pickles below can be written without torch."""
    made: dict[str, types.ModuleType | None] = {}
    names = {
        "torch": ["FloatStorage", "UntypedStorage", "uint16"],
        "torch._utils": ["_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter"],
        "torch._tensor": ["_rebuild_from_type_v2"],
    }
    for module, functions in names.items():
        made[module] = sys.modules.get(module)
        sys.modules[module] = types.ModuleType(module)
        for function in functions:
            thing = types.FunctionType((lambda: None).__code__, {}, function)
            thing.__module__, thing.__qualname__ = module, function
            setattr(sys.modules[module], function, thing)
    yield
    for module, before in made.items():
        if before is None:
            del sys.modules[module]
        else:
            sys.modules[module] = before


class FakeTensor:
    def __init__(self, key: str, shape: tuple[int, ...] = (2,), wrap: str = "") -> None:
        self.key, self.shape, self.wrap = key, shape, wrap

    def __reduce__(self) -> tuple[Any, ...]:
        utils = sys.modules["torch._utils"]
        if self.wrap == "parameter":
            return utils._rebuild_parameter, (FakeTensor(self.key, self.shape), True, {})
        if self.wrap == "subclass":
            inner = FakeTensor(self.key, self.shape).__reduce__()
            return sys.modules["torch._tensor"]._rebuild_from_type_v2, (
                inner[0],
                dict,
                inner[1],
                {},
            )
        args = (FakeStorage(self.key), 0, self.shape, (1,) * len(self.shape), False, {})
        if self.wrap == "v3":
            return utils._rebuild_tensor_v3, (*args, sys.modules["torch"].uint16)
        return utils._rebuild_tensor_v2, args


class FakeStorage:
    def __init__(self, key: str) -> None:
        self.key = key


class Pickler(pickle._Pickler):  # the Python one: it lets instances have a persistent id
    def persistent_id(self, obj: object) -> object:
        if isinstance(obj, FakeStorage):
            return ("storage", sys.modules["torch"].FloatStorage, obj.key, "cpu", 2)
        return None


def dump(obj: object, protocol: int = 2) -> bytes:
    import io

    out = io.BytesIO()
    Pickler(out, protocol).dump(obj)
    return out.getvalue()


def names(data: bytes) -> dict[str, str]:
    return {name: tensor.storage.key for name, tensor in torchpickle.read(data)}


class Module:
    """Pickles as torch's nn.Module does: by its attributes."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_paths_of_all_containers(protocol: int) -> None:
    shared = FakeTensor("9")
    obj = {
        "model": collections.OrderedDict(a=FakeTensor("0"), b=FakeTensor("1", wrap="parameter")),
        "list": [1.5, None, True, FakeTensor("2"), (FakeTensor("3"), b"bytes", bytearray(b"x"))],
        7: {"deep": {"er": FakeTensor("4", wrap="v3")}},
        "net": Module(_modules={"fc": Module(_parameters={"w": FakeTensor("5", wrap="subclass")})}),
        "default": collections.defaultdict(list, {"k": FakeTensor("6")}),
        "twice": [shared, shared],
        ("tuple", "key"): FakeTensor("7"),
        "odd": [{1, 2}, frozenset({3}), 1 << 70, -1, 70_000, "x" * 5000, slice(1), range(3), ...],
    }
    assert names(dump(obj, protocol)) == {
        "model.a": "0",
        "model.b": "1",
        "list.3": "2",
        "list.4.0": "3",
        "7.deep.er": "4",
        "net.fc.w": "5",
        "default.k": "6",
        "twice.0": "9",
        "twice.1": "9",
    }


def test_dtype_comes_from_the_storage_or_from_version_3() -> None:
    read = torchpickle.read(dump({"a": FakeTensor("0"), "b": FakeTensor("1", wrap="v3")}))
    assert [tensor.dtype for _, tensor in read] == ["F32", "U16"]


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def test_nothing_is_run_or_imported(tmp_path: Path) -> None:
    target = tmp_path / "written"
    data = dump({"evil": Evil(target), "t": FakeTensor("0")})
    assert names(data) == {"t": "0"}
    assert not target.exists()
    pickle.loads(dump(Evil(target))).close()  # the very pickle does run in pickle.loads
    assert target.exists()
    absent = b"\x80\x02cthis_module_is_absent\nname\n)R."
    assert torchpickle.read(absent) == []
    assert "this_module_is_absent" not in sys.modules


def bomb(levels: int) -> object:
    value: object = [FakeTensor("0")]
    for _ in range(levels):
        value = [value, value]
    return value


def test_shared_lists_do_not_explode() -> None:
    with pytest.raises(NotThisFormat):
        torchpickle.read(dump(bomb(60)))


def test_a_list_within_itself_ends() -> None:
    loop: list[object] = [FakeTensor("0")]
    loop.append(loop)
    assert len(torchpickle.read(dump(loop))) > 1


def test_too_long_names_are_left_out() -> None:
    long = "n" * (MAX_NAME_BYTES - 1)
    assert names(dump({long: {"x": FakeTensor("0")}, "n": FakeTensor("1")})) == {"n": "1"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x80\x02\x8e" + b"\xff" * 8 + b".",
        b"\x80\x02e.",
        b"\x80\x02t.",
        b"\x80\x02\x86.",
        b"\x80\x02h\x07.",
        b"\x80\x02Q.",
        b"\x80\x02K\x01K\x01a.",
        b"\x80\x02K\x01K\x01K\x01s.",
        b"\x80\x02(K\x01u.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02c" + b"a" * 10_000 + b"\nb\n.",
        b"I1\n.",
        b"\x82\x01.",
        b"\x80\x02X\x01\x00\x00\x00\xff.",
    ],
)
def test_what_is_no_such_pickle(data: bytes) -> None:
    with pytest.raises(NotThisFormat):
        torchpickle.read(data)


def test_a_tensor_of_wrong_parts_is_no_tensor() -> None:
    for shape in ((-1,), (1.0,), (True,), "2", (1,) * 65):
        assert torchpickle.read(dump({"t": FakeTensor("0", shape)})) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("opcode", [b"}", b"]", b")\x81", b"(", b"}2", b"]\x94", b"X\1\0\0\0a"])
def test_memory_grows_by_little_per_opcode(opcode: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 200 bytes each; the limit on opcodes, here a tenth of the real one, bounds the rest."""
    monkeypatch.setattr(unpickle, "_MAX_OPCODES", 100_000)
    data = b"\x80\x02NNN" + opcode * 100_000
    tracemalloc.start()
    try:
        with pytest.raises(NotThisFormat):
            torchpickle.read(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000 * 200
    finally:
        tracemalloc.stop()


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_program_ends_in_names_or_a_verdict(program: bytes) -> None:
    try:
        found = torchpickle.read(b"\x80\x02" + program + b".")
    except NotThisFormat:
        return
    assert all(isinstance(name, str) for name, _ in found)


OPCODES = st.sampled_from([bytes([code]) for code in unpickle._ACTIONS] + [b"K\1", b"h\1", b"q\1"])


@settings(deadline=None)
@given(st.lists(OPCODES, max_size=40))
def test_any_mix_of_known_opcodes(program: list[bytes]) -> None:
    with contextlib.suppress(NotThisFormat):
        torchpickle.read(b"".join(program) + b".")


def around(value: object) -> bytes:
    """A pickle of {"model": {"w": a tensor}, "other": value, "after": a tensor}."""
    inner = (
        dump({"w": FakeTensor("0")})[2:-1],
        pickle.dumps(value, 2)[2:-1],
        dump(FakeTensor("1"))[2:-1],
    )
    keys = [b"X" + len(key).to_bytes(4, "little") + key for key in (b"model", b"other", b"after")]
    return b"\x80\x02}(" + b"".join(k + v for k, v in zip(keys, inner, strict=True)) + b"u."


@pytest.mark.parametrize(
    "made",
    [
        lambda: list(range(1_281_167)),  # the sample order of ImageNet
        lambda: [i / 3 for i in range(500_000)],
        lambda: [(i, i / 3) for i in range(300_000)],
        lambda: {i: i / 3 for i in range(300_000)},
        lambda: ["x" * (i % 30) for i in range(150_000)],
        lambda: [[i, i + 1, None] for i in range(100_000)],
    ],
    ids=["ints", "floats", "pairs", "a dict", "texts", "lists"],
)
def test_long_plain_values_do_not_hide_names(made: Callable[[], object]) -> None:
    data = around(made())
    start = time.process_time()
    assert names(data) == {"model.w": "0", "after": "1"}
    assert time.process_time() - start < 8


def test_positions_count_what_was_passed_over() -> None:
    value = [*range(2000), FakeTensor("0"), *range(300), (1, FakeTensor("1")), *([None] * 99)]
    assert names(dump(value)) == {"2000": "0", "2301.1": "1"}
    assert names(dump(value, 4)) == {"2000": "0", "2301.1": "1"}


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_comes_after_a_run_finds_its_memo(protocol: int) -> None:
    shared, tensor = (1, 2), FakeTensor("0")
    value = {
        "runs": [(i, 2.5) for i in range(40)] + [shared] * 40,
        "x": {"a": tensor, "b": [tensor, shared]},
    }
    assert names(dump(value, protocol)) == {"x.a": "0", "x.b.0": "0"}


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.campaign)])
def test_many_tensors(count: int) -> None:
    one = dump({"layer.0.weight": FakeTensor("0", (3, 4))})
    assert len(torchpickle.read(one)) == 1
    body = b"".join(
        b"X\x07\0\0\0l%06dctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
        b"X\x06\0\0\0%06dX\x03\0\0\0cpuK\x02tQK\0K\x03K\x04\x86K\x04K\x01\x86\x89ccollections\n"
        b"OrderedDict\n)RtR" % (i, i)
        for i in range(count)
    )
    start = time.process_time()
    found = torchpickle.read(b"\x80\x02}(" + body + b"u.")
    assert time.process_time() - start < count / 4000
    assert (len(found), found[-1][0]) == (count, f"l{count - 1:06}")
