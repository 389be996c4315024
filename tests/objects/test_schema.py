"""The committed generated code is that of the committed schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from mvcd.objects.v1 import objects_pb2, promotion_pb2

SCHEMAS = Path(__file__).parents[2] / "proto" / "mvcd" / "objects" / "v1"
FILES = {
    "objects": (objects_pb2.DESCRIPTOR, 14, 2),
    "promotion": (promotion_pb2.DESCRIPTOR, 2, 1),
}
"""Per schema: the generated code, its messages, its enums."""

Fields = set[tuple[str, str, int, bool, str | None]]
"""Name, type, number, repeated, oneof."""

FIELD = re.compile(r"(repeated )?([A-Za-z0-9_]+) ([a-z0-9_]+) = (\d+);")

SCALARS = {
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_SINT64: "sint64",
    FieldDescriptor.TYPE_SINT32: "sint32",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
}


def parse_schema(text: str) -> tuple[dict[str, Fields], dict[str, dict[str, int]]]:
    """Messages and enums of a schema without nested types, options or maps."""
    messages: dict[str, Fields] = {}
    enums: dict[str, dict[str, int]] = {}
    kind = name = ""
    oneof: str | None = None
    for line in map(str.strip, re.sub(r"//.*", "", text).splitlines()):
        if match := re.fullmatch(r"(message|enum) (\w+) \{", line):
            kind, name = match.groups()
            if kind == "message":
                messages[name] = set()
            else:
                enums[name] = {}
        elif match := re.fullmatch(r"oneof (\w+) \{", line):
            oneof = match[1]
        elif line == "}":
            if oneof is None:
                kind = name = ""
            oneof = None
        elif kind == "message" and (match := FIELD.fullmatch(line)):
            messages[name].add((match[3], match[2], int(match[4]), bool(match[1]), oneof))
        elif kind == "enum" and (match := re.fullmatch(r"(\w+) = (\d+);", line)):
            enums[name][match[1]] = int(match[2])
        else:
            assert not line or re.fullmatch(
                r'(syntax = "proto3"|package mvcd\.objects\.v1|import "mvcd/objects/v1/\w+\.proto");',
                line,
            ), line
    return messages, enums


def fields_of(message: Descriptor) -> Fields:
    return {
        (
            field.name,
            SCALARS.get(field.type) or (field.message_type or field.enum_type).name,
            field.number,
            field.is_repeated,
            field.containing_oneof.name if field.containing_oneof else None,
        )
        for field in message.fields
    }


@pytest.mark.parametrize("name", FILES)
def test_generated_code_is_of_the_schema(name: str) -> None:
    messages, enums = parse_schema((SCHEMAS / f"{name}.proto").read_text(encoding="utf-8"))
    file, of_messages, of_enums = FILES[name]
    assert {name: fields_of(m) for name, m in file.message_types_by_name.items()} == messages
    generated = {
        name: {value.name: value.number for value in enum.values}
        for name, enum in file.enum_types_by_name.items()
    }
    assert generated == enums
    assert len(messages) == of_messages and len(enums) == of_enums
    assert file.package == "mvcd.objects.v1"


@pytest.mark.parametrize("name", FILES)
def test_no_map_and_every_list_of_numbers_is_packed(name: str) -> None:
    for message in FILES[name][0].message_types_by_name.values():
        for field in message.fields:
            assert not (field.message_type and field.message_type.GetOptions().map_entry)
            if field.is_repeated and field.cpp_type not in {
                FieldDescriptor.CPPTYPE_STRING,
                FieldDescriptor.CPPTYPE_MESSAGE,
            }:
                assert field.is_packed
