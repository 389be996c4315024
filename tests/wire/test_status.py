"""Errors cross the wire whole, and the page that tells of them agrees with the table in the code."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest
from google.rpc import code_pb2

from mvcd import errors
from mvcd.errors import MvcError
from mvcd.wire.status import CODES, KIND_CODES, MAX_TEXT_BYTES, may_repeat, to_error, to_status

PAGE = Path(__file__).parents[2] / "proto" / "README.md"
URL = "grpc://example.org/r"


class Ended(grpc.RpcError, grpc.Call):
    """A call as a client sees it when it has failed."""

    def __init__(self, code: grpc.StatusCode, details: str = "", trailers: object = ()) -> None:
        self._code, self._details, self._trailers = code, details, trailers

    def code(self):
        return self._code

    def details(self):
        return self._details

    def trailing_metadata(self):
        return self._trailers

    def initial_metadata(self):
        return ()

    def is_active(self):
        return False

    def time_remaining(self):
        return None

    def cancel(self):
        return False

    def add_callback(self, callback):
        return False


def sent(error: MvcError) -> Ended:
    status = to_status(error)
    return Ended(status.code, status.details, status.trailing_metadata)


def test_every_class_has_a_code() -> None:
    found = [errors.MvcError]
    for cls in found:
        found.extend(cls.__subclasses__())
    local = {errors.MvcError, errors.ExpressionError}  # nobody sends expressions to a remote
    ours = {cls for cls in found if cls.__module__ == "mvcd.errors"}
    assert ours - local == set(CODES)


@pytest.mark.parametrize("cls", CODES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("kind", [None, "some-kind"])
def test_every_class_round_trips(cls: type[MvcError], kind: str | None) -> None:
    error = cls("what failed: ü", kind=kind, cause="why", help="mvc help")
    found = to_error(sent(error), URL)
    assert type(found) is cls
    assert (str(found), found.kind, found.cause, found.help) == (
        "what failed: ü",
        kind or cls.default_kind,
        "why",
        "mvc help",
    )


def test_absent_texts_stay_absent() -> None:
    found = to_error(sent(errors.Failure("no")), URL)
    assert (found.cause, found.help) == (None, None)


def test_long_texts_are_cut_between_characters() -> None:
    found = to_error(sent(errors.Conflict("€" * 5000, cause="ä" * 5000)), URL)
    assert str(found) == "€" * (MAX_TEXT_BYTES // 3)
    assert found.cause == "ä" * (MAX_TEXT_BYTES // 2)


def test_kinds_with_a_code_of_their_own() -> None:
    for kind, code in KIND_CODES.items():
        assert sent(errors.AuthError("no", kind=kind)).code().value[0] == code


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c is not grpc.StatusCode.OK])
def test_errors_without_our_detail_are_errors_of_ours_too(code: grpc.StatusCode) -> None:
    found = to_error(Ended(code, "a proxy's words"), URL)
    assert isinstance(found, MvcError)
    assert URL in str(found)


def test_what_is_tried_again() -> None:
    assert may_repeat(sent(errors.Busy("later")))
    assert may_repeat(Ended(grpc.StatusCode.UNAVAILABLE))
    assert may_repeat(Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls"))
    assert not may_repeat(sent(errors.Failure("full", kind="quota")))
    assert not may_repeat(sent(errors.Conflict("moved")))
    assert not may_repeat(
        Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)")
    )


def test_the_page_agrees_with_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([a-z-]+)` \| ([A-Z_]+) \|", text, re.MULTILINE)
    table = [(c.__name__, c.default_kind, code_pb2.Code.Name(code)) for c, code in CODES.items()]
    assert rows == table
    kinds = re.findall(r"^\| any \| `([a-z-]+)` \| ([A-Z_]+) \|", text, re.MULTILINE)
    assert kinds == [(kind, code_pb2.Code.Name(code)) for kind, code in KIND_CODES.items()]
