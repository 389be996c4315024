"""Names of branches and tags: what is one, how it is written, and that what is written means it."""

from __future__ import annotations

import re
import shlex
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mvcd.errors import UsageError
from mvcd.repo.records.names import (
    check_name,
    is_earlier,
    known_name,
    long_form,
    new_name,
    read_as,
    ref_meant,
    rule_broken,
    unescaped,
    written,
)
from mvcd.repo.records.refs import HEADS, TAGS
from mvcd.repo.records.revisions import _SUFFIX, split_path

NAMES = (
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
    .map(lambda name: unicodedata.normalize("NFC", name))
    .filter(lambda name: rule_broken(name) is None)
)


@given(name=NAMES, space=st.sampled_from([HEADS, TAGS]), both=st.booleans())
@example("v1", TAGS, False)
@example("tags/v1", TAGS, True)
@example("100%25", TAGS, False)
@example("main@{1}", HEADS, True)
@example("a~1^", TAGS, False)
@example("#12", TAGS, False)
@example("x:y", HEADS, False)
def test_what_is_written_means_the_ref_in_every_place(name: str, space: str, both: bool) -> None:
    refs = {HEADS + name, TAGS + name} if both else {space + name}
    ref = space + name
    for text in (written(ref, refs.__contains__), long_form(ref)):
        assert ref_meant(text, refs.__contains__) == ref
        assert known_name(text, space, refs.__contains__) == name
        assert split_path(f"{text}:a/b") == (text, "a/b")
        assert re.search(_SUFFIX, text) is None
        assert ".." not in text
        assert text.strip() == text
        if text.isascii():
            assert shlex.split(text) == [text]
            assert not text.startswith("#"), "which begins a comment"
    assert new_name(long_form(ref), space) == name
    if not is_earlier(name):
        return
    assert rule_broken(name) is None
    assert long_form(name) == name, "what could be typed before still can"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "it is empty"),
        ("a\tb", "it has the character U+0009, which cannot be seen"),
        ("a\u202eb", "it has the character U+202E, which cannot be seen"),
        ("a\ud800", "it has the character U+D800, which cannot be seen"),
        ("é" * 101, "it has 202 bytes in UTF-8, and a name at most 200"),
        ("e\u0301", "it is not in Unicode's composed form (NFC)"),
        ("-x", "a name does not begin with '-'"),
        ("x ", "a name neither begins nor ends with a space"),
        ("a//b", "a part of it, between slashes, is empty"),
        ("a..b", "a name has no '..'"),
        ("a.lock", "a name does not end with '.lock'"),
    ],
)
def test_the_rule_is_told(name: str, rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name, "tag")
    assert (caught.value.kind, caught.value.cause) == ("bad-name", rule)


@pytest.mark.parametrize(
    "name", ["v1", "model@v1", "feature/#12", "x y", "été", "a" * 200, "模型", "(x)", "a:b", "?*["]
)
def test_names_of_others(name: str) -> None:
    check_name(name, "tag")
    assert new_name(f"tags/{name}", TAGS) == name


def test_escapes() -> None:
    assert unescaped("feature%2F12") == "feature/12"
    assert unescaped("%C3%A9t%c3%a9") == unescaped("e\u0301te\u0301") == "été"
    assert unescaped("100%") == "100%"
    assert unescaped("%zz%ff") == "%zz%ff", "no UTF-8: as it is written"


def test_what_reads_as_something_else_needs_its_long_form() -> None:
    for name in ("v1", "v007", "HEAD", "@prod", "A" * 64):
        assert read_as(name) is not None
        assert not is_earlier(name)
        assert ref_meant(name, lambda _: True) is None
        assert written(TAGS + name).startswith(TAGS)
        with pytest.raises(UsageError, match="alone cannot name a tag") as caught:
            new_name(name, TAGS)
        assert (caught.value.help or "").startswith(f"mvc tag tags/{name}")
    for name in ("v1.0", "v", "1", "v1a", "headless"):
        assert read_as(name) is None
