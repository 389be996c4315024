"""The committed generated code of the wire is that of the committed schema."""

from __future__ import annotations

import re
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor

from mvcd.wire.v1 import remote_pb2

SCHEMA = Path(__file__).parents[2] / "proto" / "mvcd" / "wire" / "v1" / "remote.proto"
FIELD = re.compile(r"(repeated |optional )?([A-Za-z0-9]+) ([a-z0-9_]+) = (\d+);")
RPC = re.compile(r"rpc (\w+)\((\w+)\) returns \((stream )?(\w+)\);")
TYPES = {
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_SINT64: "sint64",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
}


def schema() -> str:
    return re.sub(r"//.*", "", SCHEMA.read_text(encoding="utf-8"))


def test_messages() -> None:
    written = {
        name: {
            (label.strip(), kind, field, int(n)) for label, kind, field, n in FIELD.findall(body)
        }
        for name, body in re.findall(r"message (\w+) \{(.*?)\}", schema(), re.DOTALL)
    }
    generated = {
        name: {
            (
                "repeated" if field.is_repeated else "optional" if field.containing_oneof else "",
                TYPES.get(field.type) or field.message_type.name,
                field.name,
                field.number,
            )
            for field in message.fields
        }
        for name, message in remote_pb2.DESCRIPTOR.message_types_by_name.items()
    }
    assert generated == written
    assert len(written) == 19


def test_calls() -> None:
    service = remote_pb2.DESCRIPTOR.services_by_name["Remote"]
    generated = [
        (m.name, m.input_type.name, m.server_streaming, m.output_type.name) for m in service.methods
    ]
    written = [(name, i, bool(stream), o) for name, i, stream, o in RPC.findall(schema())]
    assert generated == written
    assert len(written) == 8
    assert not any(method.client_streaming for method in service.methods)
    assert service.full_name == "mvcd.wire.v1.Remote"


def test_every_request_names_its_repository_first() -> None:
    for method in remote_pb2.DESCRIPTOR.services_by_name["Remote"].methods:
        assert method.input_type.fields_by_number[1].name == "repo"
