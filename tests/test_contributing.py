"""What CONTRIBUTING.md, Makefile and .pre-commit-config.yaml name exists, and is what .ci/run runs."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
CHECK = (ROOT / ".ci" / "run").read_text()
PROTOS = sorted((ROOT / "proto").rglob("*.proto"))


def targets() -> dict[str, list[str]]:
    """The commands of each target, or the targets that it stands for."""
    found = {}
    for name, needs, body in re.findall(r"^([a-z-]+):(.*)\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE):
        found[name] = [*needs.split(), *(line.strip() for line in body.splitlines())]
    return found


def test_the_page_tells_every_target_and_no_other() -> None:
    named = {word for line in re.findall(r"make ([a-z -]+)", PAGE) for word in line.split(" ")}
    table = set(re.findall(r"^\| `make ([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert table == set(targets())
    assert named & table == table
    assert set(re.findall(r"\.PHONY: (.*)", MAKEFILE)[0].split()) == set(targets())


def test_style_types_and_test_are_what_the_continuous_check_runs() -> None:
    made = targets()
    assert made["check"] == ["style", "types", "test"]
    checked = [line.strip() for line in CHECK.splitlines()]
    for command in [*made["style"], *made["types"]]:
        assert command in checked, command
    (test,) = made["test"]
    assert any(line.endswith(f"&& {test} || exit 1") for line in checked)
    assert f"pip install -e '.[dev]' && {test}\n" in (ROOT / "README.md").read_text()


def test_programs_and_paths_that_targets_and_page_name_are_there() -> None:
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    commands = [c for body in targets().values() for c in body] + blocks.splitlines()
    assert len(commands) > 15
    for command in commands:
        for word in shlex.split(command):
            if re.fullmatch(r"(tests|docs|proto|mvcd|client)/\S+", word):
                assert list(ROOT.glob(word)), f"{word} of {command}"


def test_marks_that_targets_select_are_registered() -> None:
    marks = (ROOT / "pyproject.toml").read_text().split("markers = [")[1].split("]")[0]
    selected = re.findall(r"pytest -m '?(\w+)", MAKEFILE)
    assert selected == ["thorough", "campaign", "tools", "engine", "page", "trainers"]
    assert [mark for mark in selected if f'"{mark}:' not in marks] == []


def test_make_takes_the_file() -> None:
    for target in targets():
        ran = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert ran.stdout.strip(), target


def test_hooks_run_what_the_continuous_check_runs() -> None:
    config = YAML(typ="safe").load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [repo["repo"] for repo in config["repos"]] == ["local"], "no downloads before a commit"
    for hook in hooks:
        assert hook["language"] == "system"
        start = hook["entry"].removesuffix(" --force-exclude")
        assert re.search(rf"^{re.escape(start)}\b", CHECK, re.MULTILINE), hook["entry"]


# -------------------------------------------------------------------- generated code


@pytest.mark.parametrize("proto", PROTOS, ids=lambda proto: proto.name)
def test_generated_code_is_of_the_protos_as_they_are(proto: Path) -> None:
    """Names, numbers and types of all fields: enough to notice that `make proto` was forgotten."""
    place = proto.relative_to(ROOT / "proto").with_suffix("")
    module = importlib.import_module(".".join(place.parts) + "_pb2")
    text = re.sub(r"//[^\n]*", "", proto.read_text())
    assert len(fields_of_text(text)) > 5
    assert fields_of_text(text) == fields_of_code(module.DESCRIPTOR)
    calls = {
        name for s in module.DESCRIPTOR.services_by_name.values() for name in s.methods_by_name
    }
    assert set(re.findall(r"\brpc (\w+)", text)) == calls


def fields_of_text(text: str) -> set[tuple[str, int, str]]:
    found = re.findall(r"\b(\w+(?:\.\w+)*)\s+(\w+)\s*=\s*(\d+)\s*(?:\[[^\]]*\])?;", text)
    return {
        (name, int(number), kind.split(".")[-1])
        for kind, name, number in found
        if kind != "reserved"
    }


def fields_of_code(file: FileDescriptor) -> set[tuple[str, int, str]]:
    found = set()
    waiting = list(file.message_types_by_name.values())
    while waiting:
        message = waiting.pop()
        waiting += message.nested_types
        found |= {(field.name, field.number, kind_of(field)) for field in message.fields}
    return found


def kind_of(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return str(field.message_type.name)
    if field.enum_type is not None:
        return str(field.enum_type.name)
    kinds = {
        n.removeprefix("TYPE_").lower(): getattr(field, n)
        for n in dir(field)
        if n.startswith("TYPE_")
    }
    return next(name for name, number in kinds.items() if number == field.type)


def test_make_and_page_name_the_generator_whose_code_is_committed() -> None:
    code = (ROOT / "mvcd" / "wire" / "v1" / "remote_pb2_grpc.py").read_text()
    made = re.findall(r"GRPC_GENERATED_VERSION = '(.+)'", code)
    assert made == re.findall(r"grpcio-tools==(\S+)", MAKEFILE)
    assert made == re.findall(r"grpcio-tools (\d\S+)", PAGE)
