from __future__ import annotations

import math
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import CorruptObject
from mvcd.ids import NodeId, VersionId
from mvcd.objects.canonical import encode
from mvcd.objects.manifest import ComponentRoot
from mvcd.objects.v1 import objects_pb2 as pb
from mvcd.objects.version import EMPTY, Component, Provenance, Trigger, Value, Version
from tests.objects.reference import some_id

A, B, C = (VersionId(some_id(i)) for i in range(3))
ROOT = ComponentRoot(NodeId(some_id(9)), 2, 30)
FIRST = Version(generation=1, components={Component.DATA: ROOT})


def test_the_empty_version() -> None:
    assert EMPTY.encode() == b""
    assert EMPTY.id == VersionId.of(b"")
    assert Version.decode(b"") == EMPTY == Version()
    assert EMPTY.generation == 0 and EMPTY.parents == ()
    assert all(root == ComponentRoot() for root in EMPTY.components.values())


def test_all_components_in_their_order() -> None:
    shuffled = Version(components={Component.RESULTS: ROOT, Component.ARCHITECTURE: ROOT})
    assert list(shuffled.components) == list(Component)
    assert [str(component) for component in Component] == [
        "architecture",
        "weights",
        "hyperparameters",
        "data",
        "results",
    ]
    assert FIRST.components[Component.DATA] == ROOT
    assert FIRST.components[Component.WEIGHTS] == ComponentRoot()


def test_order_of_keys_does_not_show() -> None:
    one = replace(FIRST, metrics={"b": 1, "a": 2})
    assert one.id == replace(FIRST, metrics={"a": 2, "b": 1}).id
    assert list(Version.decode(one.encode()).metrics) == ["a", "b"]


def test_kinds_of_numbers_stay_apart() -> None:
    ids = {replace(FIRST, metrics={"a": value}).id for value in (1, 1.0, True, "1", None)}
    assert len(ids) == 5
    assert replace(FIRST, metrics={"a": 0.0}).id != replace(FIRST, metrics={"a": -0.0}).id


def test_one_nan() -> None:
    odd = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0001))[0]
    version = replace(FIRST, metrics={"loss": odd})
    assert version.id == replace(FIRST, metrics={"loss": math.nan}).id
    value = Version.decode(version.encode()).metrics["loss"]
    assert isinstance(value, float) and math.isnan(value)
    message = pb.Version(generation=1, metric_values=[pb.KeyValue(key="loss", number=odd)])
    with pytest.raises(CorruptObject) as caught:
        Version.decode(encode(message))
    assert "NaN" in str(caught.value.cause)


def test_versions_are_hashable() -> None:
    assert len({FIRST, replace(FIRST), EMPTY}) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 0},
        {"generation": 2},
        {"parents": (A,)},
        {"parents": (A, A), "generation": 2},
        {"parents": (A, B, C), "generation": 2},
        {"parents": (EMPTY.id,), "generation": 2},
        {"utc_offset_minutes": 1440},
        {"utc_offset_minutes": -1440},
        {"tracked": ("b", "a")},
        {"tracked": ("a", "a")},
        {"tracked": ("../a",)},
        {"metrics": {"n": 1 << 63}},
        {"metrics": {"n": -(1 << 63) - 1}},
        {"time_us": 1 << 63},
        {"message": "\udc80"},
        {"message": "m" * (1 << 20)},
        {"components": {Component.DATA: ComponentRoot(NodeId(A), 0, 0)}},
        {"components": {Component.DATA: ComponentRoot(None, 1, 0)}},
        {"components": {Component.DATA: ComponentRoot(None, 0, 1)}},
    ],
    ids="-".join,
)
def test_encode_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(FIRST, **change).encode()


ILLEGAL = {
    "content without generation": pb.Version(message="m"),
    "generation without parents": pb.Version(generation=2),
    "parents of a first version": pb.Version(generation=1, parents=[A]),
    "parent twice": pb.Version(generation=2, parents=[A, A]),
    "three parents": pb.Version(generation=2, parents=[A, B, C]),
    "torn parent": pb.Version(generation=2, parents=[bytes(31)]),
    "empty component": pb.Version(generation=1, data=pb.Component()),
    "component without files": pb.Version(generation=1, data=pb.Component(root=bytes(32))),
    "component without root": pb.Version(generation=1, data=pb.Component(files=1)),
    "time zone": pb.Version(generation=1, utc_offset_minutes=-1440),
    "trigger": pb.Version(generation=1, trigger=5),
    "empty provenance": pb.Version(generation=1, provenance=pb.Provenance()),
    "keys descend": pb.Version(
        generation=1, metric_values=[pb.KeyValue(key="b"), pb.KeyValue(key="a")]
    ),
    "key twice": pb.Version(generation=1, hyperparameter_values=[pb.KeyValue(key="a")] * 2),
    "tracked descend": pb.Version(generation=1, tracked=["b", "a"]),
    "tracked illegal": pb.Version(generation=1, tracked=["/a"]),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_versions_are_refused(name: str) -> None:
    with pytest.raises(CorruptObject) as caught:
        Version.decode(encode(ILLEGAL[name]))
    assert "version" in str(caught.value) and caught.value.cause


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values: st.SearchStrategy[dict[str, Value]] = st.dictionaries(
    texts,
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        texts,
    ),
    max_size=5,
)
roots = st.builds(
    ComponentRoot,
    st.integers(0, 99).map(lambda i: NodeId(some_id(i))),
    st.integers(1, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)
parents = st.lists(st.sampled_from([A, B, C]), unique=True, max_size=2).map(tuple)


@settings(deadline=None)
@given(
    parents,
    st.integers(2, 2**64 - 1),
    st.builds(
        Version,
        components=st.dictionaries(st.sampled_from(Component), roots),
        author=texts,
        time_us=st.integers(-(2**63), 2**63 - 1),
        utc_offset_minutes=st.integers(-1439, 1439),
        message=texts,
        trigger=st.sampled_from(Trigger),
        hyperparameters=values,
        metrics=values,
        provenance=st.builds(
            Provenance, texts, st.booleans(), st.lists(texts, max_size=3).map(tuple), texts
        ),
        tracked=st.sets(st.sampled_from([".", "a", "a/b", "é"])).map(sorted).map(tuple),
    ),
)
def test_round_trip(parents: tuple[VersionId, ...], generation: int, rest: Version) -> None:
    version = replace(rest, parents=parents, generation=generation if parents else 1)
    again = Version.decode(version.encode())
    assert again == version and again.id == version.id
    kinds = {key: type(value) for key, value in version.metrics.items()}
    assert {key: type(value) for key, value in again.metrics.items()} == kinds
