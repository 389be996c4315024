"""Documents of links: their bytes, and that nothing shows what is in them."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import Failure, IntegrityError
from mvcd.store.bucket.links import Link, LinkDocument, decode_links, encode_links

NAMES = st.text("abc/", min_size=1, max_size=9)


@given(
    objects=st.dictionaries(NAMES, st.binary(max_size=40)),
    links=st.dictionaries(NAMES, st.builds(Link, st.text(max_size=20), st.integers(0, 2**50))),
    asked=st.lists(st.text(max_size=5)),
    expires=st.integers(0, 2**40),
)
def test_what_was_written_is_read(
    objects: dict[str, bytes], links: dict[str, Link], asked: list[str], expires: int
) -> None:
    made = LinkDocument("s3://b/p", tuple(asked), expires, objects, links)
    assert decode_links(encode_links(made)) == made


def test_nothing_shows_them() -> None:
    made = LinkDocument(
        "s3://b/p", (), 0, {"refs": b"inside"}, {"packs/a": Link("https://x/?secret", 1)}
    )
    assert "secret" not in repr(made) and "inside" not in repr(made)
    assert made.good_until == "1970-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"https://host/?secret",
        b"mvc-links x\n",
        b"mvc-links 1\n",
        b"mvc-links 1\nhttps://host/?secret",
        b"mvc-links 1\n"
        + zstandard.ZstdCompressor().compress(b'{"links": "https://host/?secret"}'),
        b"mvc-links 1\n" + zstandard.ZstdCompressor().compress(b'["https://host/?secret"]'),
    ],
)
def test_what_is_none_is_told_without_what_is_in_it(data: bytes) -> None:
    with pytest.raises(IntegrityError) as caught:
        decode_links(data)
    assert caught.value.kind == "links-damaged" and "mvc remote presign" in str(caught.value.help)
    assert "secret" not in f"{caught.value} {caught.value.cause} {caught.value.__context__}"


def test_a_newer_format_is_told() -> None:
    with pytest.raises(Failure, match="format 2") as caught:
        decode_links(b"mvc-links 2\n")
    assert caught.value.kind == "newer-format"
