"""What is looked for, and whether a text has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import UsageError
from mvcd.repo.mentions.sought import MAX_CHARACTERS, Sought

WORD = st.text(alphabet="abAB./_é ", max_size=6)


@given(st.lists(WORD, max_size=3), st.text(alphabet="abAB./_éx ", max_size=20))
def test_a_text_has_all_words_in_any_case(words: list[str], text: str) -> None:
    sought = Sought.of(" ".join(words))
    asked = " ".join(words).lower().split()
    expected = bool(asked) and all(word in text.lower() for word in asked)
    assert sought.in_text(text) == expected
    if expected and text.isascii():
        assert sought.in_bytes(b"\x12\x05" + text.encode() + b"\xff")


def test_a_version_is_named_by_its_number_or_the_beginning_of_its_id() -> None:
    id = "0123456789abcdef" * 4
    for said in ("v7", "V7", "0123", id, id.upper()):
        assert Sought.of(said).names(id, 7), said
    for said in ("v8", "v", "012", "1234", f"{id}0", "v7 0123", "", f"v{'9' * 400}"):
        assert not Sought.of(said).names(id, 7), said


def test_64_digits_are_also_a_digest() -> None:
    assert Sought.of("AB" * 32).sha256 == "ab" * 32
    assert Sought.of("ab" * 31).sha256 is None
    assert Sought.of("  ").nothing
    assert not Sought.content(0, None).nothing


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="characters"):
        Sought.of("a" * (MAX_CHARACTERS + 1))
    for digest in ("", "xy", "AB" * 32, "ab" * 33):
        with pytest.raises(UsageError) as refused:
            Sought.content(1, digest)
        assert refused.value.kind == "bad-digest"
